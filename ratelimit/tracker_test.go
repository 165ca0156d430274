package ratelimit_test

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

var alice = netip.MustParseAddr("192.0.2.1")

func newTracker(t testing.TB, config ratelimit.Config) *ratelimit.Tracker {
	t.Helper()
	tracker, err := ratelimit.NewTracker(config)
	require.NoError(t, err)
	return tracker
}

// fail makes n failed attempts, all of which must be allowed.
func fail(t testing.TB, tracker *ratelimit.Tracker, addr netip.Addr, n int) {
	t.Helper()
	for range n {
		a, err := tracker.Begin(addr)
		require.NoError(t, err)
		a.Fail()
	}
}

func requireLocked(t testing.TB, err error, wait time.Duration) {
	t.Helper()
	var locked *ratelimit.LockedError
	require.ErrorAs(t, err, &locked)
	require.InDelta(t, wait, locked.RetryAfter(), float64(time.Millisecond))
}

func requireBusy(t testing.TB, err error, saturated bool) {
	t.Helper()
	var busy *ratelimit.BusyError
	require.ErrorAs(t, err, &busy)
	require.Equal(t, saturated, busy.Reason() == ratelimit.TooManyRemembered)
	require.Positive(t, busy.RetryAfter())
}

func TestFiveFailuresLockForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{})
		fail(t, tracker, alice, 5)

		_, err := tracker.Begin(alice)
		requireLocked(t, err, time.Hour)
		require.EqualError(t, err, "ratelimit: 192.0.2.1/32 is locked out for another 1h0m0s")
		requireLocked(t, tracker.Check(alice), time.Hour)

		time.Sleep(time.Hour - time.Second) // the window has long passed: the lock-out has not
		for range 100 {
			requireLocked(t, tracker.Check(alice), time.Second)
			_, err := tracker.Begin(alice)
			requireLocked(t, err, time.Second)
		}
		time.Sleep(time.Second) // knocking has not prolonged it
		require.NoError(t, tracker.Check(alice))
		_, err = tracker.Begin(alice)
		require.NoError(t, err)
	})
}

func TestTheWindowSlidesExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{})
		for range 4 { // at 0, 1, 2 and 3 minutes
			fail(t, tracker, alice, 1)
			time.Sleep(time.Minute)
		}
		time.Sleep(11*time.Minute - time.Millisecond) // 14:59.999
		open, err := tracker.Begin(alice)             // the fifth in the window
		require.NoError(t, err)
		_, err = tracker.Begin(alice)
		requireBusy(t, err, false)
		wait, ok := ratelimit.RetryAfter(err)
		require.True(t, ok)
		require.LessOrEqual(t, wait, time.Millisecond)

		time.Sleep(time.Millisecond) // the first leaves
		_, err = tracker.Begin(alice)
		require.NoError(t, err)
		open.Fail() // the fourth failure in the window: not a lock-out
		_, err = tracker.Begin(alice)
		requireBusy(t, err, false)
	})
}

func TestLockoutsDoubleUntilTheSourceIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{MaxLockout: 3 * time.Hour})
		for _, want := range []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour, 3 * time.Hour} {
			fail(t, tracker, alice, 5)
			requireLocked(t, tracker.Check(alice), want)
			time.Sleep(want)
		}
		time.Sleep(3*time.Hour - time.Second) // not quite quiet long enough
		fail(t, tracker, alice, 5)
		requireLocked(t, tracker.Check(alice), 3*time.Hour)
		time.Sleep(6*time.Hour + time.Second) // locked for three, quiet for three: one strike is forgiven
		fail(t, tracker, alice, 5)
		requireLocked(t, tracker.Check(alice), 2*time.Hour)
		time.Sleep(2*time.Hour + 2*3*time.Hour) // both are
		fail(t, tracker, alice, 5)
		requireLocked(t, tracker.Check(alice), time.Hour)
	})
}

