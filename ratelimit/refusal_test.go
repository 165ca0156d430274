package ratelimit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// many is how many attempts are looked at: AllocsPerRun rounds down, so what one in two allocates is seen only
// in a run of many.
const many = 1000

func address(n int) netip.Addr {
	var four [4]byte
	binary.BigEndian.PutUint32(four[:], uint32(n))
	return netip.AddrFrom4(four)
}

// A refused is a tracker that refuses attempts, the next of which is that of a login.
type refused struct {
	tracker *Tracker
	next    func() Login
}

// ways are those in which an attempt may be refused.
var ways = map[string]func(r refused) error{
	"begin":       func(r refused) error { _, err := r.tracker.Begin(r.next().Addr); return err },
	"check":       func(r refused) error { return r.tracker.Check(r.next().Addr) },
	"fail":        func(r refused) error { return r.tracker.Fail(r.next().Addr) },
	"begin-login": func(r refused) error { _, err := r.tracker.BeginLogin(r.next()); return err },
	"guard": func(r refused) error {
		l := r.next()
		return r.tracker.Guard(context.Background(), l.Addr, l.Account, func() error { panic("let in") })
	},
}

// requireNoAllocation refuses attempts in some ways, all of them if none is named, and requires that it
// allocates nothing once each has been refused before.
func requireNoAllocation(t *testing.T, r refused, refusal func(error) bool, names ...string) {
	t.Helper()
	if len(names) == 0 {
		names = []string{"begin", "check", "fail", "begin-login", "guard"}
	}
	for _, name := range names {
		way := ways[name]
		other := error(nil)
		allocs := testing.AllocsPerRun(1, func() {
			for range many {
				if err := way(r); !refusal(err) {
					other = fmt.Errorf("%T: %w", err, err)
				}
			}
		})
		require.NoError(t, other, name)
		require.Zero(t, allocs, name)
	}
}

// because reports whether an error is that of a reason.
func because(why Reason) func(error) bool {
	return func(err error) bool {
		busy, ok := err.(*BusyError)
		return ok && busy.Reason() == why && busy.RetryAfter() > 0
	}
}

func one(addr netip.Addr) func() Login { return func() Login { return Login{Addr: addr} } }

// inTurn returns logins one after the other, again and again.
func inTurn(logins []Login) func() Login {
	n := 0
	return func() Login {
		n++
		return logins[n%len(logins)]
	}
}

// strangers returns addresses that nobody has seen, at an account.
func strangers(from int, accounts ...string) func() Login {
	n := 0
	return func() Login {
		n++
		l := Login{Addr: address(from + n)}
		if len(accounts) > 0 {
			l.Account = accounts[n%len(accounts)]
		}
		return l
	}
}

func testTracker(t *testing.T, c Config) *Tracker {
	t.Helper()
	tracker, err := NewTracker(c)
	require.NoError(t, err)
	return tracker
}

func failN(t *testing.T, tracker *Tracker, addr netip.Addr, n int) {
	t.Helper()
	for range n {
		require.NoError(t, tracker.Fail(addr))
	}
}

// Whoever is refused for what he has done costs no allocation.
func TestATrackedSourceIsRefusedWithoutAllocation(t *testing.T) {
	alice, bob := address(1), address(2)
	locked := func(err error) bool { _, ok := err.(*LockedError); return ok }
	for name, test := range map[string]struct {
		config  Config
		before  func(tracker *Tracker)
		refusal func(error) bool
	}{
		"locked-out": {Config{}, func(tracker *Tracker) { failN(t, tracker, alice, 5) }, locked},
		"open": {Config{}, func(tracker *Tracker) {
			for range 5 {
				_, err := tracker.Begin(alice)
				require.NoError(t, err)
			}
		}, because(TooManyOpen)},
		"long-window": {Config{LongFailures: 6, Window: time.Nanosecond, LongWindow: 24 * time.Hour}, func(tracker *Tracker) {
			for range 6 {
				failN(t, tracker, alice, 1)
				time.Sleep(time.Nanosecond)
			}
		}, because(TooManyLong)},
		"inherited": {Config{MaxAddresses: 1}, func(tracker *Tracker) {
			failN(t, tracker, alice, 4)
			require.NoError(t, tracker.LockNow(bob, 0)) // takes the only slot
			failN(t, tracker, alice, 1)
		}, because(TooManyRemembered)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tracker := testTracker(t, test.config)
				test.before(tracker)
				_, tracked := tracker.Lookup(alice)
				require.True(t, tracked)
				requireNoAllocation(t, refused{tracker, one(alice)}, test.refusal)
			})
		})
	}
}

