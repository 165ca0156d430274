package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

// The attacks on login guards that are known, each with the test that fails if its defence is taken out: here those on
// the table, the window and the lock; in attack_login_test.go those on accounts, addresses and what is around them.

// under runs an attack against a tracker, in a bubble of its own time.
func under(t *testing.T, config ratelimit.Config, attack func(t *testing.T, tracker *ratelimit.Tracker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { attack(t, newTracker(t, config)) })
}

// accepted fails n attempts, and returns how many were let in.
func accepted(tracker *ratelimit.Tracker, n int, addr func(int) netip.Addr) (in int) {
	for i := range n {
		if a, err := tracker.Begin(addr(i)); err == nil {
			a.Fail()
			in++
		}
	}
	return in
}

func always(addr netip.Addr) func(int) netip.Addr { return func(int) netip.Addr { return addr } }

// random6 returns addresses of a prefix.
func random6(seed uint64, prefix string) func(int) netip.Addr {
	r := rand.New(rand.NewPCG(seed, 1))
	p := netip.MustParsePrefix(prefix)
	return func(int) netip.Addr {
		a := p.Addr().As16()
		for bit := p.Bits(); bit < 128; bit++ {
			if r.IntN(2) == 1 {
				a[bit/8] |= 0x80 >> (bit % 8)
			}
		}
		return netip.AddrFrom16(a)
	}
}

// Four failures, a flood that fills the table a hundred times over, four failures more: one of them is let in. After a flood that is no larger
// than it must be, whose traces in the sketch are lighter than theirs, that holds for many, and for attempts that nobody has settled.
func TestAttack01FloodToFlushOneself(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		require.Equal(t, 4, accepted(tracker, 4, always(alice)))
		accepted(tracker, 5*2000, func(i int) netip.Addr { return addr4(uint32(i/5) + 1<<30) }) // more suspicious than she is
		accepted(tracker, 100_000, func(i int) netip.Addr { return addr4(uint32(i) + 1<<29) })
		_, there := tracker.Lookup(alice)
		require.False(t, there, "she was not evicted, so this tests nothing")
		require.LessOrEqual(t, accepted(tracker, 4, always(alice)), 1)
		require.LessOrEqual(t, tracker.Len(), 1000)
	})
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		const open = 50 // and as many with four failures
		for i := range uint32(open) {
			for range 5 {
				_, err := tracker.Begin(addr4(i))
				require.NoError(t, err)
			}
			fail(t, tracker, addr4(i+open), 4)
		}
		accepted(tracker, 5*1100, func(i int) netip.Addr { return addr4(uint32(i/5) + 1<<30) }) // some are denied
		accepted(tracker, 1000, func(i int) netip.Addr { return addr4(uint32(i) + 1<<29) })
		for i := range uint32(2 * open) {
			_, there := tracker.Lookup(addr4(i))
			require.False(t, there, "was not evicted, so this tests nothing")
			most := 0
			if i >= open {
				most = 1
			}
			require.LessOrEqual(t, accepted(tracker, 4, always(addr4(i))), most)
		}
	})
}

// A lock-out outlasts a flood of lock-outs, and one of others whose traces in the sketch are of none.
func TestAttack02FloodToFlushALock(t *testing.T) {
	under(t, ratelimit.Config{MaxAddresses: 100}, func(t *testing.T, tracker *ratelimit.Tracker) {
		fail(t, tracker, alice, 5)
		accepted(tracker, 5*10*100, func(i int) netip.Addr { return addr4(uint32(i/5) + 1<<30) })
		for range 59 {
			require.Error(t, tracker.Check(alice))
			time.Sleep(time.Minute)
		}
		require.Error(t, tracker.Check(alice))
	})
	under(t, ratelimit.Config{MaxAddresses: 16}, func(t *testing.T, tracker *ratelimit.Tracker) {
		fail(t, tracker, alice, 5)
		accepted(tracker, 5*20, func(i int) netip.Addr { return addr4(uint32(i/5) + 1<<30) })
		accepted(tracker, 1000, func(i int) netip.Addr { return addr4(uint32(i) + 1<<29) })
		_, there := tracker.Lookup(alice)
		require.False(t, there, "she was not evicted, so this tests nothing")
		time.Sleep(time.Hour - time.Nanosecond)
		require.Error(t, tracker.Check(alice))
	})
}