func TestSuccessGivesBackOnlyItsOwnCharge(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	for range 100 {
		a, err := tracker.Begin(alice)
		require.NoError(t, err)
		a.Succeed()
	}
	require.Zero(t, tracker.Len(), "who succeeds leaves nothing behind")

	fail(t, tracker, alice, 4)
	a, err := tracker.Begin(alice)
	require.NoError(t, err)
	a.Succeed()
	fail(t, tracker, alice, 1)
	require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError), "a login of one's own does not wipe out four guesses")
}

// Of two charges the one that is given back is that of the attempt that succeeded, so those of later failures
// stay as long as they should.
func TestSuccessGivesBackTheChargeThatItMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{})
		first, err := tracker.Begin(alice)
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		var later []ratelimit.Attempt
		for range 4 {
			a, err := tracker.Begin(alice)
			require.NoError(t, err)
			later = append(later, a)
		}
		first.Succeed()
		inNetwork := func() int {
			x, err := tracker.Explain(alice)
			require.NoError(t, err)
			return x.Networks[0].Charges
		}
		require.Equal(t, 4, inNetwork())
		for _, a := range later {
			a.Fail()
		}
		time.Sleep(15*time.Minute - time.Nanosecond)
		r, _ := tracker.Lookup(alice)
		require.Equal(t, 4, r.Failures)
		require.Zero(t, r.Open)
		require.Equal(t, 4, inNetwork())
	})
}

// What a source inherits is not its own, whatever it is given back of its own charges meanwhile: it locks nobody out.
func TestInheritedChargesStayInherited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{MaxAddresses: 16})
		fail(t, tracker, alice, 2)
		for i := range uint32(16) {
			fail(t, tracker, addr4(i+1<<30), 5)
		}
		require.True(t, tracker.Unlock(addr4(1<<30)), "which makes room for her")
		for range 3 {
			a, err := tracker.Begin(alice)
			require.NoError(t, err)
			a.Succeed()
		}
		fail(t, tracker, alice, 2)
		r, _ := tracker.Lookup(alice)
		require.Equal(t, ratelimit.Record{Failures: 2, Inherited: 2, Last: r.Last}, r)
		tracker.Succeed(alice)
		x, err := tracker.Explain(alice)
		require.NoError(t, err)
		require.Equal(t, 2, x.Long, "her own are given back, there as well")
		fail(t, tracker, alice, 4)
		require.NoError(t, tracker.Check(alice))
	})
}

func TestTheFirstEndOfAnAttemptCounts(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{Failures: 2})
	a, err := tracker.Begin(alice)
	require.NoError(t, err)
	a.Fail()
	a.Succeed()
	a.Cancel()
	a.Fail()
	b, err := tracker.Begin(alice)
	require.NoError(t, err)
	b.Cancel()
	b.Fail()
	require.NoError(t, tracker.Check(alice))
	for _, r := range tracker.All() {
		require.Equal(t, 1, r.Failures)
		require.Zero(t, r.Open)
	}
	var zero ratelimit.Attempt
	zero.Succeed()
	zero.Fail()
	zero.Cancel()
	st := tracker.Stats()
	require.EqualValues(t, []uint64{2, 0, 1, 1}, []uint64{st.Begun, st.Succeeded, st.Failed, st.Cancelled})
}

func TestOpenAttemptsDenyAndNeverLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{})
		for range 5 {
			_, err := tracker.Begin(alice) // and forgotten
			require.NoError(t, err)
		}
		for range 10 {
			_, err := tracker.Begin(alice)
			requireBusy(t, err, false)
		}
		time.Sleep(15 * time.Minute)
		require.NoError(t, tracker.Check(alice))
		require.Zero(t, tracker.Stats().Lockouts)
	})
}

func TestAThousandGuessesAtOnceGetFive(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	var allowed atomic.Int32
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if a, err := tracker.Begin(alice); err == nil {
				allowed.Add(1)
				a.Fail()
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 5, allowed.Load())
	require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))
}