// All sources of the table that are locked out have an error each.
func TestAThousandLockedOutAreRefusedWithoutAllocation(t *testing.T) {
	tracker := testTracker(t, Config{})
	var all []Login
	for n := range many {
		require.NoError(t, tracker.LockNow(address(n+1), time.Duration(n+1)*time.Hour))
		all = append(all, Login{Addr: address(n + 1)})
	}
	requireNoAllocation(t, refused{tracker, inTurn(all)}, func(err error) bool { _, ok := err.(*LockedError); return ok })
}

// Who knocks so seldom that the coarse clock has stopped does not start it.
func TestWhoKnocksSeldomIsRefusedWithoutAllocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := testTracker(t, Config{})
		failN(t, tracker, address(1), 5)
		require.NoError(t, tracker.LockNow(address(1), 24*time.Hour))
		require.Zero(t, testing.AllocsPerRun(1, func() {
			for range many {
				_ = tracker.Fail(address(1))
				time.Sleep(time.Second)
			}
		}))
		require.Error(t, tracker.Check(address(1)))
	})
}

// Those whom the table had to forget are denied for what the sketch remembers, each until another time: of
// charges, within a window, and of lock-outs, within a day.
func TestStrangersAreRefusedWithoutAllocation(t *testing.T) {
	for name, before := range map[string]func(tracker *Tracker, addr netip.Addr, n int){
		"charges": func(tracker *Tracker, addr netip.Addr, n int) {
			for range 5 {
				_, _ = tracker.Begin(addr)
			}
			time.Sleep(15 * time.Minute / (2 * many))
		},
		"lock-outs": func(tracker *Tracker, addr netip.Addr, n int) {
			_ = tracker.LockNow(addr, time.Duration(n+1)*24*time.Hour/(2*many))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tracker := testTracker(t, Config{MaxAddresses: many})
				for n := range 2 * many {
					before(tracker, address(1<<24+n), n)
				}
				var denied []Login
				untils := map[int64]bool{}
				for n := range 2 * many {
					l := Login{Addr: address(1<<24 + n)}
					_, tracked := tracker.Lookup(l.Addr)
					if busy, ok := tracker.Check(l.Addr).(*BusyError); ok && !tracked {
						denied = append(denied, l)
						untils[busy.until] = true
					}
				}
				require.Greater(t, len(denied), many/2)
				require.Greater(t, len(untils), near/4)
				requireNoAllocation(t, refused{tracker, inTurn(denied)}, because(TooManyRemembered))
			})
		})
	}
}