// A flood denies hardly any stranger, and none of the other family, whose half of the table is there for it.
func TestAttack03FloodToDenyStrangers(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		accepted(tracker, 5000, func(i int) netip.Addr { return addr4(uint32(i) + 1<<30) })
		denied := 0
		for i := range 10_000 {
			if tracker.Check(addr4(uint32(i)+1<<31)) != nil {
				denied++
			}
		}
		require.LessOrEqual(t, denied, 100, "of 10,000")
	})
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for n := range 10 { // what is remembered of one window must not add to the next
			time.Sleep(15 * time.Minute)
			accepted(tracker, 5000, func(i int) netip.Addr { return addr4(uint32(n*5000+i)*7 + 1<<30) })
		}
		denied := 0
		for i := range 10_000 {
			if tracker.Check(addr4(uint32(i)+1<<31)) != nil {
				denied++
			}
		}
		require.LessOrEqual(t, denied, 100, "of 10,000")
	})
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		accepted(tracker, 5*1300, func(i int) netip.Addr { return addr4(uint32(i/5) + 1<<30) }) // 300 lock-outs too many
		denied := 0
		for i := range 10_000 {
			if tracker.Check(addr4(uint32(i)+1<<31)) != nil {
				denied++
			}
		}
		require.LessOrEqual(t, denied, 1500, "of 10,000: one row of the sketch alone would deny 2,500")
	})
	under(t, ratelimit.Config{Prefixes: []ratelimit.PrefixLimit{}}, func(t *testing.T, tracker *ratelimit.Tracker) {
		fail(t, tracker, alice, 3)
		accepted(tracker, 50_000, random6(3, "2001:db8::/32"))
		fail(t, tracker, alice, 2)
		require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))
		for i := range 1000 {
			require.NoError(t, tracker.Check(addr4(uint32(i)+1<<30)))
		}
		require.Equal(t, 499, accepted(tracker, 499, func(i int) netip.Addr { return addr4(uint32(i) + 1<<30) }))
		v4 := 0
		for p := range tracker.All() {
			if p.Addr().Is4() {
				v4++
			}
		}
		require.Equal(t, 500, v4)
	})
}

// Addresses within a /64 are one, those of a /56 and a /48 have a budget together, and their neighbours their own.
func TestAttack04RotationInIPv6(t *testing.T) {
	for prefix, most := range map[string]int{"2001:db8:1:1::/64": 5, "2001:db8:1:100::/56": 20, "2001:db8:1::/48": 80} {
		under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
			got := accepted(tracker, 5000, random6(4, prefix))
			require.LessOrEqual(t, got, most, prefix)
			require.GreaterOrEqual(t, got, min(most, 5), prefix)
			require.NoError(t, tracker.Check(netip.MustParseAddr("2001:db8:2::1")), "the next /48")
		})
	}
}

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
				for range 8 {
					_ = tracker.Fail(alice)
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

// An attempt of which nobody says how it went is a failure.
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

// Who stays below the window's limit for a month gets the long budget each day, and no more: neither if somebody sweeps, nor
// if he logs in to an account of his own each time, which leaves nothing of him in the table.
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
		under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
			const days = 30
			in := 0
			for range days * 24 * 4 {
				in += accepted(tracker, 4, always(alice))
				time.Sleep(15*time.Minute + time.Millisecond)
				between(tracker)
			}
			require.LessOrEqual(t, in, (days+1)*100, how)
			require.Zero(t, tracker.Stats().Lockouts, how)
			require.NotZero(t, tracker.Stats().DeniedLong, how)
		})
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