func TestCheckLeavesNoTrace(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	before := tracker.Bytes()
	for i := range 10_000 {
		require.NoError(t, tracker.Check(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})))
	}
	require.Zero(t, tracker.Len())
	require.Equal(t, before, tracker.Bytes())
}

func TestSources(t *testing.T) {
	for name, test := range map[string]struct {
		a, b string
		same bool
	}{
		"two-addresses":           {"192.0.2.1", "192.0.2.2", false},
		"mapped":                  {"192.0.2.1", "::ffff:192.0.2.1", true},
		"one-slash-64":            {"2001:db8::1", "2001:db8::ffff:1:2:3", true},
		"two-slash-64":            {"2001:db8::1", "2001:db8:0:1::1", false},
		"zone":                    {"fe80::1%eth0", "fe80::1%eth1", true},
		"6to4":                    {"192.0.2.1", "2002:c000:0201::77", true},
		"nat64":                   {"192.0.2.1", "64:ff9b::192.0.2.1", true},
		"two-of-nat64":            {"64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2", false},
		"local-nat64-of-96-bits":  {"192.0.2.1", "64:ff9b:1:abcd::192.0.2.1", true},
		"local-nat64-of-64-bits":  {"192.0.2.33", "64:ff9b:1:3c4:c0:2:2100::", true},
		"local-nat64-of-56-bits":  {"192.0.2.33", "64:ff9b:1:3c0:0:221::", true},
		"local-nat64-of-48-bits":  {"192.0.2.33", "64:ff9b:1:c000:2:2100::", true},
		"two-of-local-nat64":      {"64:ff9b:1::192.0.2.1", "64:ff9b:1::192.0.2.2", false},
		"not-of-rfc-6052":         {"64:ff9b:1::100:0:c000:201", "192.0.2.1", false},
		"teredo":                  {"192.0.2.1", "2001:0:4136:e378:8000:63bf:3fff:fdfe", true},
		"v4-bits-are-not-v6-bits": {"0.0.0.1", "0:0:0:1::", false},
	} {
		t.Run(name, func(t *testing.T) {
			tracker := newTracker(t, ratelimit.Config{Failures: 1})
			require.NoError(t, tracker.Fail(netip.MustParseAddr(test.a)))
			err := tracker.Check(netip.MustParseAddr(test.b))
			require.Equal(t, test.same, err != nil, "%v", err)
		})
	}
}

func TestTheZeroAddressIsRefused(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	a, err := tracker.Begin(netip.Addr{})
	require.ErrorIs(t, err, ratelimit.ErrAddress)
	a.Fail()
	require.ErrorIs(t, tracker.Check(netip.Addr{}), ratelimit.ErrAddress)
	require.ErrorIs(t, tracker.Fail(netip.Addr{}), ratelimit.ErrAddress)
	tracker.Succeed(netip.Addr{})
	require.False(t, tracker.Unlock(netip.Addr{}))
	require.Zero(t, tracker.Len())
}

func TestUnlockAndSucceed(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	fail(t, tracker, alice, 5)
	tracker.Succeed(alice)
	require.Error(t, tracker.Check(alice), "Succeed ends no lock-out")
	require.True(t, tracker.Unlock(alice))
	require.False(t, tracker.Unlock(alice))
	require.NoError(t, tracker.Check(alice))

	fail(t, tracker, alice, 4)
	tracker.Succeed(alice)
	fail(t, tracker, alice, 4)
	require.NoError(t, tracker.Check(alice))
}

func TestAllShowsTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{})
		fail(t, tracker, alice, 5)
		v6 := netip.MustParseAddr("2001:db8::7")
		fail(t, tracker, v6, 1)
		_, err := tracker.Begin(v6)
		require.NoError(t, err)
		got := map[string]ratelimit.Record{}
		for prefix, r := range tracker.All() {
			got[prefix.String()] = r
			tracker.Check(alice) // the body may use the tracker
		}
		now := time.Now()
		require.Len(t, got, 2)
		a, b := got["192.0.2.1/32"], got["2001:db8::/64"]
		require.Equal(t, 5, a.Failures)
		require.Equal(t, 1, a.Strikes)
		require.WithinDuration(t, now.Add(time.Hour), a.LockedUntil, time.Millisecond)
		require.WithinDuration(t, now, a.Last, time.Millisecond)
		require.Equal(t, []int{1, 1}, []int{b.Failures, b.Open})
		require.Zero(t, b.LockedUntil)
		for range tracker.All() {
			break
		}
	})
}

func TestSweepRemovesWhatIsSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{})
		fail(t, tracker, alice, 5)
		for i := range 900 {
			fail(t, tracker, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1)
		}
		require.Zero(t, tracker.Sweep())
		time.Sleep(15*time.Minute + time.Millisecond)
		require.Equal(t, 900, tracker.Sweep())
		require.Equal(t, 1, tracker.Len(), "the lock-out stays")
		time.Sleep(time.Hour)
		require.Zero(t, tracker.Sweep(), "its strike stays")
		time.Sleep(24 * time.Hour)
		require.Equal(t, 1, tracker.Sweep())
		require.Zero(t, tracker.Len())
		require.EqualValues(t, 901, tracker.Stats().Swept)
	})
}

func TestTheTableIsCappedAndHonest(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{MaxAddresses: 100})
	for i := range 10_000 {
		_ = tracker.Fail(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		require.LessOrEqual(t, tracker.Len(), 100)
	}
	require.InDelta(t, 100, tracker.Len(), 1, "one may have gone for a newcomer who was denied in the end")
	full := tracker.Bytes()
	for i := range 10_000 {
		_ = tracker.Fail(netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)}))
	}
	require.Equal(t, full, tracker.Bytes(), "a full tracker does not grow")
}

// A flood of one family leaves the other its half.
func TestFamiliesHaveHalvesOfTheirOwn(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{MaxAddresses: 100})
	for i := range 50 {
		fail(t, tracker, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 1)
	}
	for i := range 10_000 {
		_ = tracker.Fail(netip.AddrFrom16([16]byte{0x2a, 4: byte(i >> 8), 5: byte(i)}))
	}
	four := 0
	for prefix := range tracker.All() {
		if prefix.Addr().Is4() {
			four++
		}
	}
	require.Equal(t, 50, four)
}

func TestTheMostSuspiciousStay(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{MaxAddresses: 100})
	fail(t, tracker, alice, 5)
	bob := netip.MustParseAddr("192.0.2.2")
	fail(t, tracker, bob, 4)
	for i := range 1_000 {
		_ = tracker.Fail(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))
	fail(t, tracker, bob, 1)
	require.ErrorAs(t, tracker.Check(bob), new(*ratelimit.LockedError))
}

// When all that is in the table is locked and more comes, the evicted stay locked out
// by what the sketch knows of them.
func TestEvictedLockOutsStillDeny(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{MaxAddresses: 10})
		var addrs []netip.Addr
		for i := range 20 {
			addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			for range 5 {
				_ = tracker.Fail(addr)
			}
			var locked *ratelimit.LockedError // not one that others' cells deny, or give strikes
			if errors.As(tracker.Check(addr), &locked) && locked.RetryAfter() <= time.Hour {
				addrs = append(addrs, addr)
			}
		}
		require.Greater(t, len(addrs), 15)
		require.Equal(t, 10, tracker.Len())
		require.NotZero(t, tracker.Stats().EvictedLocked)
		time.Sleep(59 * time.Minute)
		for _, addr := range addrs {
			require.Error(t, tracker.Check(addr))
		}
		time.Sleep(time.Minute + 300*time.Millisecond) // the sketch rounds up
		for _, addr := range addrs {
			require.NoError(t, tracker.Check(addr))
		}
	})
}