// Networks of each length that became full in each bucket of the window.
func TestFullNetworksAreRefusedWithoutAllocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := testTracker(t, Config{Prefixes: []PrefixLimit{
			{Bits: 56, Failures: 3}, {Bits: 48, Failures: 8}, {Bits: 40, Failures: 16}, {IPv4: true, Bits: 24, Failures: 3}, {IPv4: true, Bits: 16, Failures: 4},
		}})
		v6 := func(net byte, rest ...byte) netip.Addr { // a /40 and what follows it
			addr := [16]byte{0x2a, 4: net}
			copy(addr[5:], rest)
			return netip.AddrFrom16(addr)
		}
		v4 := func(net byte, rest int) netip.Addr { return address(10<<24 + int(net)<<16 + rest) } // a /16 and what follows it
		bits := map[int]bool{}
		var full []func(n int) netip.Addr
		for minute := range byte(14) {
			for n := range 20 {
				for _, addr := range []netip.Addr{
					v6(minute, byte(n)), v6(minute+20, 0, byte(n)), v6(minute+40, 0, 0, byte(n)), v4(minute, n<<8), v4(minute+20, n),
				} {
					_ = tracker.Fail(addr)
				}
			}
			full = append(full,
				func(n int) netip.Addr { return v6(minute, byte(n)|128, byte(n>>8)) },
				func(n int) netip.Addr { return v6(minute+20, 0, byte(n)|128, byte(n>>8)) },
				func(n int) netip.Addr { return v6(minute+40, 0, 0, byte(n)|128) },
				func(n int) netip.Addr { return v4(minute, n|1<<15) },
				func(n int) netip.Addr { return v4(minute+20, n%128+128) },
			)
			time.Sleep(time.Minute)
		}
		n := 0
		next := func() Login {
			n++
			return Login{Addr: full[n%len(full)](n)}
		}
		requireNoAllocation(t, refused{tracker, next}, func(err error) bool {
			busy, ok := err.(*BusyError)
			if ok {
				bits[busy.Bits()] = true
			}
			return because(TooManyInPrefix)(err)
		})
		require.Equal(t, map[int]bool{16: true, 24: true, 40: true, 48: true, 56: true}, bits)
	})
}

// Accounts that were slowed at other times deny strangers until other times.
func TestSlowedAccountsAreRefusedWithoutAllocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := testTracker(t, Config{MaxAddresses: 20_000})
		var slow []string
		for n := range 300 {
			slow = append(slow, fmt.Sprint("account ", n))
			for i := range 10 {
				a, err := tracker.BeginLogin(Login{Addr: address(1<<24 + 10*n + i), Account: slow[n]})
				require.True(t, err == nil || because(TooManyForAccount)(err), "by chance it shares both tallies with another")
				a.Fail()
			}
			time.Sleep(250 * time.Millisecond)
		}
		requireNoAllocation(t, refused{tracker, strangers(1<<25, slow[0])}, because(TooManyForAccount), "begin-login", "guard")
		requireNoAllocation(t, refused{tracker, strangers(1<<26, slow...)}, because(TooManyForAccount), "begin-login", "guard")
		alice := Login{Addr: address(7)}
		failN(t, tracker, alice.Addr, 1)
		n := 0
		requireNoAllocation(t, refused{tracker, func() Login {
			n++
			alice.Account = slow[n%len(slow)]
			return alice
		}}, because(TooManyForAccount), "begin-login", "guard")
	})
}

func TestListedAndInvalidAddressesAreRefusedWithoutAllocation(t *testing.T) {
	tracker := testTracker(t, Config{Deny: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}})
	denied := func(err error) bool { _, ok := err.(*DeniedError); return ok }
	requireNoAllocation(t, refused{tracker, strangers(10 << 24)}, denied)
	requireNoAllocation(t, refused{tracker, one(netip.MustParseAddr("2001:db8::1%eth0"))}, denied)
	requireNoAllocation(t, refused{tracker, one(netip.Addr{})}, func(err error) bool { return err == ErrAddress })

	err := tracker.Check(netip.MustParseAddr("2002:a00:1::1"))
	var list *DeniedError
	require.ErrorAs(t, err, &list)
	require.Equal(t, "10.0.0.0/8", list.Prefix().String())
	require.EqualError(t, err, "ratelimit: all of 10.0.0.0/8 are denied")
	was := tracker.Stats().DeniedList
	x, _ := tracker.Explain(netip.MustParseAddr("2002:a00:1::1"))
	require.Same(t, list, x.Err)
	require.Equal(t, was, tracker.Stats().DeniedList, "nobody made an attempt")
	require.Equal(t, "all of 10.0.0.0/8 are denied\n10.0.0.0/24 has 0 of 50", x.String())
}

func TestRetryAfterAllocatesNothing(t *testing.T) {
	tracker := testTracker(t, Config{})
	failN(t, tracker, address(1), 5)
	err := tracker.Check(address(1))
	require.Zero(t, testing.AllocsPerRun(many, func() { RetryAfter(err) }))
	wait, ok := RetryAfter(fmt.Errorf("sign-in: %w", err))
	require.True(t, ok)
	require.InDelta(t, time.Hour, wait, float64(time.Minute))
	_, ok = RetryAfter(errors.New("another"))
	require.False(t, ok)
}

