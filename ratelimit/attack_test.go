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

// The attacks on login guards that are known, each with the test that fails if its defence is taken out: here
// those on the table; in attack_window_test.go those on the window and the lock, in attack_address_test.go
// those on addresses, and in attack_login_test.go those on accounts and what is around them.

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

// Four failures, a flood that fills the table a hundred times over, four failures more: one of them is let in.
// After a flood that is no larger than it must be, whose traces in the sketch are lighter than theirs, or
// older, that holds for many, and for attempts that nobody has settled.
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
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) { // nor does time make them forget, before it is over
		var in [100]int
		accepted(tracker, 5*1000, func(i int) netip.Addr { return addr4(uint32(i/5) + 1<<30) })
		for range 4 {
			time.Sleep(20 * time.Second)
			for i := range in {
				in[i] += accepted(tracker, 1, always(addr4(uint32(i)))) // chance may deny a few
			}
		}
		time.Sleep(time.Minute)
		accepted(tracker, 5*1100, func(i int) netip.Addr { return addr4(uint32(i/5) + 1<<29) }) // those before go, and left the window before
		time.Sleep(13*time.Minute - time.Nanosecond)                                            // until the first of the four leaves the window
		four := 0
		for i, before := range in {
			require.LessOrEqual(t, accepted(tracker, 4, always(addr4(uint32(i)))), 5-before)
			four += before / 4
		}
		require.Greater(t, four, 80)
	})
}

// A lock-out outlasts a flood of lock-outs, shorter ones as well, and one of others whose traces in the sketch
// are of none.
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
	under(t, ratelimit.Config{MaxAddresses: 16}, func(t *testing.T, tracker *ratelimit.Tracker) {
		const twice = 8 // locked for two hours
		for i := range uint32(twice) {
			fail(t, tracker, addr4(i), 5)
		}
		time.Sleep(time.Hour)
		for i := range uint32(twice) {
			fail(t, tracker, addr4(i), 5)
		}
		accepted(tracker, 5*200, func(i int) netip.Addr { return addr4(uint32(i/5) + 1<<30) }) // for one
		accepted(tracker, 1000, func(i int) netip.Addr { return addr4(uint32(i) + 1<<29) })
		time.Sleep(2*time.Hour - time.Nanosecond)
		for i := range uint32(twice) {
			_, there := tracker.Lookup(addr4(i))
			require.False(t, there, "was not evicted, so this tests nothing")
			require.Error(t, tracker.Check(addr4(i)))
		}
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
			denied := 0
			for n := range 2000 {
				if tracker.Check(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte((n + 2) >> 8), byte(n + 2)})) != nil {
					denied++
				}
			}
			require.LessOrEqual(t, denied, 20, "of 2,000 other /48: two or three share what is counted of one")
		})
	}
}

// Keys are hashed with a secret that each tracker draws: what collides in one does not in another. That goes
// for sources and for networks, and for the hash of an account, which is told to others.
func TestAttack25HashFlooding(t *testing.T) {
	addr6 := func(i uint32) netip.Addr { // each in a /48 of its own
		return netip.AddrFrom16([16]byte{0x2a, 0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
	}
	for of, test := range map[string]struct {
		config ratelimit.Config
		addr   func(uint32) netip.Addr
	}{
		"sources":  {ratelimit.Config{Failures: 1, AlarmFailures: -1, LongFailures: -1}, addr4},
		"networks": {ratelimit.Config{AlarmFailures: -1, MaxAddresses: 100, Prefixes: []ratelimit.PrefixLimit{{Bits: 48, Failures: 1}}}, addr6},
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

// Nobody needs to sweep: lock-outs and windows end by themselves, what a sweep would remove makes room for
// others first, and verdicts are the same.
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

// Failures while somebody sweeps are not lost, and what was swept does not come back. There are many, so that
// some are made after the sweeper saw that a source is spent, and before he is done.
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