func TestConfigErrorsNameTheField(t *testing.T) {
	for _, test := range []struct {
		config ratelimit.Config
		want   string
	}{
		{ratelimit.Config{Failures: -1}, "ratelimit: Config.Failures is -1, want 1 to 64, or 0 for the default"},
		{ratelimit.Config{Failures: 65}, "ratelimit: Config.Failures is 65, want 1 to 64, or 0 for the default"},
		{ratelimit.Config{Window: -time.Second}, "ratelimit: Config.Window is -1s, want zero or more"},
		{ratelimit.Config{Lockout: -time.Second}, "ratelimit: Config.Lockout is -1s, want zero or more"},
		{ratelimit.Config{MaxLockout: time.Minute}, "ratelimit: Config.MaxLockout is 1m0s, want at least the Lockout of 1h0m0s"},
		{ratelimit.Config{Jitter: -1}, "ratelimit: Config.Jitter is -1ns, want zero or more"},
		{ratelimit.Config{LongFailures: 4}, "ratelimit: Config.LongFailures is 4, want the Failures of 5 to 255, 0 for the default, or less for no limit"},
		{ratelimit.Config{LongFailures: 256}, "ratelimit: Config.LongFailures is 256, want the Failures of 5 to 255, 0 for the default, or less for no limit"},
		{ratelimit.Config{LongWindow: time.Minute}, "ratelimit: Config.LongWindow is 1m0s, want at least the Window of 15m0s"},
		{ratelimit.Config{Window: 1 << 62}, "ratelimit: a time of Config is 1281023h53m38.427387904s, want at most 87600h0m0s"},
		{ratelimit.Config{Prefixes: make([]ratelimit.PrefixLimit, 9)}, "ratelimit: Config.Prefixes has 9 limits, want at most 8"},
		{ratelimit.Config{Prefixes: []ratelimit.PrefixLimit{{Bits: 64}}}, "ratelimit: Config.Prefixes has Bits of 64, want 1 to 63"},
		{ratelimit.Config{Prefixes: []ratelimit.PrefixLimit{{IPv4: true, Bits: 32}}}, "ratelimit: Config.Prefixes has Bits of 32, want 1 to 31"},
		{ratelimit.Config{Prefixes: []ratelimit.PrefixLimit{{Bits: 56, Failures: 256}}}, "ratelimit: Config.Prefixes has Failures of 256, want 0 to 255"},
		{ratelimit.Config{MaxAddresses: -5}, "ratelimit: Config.MaxAddresses is -5, want 1 to 1000000, or 0 for the default"},
		{ratelimit.Config{Allow: make([]netip.Prefix, 1), Deny: make([]netip.Prefix, 1), Proxies: make([]netip.Prefix, 1)}, "ratelimit: Config.Allow has invalid Prefix, want valid prefixes"},
		{ratelimit.Config{Deny: make([]netip.Prefix, 1), Proxies: make([]netip.Prefix, 1)}, "ratelimit: Config.Deny has invalid Prefix, want valid prefixes"},
		{ratelimit.Config{Proxies: make([]netip.Prefix, 1)}, "ratelimit: Config.Proxies has invalid Prefix, want valid prefixes"},
		{ratelimit.Config{MaxAddresses: 2_000_000}, "ratelimit: Config.MaxAddresses is 2000000, want 1 to 1000000, or 0 for the default"},
	} {
		_, err := ratelimit.NewTracker(test.config)
		require.EqualError(t, err, test.want)
	}
	for _, n := range []int{1, 2, 64} {
		tracker := newTracker(t, ratelimit.Config{Failures: n, MaxAddresses: 1})
		fail(t, tracker, alice, n)
		require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError), "%d", n)
	}
}

func TestStatsReadLikeASentence(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	fail(t, tracker, alice, 5)
	_, err := tracker.Begin(alice)
	require.Error(t, err)
	st := tracker.Stats()
	require.EqualValues(t, 1, st.DeniedLocked)
	require.Regexp(t, `^1 of 1,000 addresses in \S+ \S+; 5 attempts, 5 failed, 1 lock-outs; 1 denied; 0 evicted$`, fmt.Sprint(st))
}