// At any time each end of refusals that a board can say has a cell of its own, and is no earlier than the true
// one, and not much later.
func TestABoardHasACellForEachEnd(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, span := range []time.Duration{1, 100, time.Microsecond, time.Minute, 90 * time.Second, 15 * time.Minute, 24 * time.Hour, longest} {
		b := newBoard(int64(span), int64(longest))
		unit := int64(1) << b.unit
		require.LessOrEqual(t, int64(span), 62*unit)
		require.True(t, b.unit == 0 || int64(span) >= 31*unit)
		for range 5 {
			now := r.Int64N(int64(100*time.Hour)) + 1
			said := map[*kept]int64{}
			for range 5000 {
				left := 1 + r.Int64N(unit*near)
				if r.IntN(2) == 0 {
					left = min(unit*near, int64(longest)/256) << r.IntN(7)
					left += r.Int64N(left)
				}
				cell, until := b.place(now+left, now)
				require.GreaterOrEqual(t, until, now+left)
				require.Less(t, until, now+left+max(unit, left/15))
				if was, ok := said[cell]; ok {
					require.Equal(t, was, until)
				}
				said[cell] = until
			}
			require.True(t, span < 100 || span == longest || len(said) > near+6*16, "%v", len(said))
		}
	}
}

// One who keeps an error sees what he was told, whoever gets the slot and whatever is said of him.
func TestAKeptErrorStaysAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := testTracker(t, Config{MaxAddresses: 1})
		alice, bob := address(1), address(2)
		failN(t, tracker, alice, 5)
		first := tracker.Check(alice).(*LockedError)
		record, _ := tracker.Lookup(alice)
		require.True(t, record.LockedUntil.Equal(first.Until()))
		text, until, same := first.Error(), first.Until(), *first

		require.True(t, tracker.Unlock(alice))
		time.Sleep(time.Second)
		for range 5 {
			_, err := tracker.Begin(bob)
			require.NoError(t, err)
		}
		busy := tracker.Check(bob).(*BusyError)
		why := *busy
		require.Equal(t, TooManyOpen, busy.Reason())
		require.NoError(t, tracker.LockNow(bob, time.Hour))
		second := tracker.Check(bob).(*LockedError)
		require.Equal(t, "0.0.0.2/32", second.Source().String())
		require.Equal(t, time.Hour, second.RetryAfter())

		require.Equal(t, same, *first)
		require.Equal(t, until, first.Until())
		require.Equal(t, "0.0.0.1/32", first.Source().String())
		require.Equal(t, "ratelimit: 0.0.0.1/32 is locked out for another 1h0m0s", text)
		require.Equal(t, time.Hour-time.Second, first.RetryAfter())
		require.Equal(t, why, *busy)
		require.Equal(t, 15*time.Minute, busy.RetryAfter())
	})
}

// Who is locked out until the very time when the one before him in the slot was to be is told of himself.
func TestALockoutThatEndsWithAnotherNamesItsOwnSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := testTracker(t, Config{MaxAddresses: 1})
		var errs []*LockedError
		for n := range 2 {
			require.NoError(t, tracker.LockNow(address(n), time.Hour))
			errs = append(errs, tracker.Check(address(n)).(*LockedError))
			require.True(t, tracker.Unlock(address(n)))
		}
		require.Equal(t, errs[0].Until(), errs[1].Until())
		require.Equal(t, "0.0.0.0/32", errs[0].Source().String())
		require.Equal(t, "0.0.0.1/32", errs[1].Source().String())
	})
}

