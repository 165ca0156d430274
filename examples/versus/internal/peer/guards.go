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
	New func(GuardConfig) (attempt func(netip.Addr) bool, done func(), err error)
}

// A GuardConfig is what all guards are asked for, as far as they have it.
type GuardConfig struct {
	Failures  int
	Window    time.Duration
	Day       bool // no more than 100 in 96 windows either
	Addresses int  // to be remembered at the least
}

func ours(c GuardConfig) (*ratelimit.Tracker, error) {
	config := ratelimit.Config{Failures: c.Failures, Window: c.Window, LongFailures: -1, MaxAddresses: c.Addresses, Lockout: 4 * c.Window}
	if c.Day {
		config.LongFailures, config.LongWindow = 100, 96*c.Window
	}
	return ratelimit.NewTracker(config)
}

// Guards returns what people put before a sign-in.
func Guards() []Guard {
	return []Guard{
		{Ours, func(c GuardConfig) (func(netip.Addr) bool, func(), error) {
			t, err := ours(c)
			if err != nil {
				return nil, nil, err
			}
			return func(addr netip.Addr) bool { return t.Fail(addr) == nil }, func() {}, nil
		}},
		{Ours + ", two calls", func(c GuardConfig) (func(netip.Addr) bool, func(), error) {
			t, err := ours(c)
			if err != nil {
				return nil, nil, err
			}
			return func(addr netip.Addr) bool {
				attempt, err := t.Begin(addr)
				attempt.Fail()
				return err == nil
			}, func() {}, nil
		}},
		{"go-limiter", func(c GuardConfig) (func(netip.Addr) bool, func(), error) {
			s, err := memorystore.New(&memorystore.Config{Tokens: uint64(c.Failures), Interval: c.Window})
			if err != nil {
				return nil, nil, err
			}
			ctx := context.Background()
			return func(addr netip.Addr) bool {
				_, _, _, ok, err := s.Take(ctx, addr.String())
				return ok && err == nil
			}, func() { _ = s.Close(ctx) }, nil
		}},
		{"httprate", func(c GuardConfig) (func(netip.Addr) bool, func(), error) {
			l := httprate.NewRateLimiter(c.Failures, c.Window)
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)
			var mu sync.Mutex // guards w
			return func(addr netip.Addr) bool {
				mu.Lock()
				defer mu.Unlock()
				return !l.OnLimit(w, r, addr.String())
			}, func() {}, nil
		}},
		{"ulule", func(c GuardConfig) (func(netip.Addr) bool, func(), error) {
			l := limiter.New(memory.NewStore(), limiter.Rate{Period: c.Window, Limit: int64(c.Failures)})
			ctx := context.Background()
			return func(addr netip.Addr) bool {
				state, err := l.Get(ctx, addr.String())
				return err == nil && !state.Reached
			}, func() {}, nil
		}},
		{"x/time/rate in a map", func(c GuardConfig) (func(netip.Addr) bool, func(), error) {
			var mu sync.Mutex
			limiters := make(map[netip.Addr]*rate.Limiter)
			return func(addr netip.Addr) bool {
				mu.Lock()
				defer mu.Unlock()
				l := limiters[addr]
				if l == nil {
					l = rate.NewLimiter(rate.Every(c.Window/time.Duration(c.Failures)), c.Failures)
					limiters[addr] = l
				}
				return l.Allow()
			}, func() {}, nil
		}},
	}
}