func TestJitterOnlyAdds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{Jitter: 6 * time.Minute})
		different := map[time.Duration]bool{}
		for i := range 200 {
			addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			fail(t, tracker, addr, 5)
			wait, ok := ratelimit.RetryAfter(tracker.Check(addr))
			require.True(t, ok)
			require.GreaterOrEqual(t, wait, time.Hour-time.Microsecond)
			require.LessOrEqual(t, wait, time.Hour+6*time.Minute)
			different[wait] = true
		}
		require.Greater(t, len(different), 150)
	})
}

// Charges that succeed use nothing of the long window.
func TestLongWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{LongFailures: 7, LongWindow: 15 * time.Hour})
		for n := range 7 {
			for range 50 {
				a, err := tracker.Begin(alice)
				require.NoError(t, err)
				a.Succeed()
			}
			fail(t, tracker, alice, 1)
			if n == 3 {
				time.Sleep(time.Hour)
			}
		}
		_, err := tracker.Begin(alice)
		var busy *ratelimit.BusyError
		require.ErrorAs(t, err, &busy)
		require.Equal(t, ratelimit.TooManyLong, busy.Reason())
		require.EqualError(t, err, "ratelimit: the source has too many failed attempts in the long window, want fewer or a wait of 15h0m0s")
		require.EqualValues(t, 1, tracker.Stats().DeniedLong)
		time.Sleep(busy.RetryAfter() - time.Millisecond)
		require.Error(t, tracker.Check(alice))
		time.Sleep(time.Millisecond)
		require.NoError(t, tracker.Check(alice))

		tracker = newTracker(t, ratelimit.Config{LongFailures: -1})
		for range 300 {
			fail(t, tracker, alice, 4)
			time.Sleep(15*time.Minute + time.Millisecond)
		}
	})
}

func TestPrefixesCanBeConfigured(t *testing.T) {
	v6 := func(n int) netip.Addr { return netip.AddrFrom16([16]byte{0x2a, 6: byte(n >> 8), 7: byte(n)}) }
	allowed := func(prefixes []ratelimit.PrefixLimit, addr func(int) netip.Addr) (n int) {
		tracker := newTracker(t, ratelimit.Config{Prefixes: prefixes})
		for i := range 200 {
			if tracker.Fail(addr(i)) == nil {
				n++
			}
		}
		return n
	}
	v4 := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }
	require.Equal(t, 20, allowed(nil, v6))
	require.Equal(t, 200, allowed([]ratelimit.PrefixLimit{}, v6))
	require.Equal(t, 200, allowed([]ratelimit.PrefixLimit{{Bits: 48}}, v6), "zero is no limit")
	require.Equal(t, 90, allowed([]ratelimit.PrefixLimit{{Bits: 48, Failures: 90}}, v6))
	require.Equal(t, 200, allowed(nil, v4), "observed")
	require.Equal(t, 30, allowed([]ratelimit.PrefixLimit{{IPv4: true, Bits: 24, Failures: 30}}, v4))
}

func TestPrefixDenialNamesTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{})
		for i := range 20 {
			fail(t, tracker, netip.AddrFrom16([16]byte{0x2a, 7: byte(i)}), 1)
		}
		next := netip.AddrFrom16([16]byte{0x2a, 7: 99})
		_, err := tracker.Begin(next)
		var busy *ratelimit.BusyError
		require.ErrorAs(t, err, &busy)
		require.Equal(t, ratelimit.TooManyInPrefix, busy.Reason())
		require.Equal(t, 56, busy.Bits())
		require.Error(t, tracker.Check(next))
		require.EqualValues(t, 1, tracker.Stats().DeniedPrefix)
		e := <-tracker.Events()
		require.Equal(t, ratelimit.PrefixFull, e.Kind)
		require.Equal(t, "2a00::/56", e.Source.String())
		time.Sleep(busy.RetryAfter())
		a, err := tracker.Begin(next)
		require.NoError(t, err)
		a.Succeed()
	})
}
