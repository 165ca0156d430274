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

// A Client is an address in both forms that guards take, made before the clock starts.
type Client struct {
	Addr netip.Addr
	Text string
}

// NewClient returns the client of an address.
func NewClient(addr netip.Addr) Client { return Client{addr, addr.String()} }

// A Guard decides whether a client may guess a password.
type Guard struct {
	Name string

	// New returns a function that lets an attempt in, which then fails, or refuses it; and one
	// that ends the guard.
	New func(GuardConfig) (attempt func(Client) bool, done func(), err error)
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
		{Ours, func(c GuardConfig) (func(Client) bool, func(), error) {
			t, err := ours(c)
			if err != nil {
				return nil, nil, err
			}
			return func(client Client) bool { return t.Fail(client.Addr) == nil }, func() {}, nil
		}},
		{Ours + ", two calls", func(c GuardConfig) (func(Client) bool, func(), error) {
			t, err := ours(c)
			if err != nil {
				return nil, nil, err
			}
			return func(client Client) bool {
				attempt, err := t.Begin(client.Addr)
				attempt.Fail()
				return err == nil
			}, func() {}, nil
		}},
		{"go-limiter", func(c GuardConfig) (func(Client) bool, func(), error) {
			s, err := memorystore.New(&memorystore.Config{Tokens: uint64(c.Failures), Interval: c.Window})
			if err != nil {
				return nil, nil, err
			}
			ctx := context.Background()
			return func(client Client) bool {
				_, _, _, ok, err := s.Take(ctx, client.Text)
				return ok && err == nil
			}, func() { _ = s.Close(ctx) }, nil
		}},
		{"httprate", func(c GuardConfig) (func(Client) bool, func(), error) {
			l := httprate.NewRateLimiter(c.Failures, c.Window)
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)
			var mu sync.Mutex // guards w
			return func(client Client) bool {
				mu.Lock()
				defer mu.Unlock()
				return !l.OnLimit(w, r, client.Text)
			}, func() {}, nil
		}},
		{"ulule", func(c GuardConfig) (func(Client) bool, func(), error) {
			l := limiter.New(memory.NewStore(), limiter.Rate{Period: c.Window, Limit: int64(c.Failures)})
			ctx := context.Background()
			return func(client Client) bool {
				state, err := l.Get(ctx, client.Text)
				return err == nil && !state.Reached
			}, func() {}, nil
		}},
		{"x/time/rate in a map", func(c GuardConfig) (func(Client) bool, func(), error) {
			var mu sync.Mutex
			limiters := make(map[netip.Addr]*rate.Limiter)
			return func(client Client) bool {
				mu.Lock()
				defer mu.Unlock()
				l := limiters[client.Addr]
				if l == nil {
					l = rate.NewLimiter(rate.Every(c.Window/time.Duration(c.Failures)), c.Failures)
					limiters[client.Addr] = l
				}
				return l.Allow()
			}, func() {}, nil
		}},
	}
}