// Two spellings of an address are one, and no two addresses are one by their spelling.
func TestAttack21KeyConfusion(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for i, s := range []string{"192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201", "192.0.2.1", "::ffff:192.0.2.1"} {
			require.NoError(t, tracker.Fail(netip.MustParseAddr(s)), "%d: %s", i, s)
		}
		require.Equal(t, 1, tracker.Len())
		require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))
		zoned := netip.MustParseAddr("fe80::1%eth0")
		fail(t, tracker, zoned, 5)
		require.Error(t, tracker.Check(netip.MustParseAddr("fe80::1%eth1")))
		require.Error(t, tracker.Check(netip.MustParseAddr("fe80::1")))
		require.NoError(t, tracker.Check(netip.MustParseAddr("2001:db8::192.0.2.1")), "is of IPv6 all the same")
	})
	under(t, ratelimit.Config{MaxAddresses: 1 << 18, Prefixes: []ratelimit.PrefixLimit{}}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for i := range uint32(1 << 16) {
			require.NoError(t, tracker.Fail(netip.AddrFrom16(addr4(i*40503).As16())))
		}
		require.Equal(t, 1<<16, tracker.Len(), "mapped addresses are as many sources")
	})
}

// An IPv4 address owns a /48 of 6to4 addresses, and shares the prefix of NAT64 with everybody.
func TestAttack22TransitionSpace(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		require.Equal(t, 5, accepted(tracker, 1000, random6(22, "2002:c000:201::/48")))
		require.Error(t, tracker.Check(alice), "who owns them")
		require.NoError(t, tracker.Check(netip.MustParseAddr("2002:c000:202::1")))
		fail(t, tracker, netip.MustParseAddr("64:ff9b::198.51.100.1"), 5)
		require.Error(t, tracker.Check(netip.MustParseAddr("64:ff9b::198.51.100.1")))
		require.NoError(t, tracker.Check(netip.MustParseAddr("64:ff9b::198.51.100.2")))
		require.Error(t, tracker.Check(netip.MustParseAddr("64:ff9b:1::198.51.100.1")), "a NAT64 of one network")
		require.NoError(t, tracker.Check(netip.MustParseAddr("64:ff9b:1::198.51.100.2")))
		require.Error(t, tracker.Check(netip.MustParseAddr("2001:0:1:2:3:4:39cc:9bfe")), "Teredo, the address inverted")
		require.NoError(t, tracker.Check(netip.MustParseAddr("2001:0:1:2:3:4:39cc:9bfd")))
	})
}

// Keys are hashed with a secret that each tracker draws: what collides in one does not in another. That goes for sources and for networks,
// and for the hash of an account, which is told to others.
func TestAttack25HashFlooding(t *testing.T) {
	addr6 := func(i uint32) netip.Addr { // each in a /48 of its own
		return netip.AddrFrom16([16]byte{0x2a, 0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
	}
	for of, test := range map[string]struct {
		config ratelimit.Config
		addr   func(uint32) netip.Addr
	}{
		"sources":  {ratelimit.Config{Failures: 1, AlarmFailures: -1, LongFailures: -1}, addr4},
		"networks": {ratelimit.Config{AlarmFailures: -1, Prefixes: []ratelimit.PrefixLimit{{Bits: 48, Failures: 1}}}, addr6},
	} {
		denied := func() (hit map[int]bool) {
			tracker := newTracker(t, test.config)
			accepted(tracker, 2000, func(i int) netip.Addr { return test.addr(uint32(i) + 1<<30) })
			hit = make(map[int]bool)
			for i := range 5000 {
				if tracker.Check(test.addr(uint32(i)+1<<31)) != nil {
					hit[i] = true
				}
			}
			return hit
		}
		first, second := denied(), denied()
		require.NotEmpty(t, first, of)
		both := 0
		for i := range first {
			if second[i] {
				both++
			}
		}
		chance := len(first) * len(second) / 5000 // how many there are if neither knows of the other
		require.Less(t, both, (chance+len(first)+1)/2, "the same strangers are denied by two trackers: %s", of)
	}
	account := func() uint64 {
		tracker := newTracker(t, ratelimit.Config{AccountFailures: 1})
		require.NoError(t, login(tracker, ratelimit.Login{Addr: alice, Account: "alice"}))
		e := event(t, tracker)
		require.Equal(t, ratelimit.AccountSlowed, e.Kind)
		return e.Account
	}
	require.NotEqual(t, account(), account())
}

// The sleep of a machine is no time for a window to end early, nor does a wall clock end it: the monotonic clock counts.
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
}

// However many strikes there are, a lock-out is MaxLockout at the most, and never nothing. A strike outlasts eviction, and those who are evicted
// after.
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
		fail(t, tracker, alice, 5)
		time.Sleep(time.Hour)
		accepted(tracker, 5*16, func(i int) netip.Addr { return addr4(uint32(i/5) + 1<<30) })
		accepted(tracker, 1000, func(i int) netip.Addr { return addr4(uint32(i) + 1<<29) })
		_, there := tracker.Lookup(alice)
		require.False(t, there, "she was not evicted, so this tests nothing")
		time.Sleep(2 * time.Hour)
		fail(t, tracker, alice, 5)
		requireLocked(t, tracker.Check(alice), 2*time.Hour)
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
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		began := time.Now()
		for i := range uint32(1000) {
			for range 5 {
				_ = tracker.Fail(addr4(i + 1<<30))
			}
		}
		require.Zero(t, time.Since(began))
		st := tracker.Stats()
		require.Len(t, tracker.Events(), 256)
		require.GreaterOrEqual(t, st.EventsDropped, st.Lockouts-256)
	})
}

