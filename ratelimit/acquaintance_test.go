package ratelimit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

// A success once is no licence: who had one may fail as often again as a stranger, in a lock-out, against that
// account alone, however he spreads the guesses. The same with a device.
func TestAcquaintancesHaveOneBudgetMore(t *testing.T) {
	for name, config := range map[string]ratelimit.Config{
		"default":        {},
		"short-lock-out": {Lockout: time.Minute, MaxLockout: time.Minute},
		"no-networks":    {Prefixes: []ratelimit.PrefixLimit{}, LongFailures: -1},
	} {
		t.Run(name, func(t *testing.T) {
			under(t, config, func(t *testing.T, tracker *ratelimit.Tracker) {
				home := ratelimit.Login{Addr: alice, Account: "alice"}
				phone := ratelimit.Login{Addr: alice, Account: "alice", Device: "phone"}
				for _, l := range []ratelimit.Login{home, phone} {
					a, err := tracker.BeginLogin(l)
					require.NoError(t, err)
					a.Succeed()
				}
				guess := func(l ratelimit.Login) (in int) {
					for range 100 {
						if login(tracker, l) == nil {
							in++
						}
					}
					return in
				}
				require.Equal(t, 10, guess(home))
				require.Zero(t, guess(ratelimit.Login{Addr: alice, Account: "bob"}), "it was for that account")
				require.Equal(t, 5, guess(phone))
				require.Zero(t, guess(home))
				require.EqualValues(t, 10, tracker.Stats().Known)
				if name != "short-lock-out" {
					return
				}
				in := 0
				for range 13 { // the address is locked for a minute at a time, and its window is not over
					time.Sleep(time.Minute)
					in += guess(home)
				}
				require.Zero(t, in, "nor is that of the acquaintance")
			})
		})
	}
}

// Attempts under way count: many at once get no more.
func TestAcquaintancesGuessingAtOnce(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		l := ratelimit.Login{Addr: alice, Account: "alice"}
		a, err := tracker.BeginLogin(l)
		require.NoError(t, err)
		a.Succeed()
		entered := 0
		for range 500 {
			if _, err := tracker.BeginLogin(l); err == nil { // and nobody says how they went
				entered++
			}
		}
		require.LessOrEqual(t, entered, 10)
		time.Sleep(14 * time.Minute)
		_, err = tracker.BeginLogin(l)
		require.Error(t, err)
	})
}

// While strangers slow the account, whoever has logged in to it before makes attempts as before, and has his
// own budget besides.
func TestAcquaintancesAreNotSlowed(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		owner := ratelimit.Login{Addr: alice, Account: "alice"}
		a, err := tracker.BeginLogin(owner)
		require.NoError(t, err)
		a.Succeed()
		for i := range uint32(100) {
			_ = login(tracker, ratelimit.Login{Addr: addr4(i + 1<<30), Account: "alice"})
		}
		require.NotZero(t, tracker.Stats().DeniedAccount)
		for n := range 10 {
			require.NoError(t, login(tracker, owner), "%d", n)
			require.EqualValues(t, max(0, n-4), tracker.Stats().Known, "what the address has comes first")
		}
		require.Error(t, login(tracker, owner))
	})
}

// To end an attempt of an acquaintance again does nothing to the next one, though time may have stood still.
func TestAcquaintancesEndAnAttemptOnce(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		owner := ratelimit.Login{Addr: alice, Account: "alice"}
		a, err := tracker.BeginLogin(owner)
		require.NoError(t, err)
		a.Succeed()
		require.NoError(t, tracker.LockNow(alice, 0))
		in := 0
		for range 10 {
			next, err := tracker.BeginLogin(owner)
			if err != nil {
				break
			}
			in++
			a.Cancel() // again
			next.Fail()
			a = next
		}
		require.Equal(t, 5, in)
	})
}
