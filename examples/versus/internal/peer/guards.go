package peer

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"time"

	"github.com/go-chi/httprate"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/store/memory"
	"golang.org/x/time/rate"

	"github.com/ministryfinder/bounded/ratelimit"
)

// A Guard decides whether an address may guess a password.
type Guard struct {
	Name string

	// New returns a function that lets an attempt in, which then fails, or refuses it; and one
	// that ends the guard.
	New func(failures int, window time.Duration) (attempt func(netip.Addr) bool, done func(), err error)
}

// Guards returns what people put before a sign-in.
func Guards() []Guard {
	return []Guard{
		{Ours, func(failures int, window time.Duration) (func(netip.Addr) bool, func(), error) {
			t, err := ratelimit.NewTracker(ratelimit.Config{Failures: failures, Window: window, LongWindow: max(window, 96*window)})
			if err != nil {
				return nil, nil, err
			}
			return func(addr netip.Addr) bool { return t.Fail(addr) == nil }, func() {}, nil
		}},
		{"go-limiter", func(failures int, window time.Duration) (func(netip.Addr) bool, func(), error) {
			s, err := memorystore.New(&memorystore.Config{Tokens: uint64(failures), Interval: window})
			if err != nil {
				return nil, nil, err
			}
			ctx := context.Background()
			return func(addr netip.Addr) bool {
				_, _, _, ok, err := s.Take(ctx, addr.String())
				return ok && err == nil
			}, func() { _ = s.Close(ctx) }, nil
		}},
		{"httprate", func(failures int, window time.Duration) (func(netip.Addr) bool, func(), error) {
			l := httprate.NewRateLimiter(failures, window)
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)
			var mu sync.Mutex // guards w
			return func(addr netip.Addr) bool {
				mu.Lock()
				defer mu.Unlock()
				return !l.OnLimit(w, r, addr.String())
			}, func() {}, nil
		}},
		{"ulule", func(failures int, window time.Duration) (func(netip.Addr) bool, func(), error) {
			l := limiter.New(memory.NewStore(), limiter.Rate{Period: window, Limit: int64(failures)})
			ctx := context.Background()
			return func(addr netip.Addr) bool {
				c, err := l.Get(ctx, addr.String())
				return err == nil && !c.Reached
			}, func() {}, nil
		}},
		{"x/time/rate in a map", func(failures int, window time.Duration) (func(netip.Addr) bool, func(), error) {
			var mu sync.Mutex
			limiters := make(map[netip.Addr]*rate.Limiter)
			return func(addr netip.Addr) bool {
				mu.Lock()
				defer mu.Unlock()
				l := limiters[addr]
				if l == nil {
					l = rate.NewLimiter(rate.Every(window/time.Duration(failures)), failures)
					limiters[addr] = l
				}
				return l.Allow()
			}, func() {}, nil
		}},
	}
}
