package ratelimit_test

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

// Of 500 guesses at the same time five reach the verifier, and each of them is a failure.
func TestAttack08ParallelGuesses(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		var entered [500]bool
		var start, done sync.WaitGroup
		start.Add(1)
		for i := range entered {
			done.Go(func() {
				start.Wait()
				_ = tracker.Guard(t.Context(), alice, "", func() error {
					entered[i] = true
					time.Sleep(time.Second)
					return errWrong
				})
			})
		}
		start.Done()
		done.Wait()
		n := 0
		for _, in := range entered {
			if in {
				n++
			}
		}
		require.Equal(t, 5, n)
		require.EqualValues(t, 5, tracker.Stats().Failed)
		require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))
	})
}

// No failure is lost where many are counted at once.
func TestAttack09LostUpdates(t *testing.T) {
	under(t, ratelimit.Config{Failures: 64, AlarmFailures: -1, LongFailures: -1}, func(t *testing.T, tracker *ratelimit.Tracker) {
		var done sync.WaitGroup
		for range 8 {
			done.Go(func() {
				var open [4]ratelimit.Attempt
				for i := range open {
					open[i], _ = tracker.Begin(alice)
				}
				for _, a := range open {
					_ = tracker.Fail(alice)
					a.Fail()
				}
			})
		}
		done.Wait()
		r, ok := tracker.Lookup(alice)
		require.True(t, ok)
		require.Equal(t, 64, r.Failures)
		require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))
		require.EqualValues(t, 64, tracker.Stats().Failed)
	})
}

// Attempts that hang keep others waiting and lock nobody; when they end they are as if they had not been.
func TestAttack10HungLogins(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		var hung []ratelimit.Attempt
		for range 5 {
			a, err := tracker.Begin(alice)
			require.NoError(t, err)
			hung = append(hung, a)
		}
		requireBusy(t, tracker.Check(alice), false)
		require.Zero(t, tracker.Stats().Lockouts)
		for _, a := range hung {
			a.Cancel()
		}
		require.NoError(t, tracker.Check(alice))
		r, _ := tracker.Lookup(alice)
		require.Zero(t, r.Failures+r.Open)
	})
}

// An attempt of which nobody says how it went is a failure, and so is a wrong guess whose result nobody waits for.
func TestAttack11NeverSettling(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		in := 0
		for range 20 {
			if _, err := tracker.Begin(alice); err == nil {
				in++
			}
			time.Sleep(40 * time.Second)
		}
		require.Equal(t, 5, in)
		require.Panics(t, func() {
			bob := netip.MustParseAddr("192.0.2.2")
			_ = tracker.Guard(t.Context(), bob, "", func() error { panic("the verifier") })
		})
		r, _ := tracker.Lookup(netip.MustParseAddr("192.0.2.2"))
		require.Equal(t, 1, r.Failures)
	})
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) { // who goes away once he has guessed
		in := 0
		for range 20 {
			ctx, leave := context.WithCancel(t.Context())
			_ = tracker.Guard(ctx, alice, "", func() error {
				in++
				leave()
				return errWrong
			})
		}
		require.Equal(t, 5, in)
	})
}

// Knocking at a locked door prolongs nothing.
func TestAttack14LockExtension(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		fail(t, tracker, alice, 5)
		for range 3599 {
			require.Error(t, tracker.Fail(alice))
			time.Sleep(time.Second)
		}
		requireLocked(t, tracker.Check(alice), time.Second)
		r, _ := tracker.Lookup(alice)
		require.Equal(t, 1, r.Strikes)
		time.Sleep(time.Second)
		require.NoError(t, tracker.Check(alice))
	})
}

// Who stays below the window's limit for a month gets the long budget each day, and no more: neither if
// somebody sweeps, nor if he logs in to an account of his own each time, which leaves nothing of him in the
// table.
func TestAttack15SlowDrip(t *testing.T) {
	for how, between := range map[string]func(tracker *ratelimit.Tracker){
		"alone": func(*ratelimit.Tracker) {},
		"swept": func(tracker *ratelimit.Tracker) { tracker.Sweep() },
		"logged-in": func(tracker *ratelimit.Tracker) {
			if a, err := tracker.Begin(alice); err == nil {
				a.Succeed()
			}
		},
	} {
		for _, every := range []time.Duration{15*time.Minute + time.Millisecond, 20 * time.Minute} { // an entry knows charges of 18 minutes
			under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
				const days = 30
				in := 0
				for range days * 24 * time.Hour / every {
					in += accepted(tracker, 4, always(alice))
					time.Sleep(every)
					between(tracker)
				}
				require.LessOrEqual(t, in, (days+1)*100, how)
				require.Zero(t, tracker.Stats().Lockouts, how)
				require.NotZero(t, tracker.Stats().DeniedLong, how)
			})
		}
	}
}