// Nobody needs to sweep: lock-outs and windows end by themselves, what a sweep would remove makes room for others first, and
// verdicts are the same.
func TestAttack35NoSweeper(t *testing.T) {
	under(t, ratelimit.Config{MaxAddresses: 50, LongFailures: 10}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for i := range uint32(49) {
			fail(t, tracker, addr4(i+1<<30), 5)
		}
		time.Sleep(time.Hour)
		for i := range uint32(49) {
			fail(t, tracker, addr4(i+1<<30), 5)
		}
		time.Sleep(4 * 24 * time.Hour) // strikes are forgiven, and no window has anything left
		bob := addr4(50 + 1<<30)
		fail(t, tracker, bob, 1)
		fail(t, tracker, addr4(51+1<<30), 1)
		_, there := tracker.Lookup(bob)
		require.True(t, there, "he was evicted for a newcomer, and not one of those that are spent")
		for i := range uint32(49) {
			require.NoError(t, tracker.Check(addr4(i+1<<30)))
		}
	})
	verdicts := func(sweep bool) (all []string) {
		under(t, ratelimit.Config{MaxAddresses: 50}, func(t *testing.T, tracker *ratelimit.Tracker) {
			r := rand.New(rand.NewPCG(35, 35))
			for range 4000 {
				err := tracker.Fail(addr4(uint32(r.IntN(60)) + 1<<30))
				all = append(all, fmt.Sprintf("%T", err))
				time.Sleep(time.Duration(r.IntN(20)) * time.Second)
				if sweep {
					tracker.Sweep()
				}
			}
		})
		return all
	}
	with, without := verdicts(true), verdicts(false)
	let := func(all []string) (n int) {
		for _, v := range all {
			if v == "<nil>" {
				n++
			}
		}
		return n
	}
	require.InDelta(t, let(with), let(without), float64(let(with))/20, "who is let in does not depend on the sweeper")
	require.Less(t, let(without), len(without))
}

// Failures while somebody sweeps are not lost, and what was swept does not come back. There are many, so that some are made after the
// sweeper saw that a source is spent, and before he is done.
func TestAttack40CleanupRace(t *testing.T) {
	under(t, ratelimit.Config{Lockout: time.Nanosecond, LongFailures: -1}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for range 100 {
			var done sync.WaitGroup
			var ready atomic.Int32
			together := func() { // start closer to each other than goroutines do
				for ready.Add(1); ready.Load() < 2; {
					runtime.Gosched()
				}
			}
			done.Go(func() {
				together()
				tracker.Sweep()
			})
			done.Go(func() {
				together()
				for i := range uint32(500) {
					_ = tracker.Fail(addr4(i + 1<<30))
				}
			})
			done.Wait()
			for i := range uint32(500) {
				r, ok := tracker.Lookup(addr4(i + 1<<30))
				require.True(t, ok)
				require.Equal(t, 1, r.Failures)
			}
			time.Sleep(15*time.Minute + time.Microsecond) // the charges, which are a nanosecond apart, leave the window
		}
	})
}