// Goroutines whose sources take the only slot from each other are told of their own, and what they keep stays.
func TestEachIsToldOfHisOwnSource(t *testing.T) {
	tracker := testTracker(t, Config{MaxAddresses: 1})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			addr := address(g + 1)
			type told struct {
				err  *LockedError
				text LockedError
			}
			var before []told
			for n := range many {
				_ = tracker.LockNow(addr, time.Duration(n+1)*time.Hour)
				locked, ok := tracker.Check(addr).(*LockedError)
				if ok && locked.Source().Addr() != addr {
					t.Errorf("%v was told of %v", addr, locked.Source())
				}
				if ok {
					before = append(before, told{locked, *locked})
				}
			}
			for _, b := range before {
				if *b.err != b.text || b.err.Source().Addr() != addr {
					t.Errorf("%v keeps an error that has changed", addr)
				}
			}
		})
	}
	all.Wait()
}

// Errors that nobody returned say nothing, and do not panic.
func TestZeroErrors(t *testing.T) {
	zero := func(t *testing.T) {
		locked, busy, denied := new(LockedError), new(BusyError), new(DeniedError)
		require.True(t, locked.Until().IsZero())
		require.True(t, busy.Until().IsZero())
		require.Zero(t, locked.RetryAfter())
		require.Zero(t, busy.RetryAfter())
		require.Equal(t, "ratelimit: ::/64 is locked out for another 0s", locked.Error())
		require.Equal(t, "ratelimit: the source has reason 0, want fewer or a wait of 0s", busy.Error())
		require.Zero(t, busy.Bits())
		require.False(t, denied.Prefix().IsValid())
		require.Equal(t, "ratelimit: all of invalid Prefix are denied", denied.Error())
	}
	zero(t)
	synctest.Test(t, zero)
}

// Attempts at accounts that are slow are refused without an allocation, at any pace, and where the newest
// charge was given back, so that nothing is known of the one before but its bucket; and nobody is told to wait
// for much longer than he has to.
func TestAccountsSlowForLong(t *testing.T) {
	for _, limit := range []int{1, 10, 255} {
		for _, window := range []time.Duration{time.Minute, 15 * time.Minute, time.Hour, 26 * time.Hour} {
			t.Run(fmt.Sprint(limit, window), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tracker := testTracker(t, Config{AccountFailures: limit, Window: window, LongWindow: 48 * time.Hour, Prefixes: []PrefixLimit{}, LongFailures: -1})
					n := 0
					next := func() netip.Addr { n++; return address(n) }
					var accounts []string
					for a := range 40 {
						account := fmt.Sprint(a)
						accounts = append(accounts, account)
						var last Attempt
						for {
							at, err := tracker.BeginLogin(Login{Addr: next(), Account: account})
							if err != nil {
								break
							}
							last.Fail()
							last = at
						}
						if a%2 == 0 {
							time.Sleep(window/time.Duration(limit) + window/100 + time.Second)
							at, err := tracker.BeginLogin(Login{Addr: next(), Account: account})
							require.NoError(t, err)
							at.Cancel()
						}
						time.Sleep(window / time.Duration(limit) / 60)
					}
					var denied []Login
					for _, account := range accounts {
						l := Login{Addr: next(), Account: account}
						if _, err := tracker.BeginLogin(l); err != nil {
							denied = append(denied, l)
							busy := err.(*BusyError)
							hashed := tracker.shared.login(l, source4(uint32(n)))
							v := tracker.shared.accounts.judge(&hashed, tracker.now())
							require.Less(t, busy.RetryAfter()-time.Duration(v.until-tracker.now()), max(window/time.Duration(limit), window/11, 11*time.Second)/30)
						}
					}
					t.Log(len(denied))
					requireNoAllocation(t, refused{tracker, inTurn(denied)}, because(TooManyForAccount), "begin-login")
				})
			})
		}
	}
}

// Who is locked out for less than a window waits as long as both last.
func TestAForgottenLockoutAndItsChargesEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := testTracker(t, Config{MaxAddresses: 1, Lockout: time.Minute})
		failN(t, tracker, address(1), 5)
		require.NoError(t, tracker.LockNow(address(2), 24*time.Hour))
		err := tracker.Check(address(1))
		wait, ok := RetryAfter(err)
		require.True(t, ok)
		time.Sleep(wait)
		require.NoError(t, tracker.Check(address(1)))
	})
}