// No window, wherever it begins, has a sixth failure in it.
func TestAttack16WindowBoundary(t *testing.T) {
	under(t, ratelimit.Config{Lockout: time.Nanosecond, LongFailures: -1}, func(t *testing.T, tracker *ratelimit.Tracker) {
		r := rand.New(rand.NewPCG(16, 16))
		var at []time.Time
		for range 5000 {
			if tracker.Fail(alice) == nil {
				at = append(at, time.Now())
			}
			switch r.IntN(4) {
			case 0:
				time.Sleep(time.Duration(r.Int64N(int64(time.Minute))))
			case 1: // to the very instant at which the oldest leaves
				if len(at) >= 5 {
					time.Sleep(max(0, time.Until(at[len(at)-5].Add(15*time.Minute))-time.Duration(r.IntN(2))))
				}
			}
		}
		require.Greater(t, len(at), 50)
		for i := 5; i < len(at); i++ {
			require.GreaterOrEqual(t, at[i].Sub(at[i-5]), 15*time.Minute)
		}
	})
}

// The sleep of a machine is no time for a window to end early, nor does a wall clock end it: the monotonic
// clock counts.
func TestAttack27ClockSteps(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	fail(t, tracker, alice, 5)
	r, _ := tracker.Lookup(alice)
	require.Contains(t, r.LockedUntil.String(), " m=", "a monotonic reading, which no setting of the clock moves")
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		fail(t, tracker, alice, 5)
		time.Sleep(time.Hour - time.Nanosecond)
		require.Error(t, tracker.Check(alice))
		time.Sleep(time.Nanosecond)
		require.NoError(t, tracker.Check(alice))
	})
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) { // nor does the coarse clock, which is behind
		fail(t, tracker, alice, 5)
		time.Sleep(time.Hour - 1200*time.Microsecond)
		require.Error(t, tracker.Fail(alice))
		time.Sleep(400 * time.Microsecond)
		require.Error(t, tracker.Fail(alice)) // starts it
		time.Sleep(800 * time.Microsecond)
		require.NoError(t, tracker.Fail(alice))
	})
}

// However many strikes there are, a lock-out is MaxLockout at the most, and never nothing. Strikes outlast
// eviction, and those who are evicted after.
func TestAttack29ExponentOverflow(t *testing.T) {
	under(t, ratelimit.Config{LongFailures: -1}, func(t *testing.T, tracker *ratelimit.Tracker) {
		want := time.Hour
		for range 10_000 {
			fail(t, tracker, alice, 5)
			requireLocked(t, tracker.Check(alice), want)
			time.Sleep(want)
			want = min(2*want, 24*time.Hour)
		}
	})
	under(t, ratelimit.Config{MaxAddresses: 16}, func(t *testing.T, tracker *ratelimit.Tracker) {
		const struck = 8 // twice
		for n := range 2 {
			for i := range uint32(struck) {
				fail(t, tracker, addr4(i), 5)
			}
			time.Sleep(time.Duration(n+1) * time.Hour)
		}
		accepted(tracker, 5*200, func(i int) netip.Addr { return addr4(uint32(i/5) + 1<<30) }) // these are once
		accepted(tracker, 1000, func(i int) netip.Addr { return addr4(uint32(i) + 1<<29) })
		for i := range uint32(struck) {
			_, there := tracker.Lookup(addr4(i))
			require.False(t, there, "was not evicted, so this tests nothing")
		}
		time.Sleep(2 * time.Hour)
		for i := range uint32(struck) {
			fail(t, tracker, addr4(i), 5)
			requireLocked(t, tracker.Check(addr4(i)), 4*time.Hour)
		}
	})
}

// When a lock ends cannot be told to the second, and is never before its time.
func TestAttack30PredictableUnlock(t *testing.T) {
	under(t, ratelimit.Config{Jitter: 10 * time.Minute}, func(t *testing.T, tracker *ratelimit.Tracker) {
		seen := map[time.Duration]bool{}
		for i := range uint32(200) {
			addr := addr4(i + 1<<30)
			fail(t, tracker, addr, 5)
			wait, ok := ratelimit.RetryAfter(tracker.Check(addr))
			require.True(t, ok)
			require.GreaterOrEqual(t, wait, time.Hour)
			require.LessOrEqual(t, wait, 70*time.Minute)
			seen[wait] = true
		}
		require.Greater(t, len(seen), 150)
	})
}

// Whoever does not receive events delays nobody; what is dropped is counted.
func TestAttack34SlowHook(t *testing.T) {
	under(t, ratelimit.Config{AlarmFailures: -1, Prefixes: []ratelimit.PrefixLimit{}}, func(t *testing.T, tracker *ratelimit.Tracker) {
		began := time.Now()
		for i := range uint32(1000) {
			for range 5 {
				_ = tracker.Fail(addr4(i + 1<<30))
			}
		}
		require.Zero(t, time.Since(began))
		st := tracker.Stats()
		require.Len(t, tracker.Events(), 64)
		require.Equal(t, st.Lockouts-64, st.EventsDropped)
	})
}
