package ratelimit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

func TestGuard(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	for name, test := range map[string]struct {
		verify func() error
		want   error
		stays  int
	}{
		"success":        {func() error { return nil }, nil, 0},
		"failure":        {func() error { return errWrong }, errWrong, 1},
		"undecided":      {func() error { return fmt.Errorf("no database: %w", ratelimit.ErrUndecided) }, ratelimit.ErrUndecided, 0},
		"other-deadline": {func() error { return context.DeadlineExceeded }, context.DeadlineExceeded, 1},
		"cancelled":      {func() error { cancel(); return ctx.Err() }, context.Canceled, 0},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel = context.WithCancel(t.Context())
			defer cancel()
			tracker := newTracker(t, ratelimit.Config{})
			require.ErrorIs(t, tracker.Guard(ctx, alice, "", test.verify), test.want)
			r, _ := tracker.Lookup(alice)
			require.Equal(t, test.stays, r.Failures)
			require.Zero(t, r.Open)
		})
	}
}

func TestGuardPassesPanicsOn(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{Failures: 1})
	require.PanicsWithValue(t, "broken", func() {
		_ = tracker.Guard(t.Context(), alice, "", func() error { panic("broken") })
	})
	require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))
	require.ErrorAs(t, tracker.Guard(t.Context(), alice, "", func() error { t.Error("called"); return nil }), new(*ratelimit.LockedError))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	bob := netip.MustParseAddr("192.0.2.2")
	require.ErrorIs(t, tracker.Guard(ctx, bob, "", func() error { t.Error("called"); return nil }), context.Canceled)
	require.ErrorIs(t, tracker.Guard(t.Context(), netip.Addr{}, "", func() error { t.Error("called"); return nil }), ratelimit.ErrAddress)
}

func TestLockNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{})
		require.NoError(t, tracker.LockNow(alice, 3*time.Hour))
		requireLocked(t, tracker.Check(alice), 3*time.Hour)
		require.NoError(t, tracker.LockNow(alice, 0), "is no shorter")
		requireLocked(t, tracker.Check(alice), 3*time.Hour)
		require.True(t, tracker.Unlock(alice))
		require.NoError(t, tracker.LockNow(alice, 0))
		requireLocked(t, tracker.Check(alice), time.Hour)
		time.Sleep(time.Hour)
		fail(t, tracker, alice, 5)
		requireLocked(t, tracker.Check(alice), time.Hour) // it was no strike
		require.ErrorIs(t, tracker.LockNow(netip.Addr{}, 0), ratelimit.ErrAddress)
	})
}

// An attempt that fails while its source is locked makes the lock-out no shorter, and is no strike.
func TestLateFailureLeavesALockoutAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{})
		fail(t, tracker, alice, 4)
		late, err := tracker.Begin(alice)
		require.NoError(t, err)
		require.NoError(t, tracker.LockNow(alice, 3*time.Hour))
		late.Fail()
		requireLocked(t, tracker.Check(alice), 3*time.Hour)
		r, _ := tracker.Lookup(alice)
		require.Zero(t, r.Strikes)
	})
}

// The error of a lock-out tells at any time how long it is until then, and a later one is another.
func TestOneErrorForALockout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{})
		fail(t, tracker, alice, 5)
		first := tracker.Check(alice)
		time.Sleep(20 * time.Minute)
		_, again := tracker.Begin(alice)
		require.Same(t, first, again)
		requireLocked(t, first, 40*time.Minute)
		time.Sleep(50 * time.Minute)
		requireLocked(t, first, 0)
		fail(t, tracker, alice, 5)
		requireLocked(t, tracker.Check(alice), 2*time.Hour)
		requireLocked(t, first, 0)
	})
}

// An administrator can unlock whom only the sketch remembers, and who fails again is
// locked again.
func TestUnlockWhomTheTableForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{MaxAddresses: 10})
		fail(t, tracker, alice, 5)
		for i := range 100 {
			_ = tracker.LockNow(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 2*time.Hour)
		}
		_, tracked := tracker.Lookup(alice)
		require.False(t, tracked)
		requireBusy(t, tracker.Check(alice), true)
		require.True(t, tracker.Unlock(alice))
		require.False(t, tracker.Unlock(alice))
		require.NoError(t, tracker.Check(alice))
		for i := range 9 {
			require.NoError(t, tracker.LockNow(netip.AddrFrom4([4]byte{11, 0, 0, byte(i)}), 2*time.Hour))
		}
		require.Zero(t, tracker.Sweep())
		require.NoError(t, tracker.Check(alice))
		fail(t, tracker, alice, 5)
		requireLocked(t, tracker.Check(alice), time.Hour)
	})
}

func TestLookupAndExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{Failures: 3})
		_, ok := tracker.Lookup(alice)
		require.False(t, ok)
		fail(t, tracker, alice, 2)
		_, err := tracker.Begin(alice)
		require.NoError(t, err)
		r, ok := tracker.Lookup(alice)
		require.True(t, ok)
		require.Equal(t, []int{2, 1}, []int{r.Failures, r.Open})

		x, err := tracker.Explain(alice)
		require.NoError(t, err)
		require.Equal(t, 3, x.Long)
		require.Equal(t, []ratelimit.ChargeKind{ratelimit.Open, ratelimit.Failed, ratelimit.Failed},
			[]ratelimit.ChargeKind{x.Charges[0].Kind, x.Charges[1].Kind, x.Charges[2].Kind})
		require.Len(t, x.Networks, 1)
		require.Equal(t, 3, x.Networks[0].Charges)
		require.Equal(t, `192.0.2.1/32 has too many attempts under way, want fewer or a wait of 15m0s
2000-01-01 00:00:00 open
2000-01-01 00:00:00 failed
2000-01-01 00:00:00 failed
3 in the long window
192.0.2.0/24 has 3 of 50`, x.String())

		x, err = tracker.Explain(netip.MustParseAddr("192.0.3.1"))
		require.NoError(t, err)
		require.False(t, x.Tracked)
		require.Equal(t, "192.0.3.1/32 may make attempts\n192.0.3.0/24 has 0 of 50", x.String())
		_, err = tracker.Explain(netip.Addr{})
		require.ErrorIs(t, err, ratelimit.ErrAddress)
		_, ok = tracker.Lookup(netip.Addr{})
		require.False(t, ok)
	})
}

// What is given back of the long window was charged when it was charged: what was charged later counts for as
// long as it would.
func TestTheLongWindowKeepsWhatIsNotGivenBack(t *testing.T) {
	under(t, ratelimit.Config{Window: 2 * time.Hour, LongWindow: 15 * time.Hour}, func(t *testing.T, tracker *ratelimit.Tracker) {
		a, err := tracker.Begin(alice)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		fail(t, tracker, alice, 3)
		a.Cancel()
		for _, counted := range []int{3, 3, 0} {
			time.Sleep(7*time.Hour + 30*time.Minute)
			x, err := tracker.Explain(alice)
			require.NoError(t, err)
			require.Equal(t, counted, x.Long)
		}
	})
}

func TestEventsTellWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{AlarmFailures: 6})
		fail(t, tracker, alice, 5)
		e := <-tracker.Events()
		require.Equal(t, "locked out", e.Kind.String())
		require.Equal(t, "192.0.2.1/32", e.Source.String())
		require.Equal(t, time.Hour, e.Wait)
		require.Equal(t, 1, e.Strikes)
		require.WithinDuration(t, time.Now(), e.Time, time.Millisecond)
		tracker.Unlock(alice)
		require.Equal(t, ratelimit.Unlocked, (<-tracker.Events()).Kind)
		fail(t, tracker, alice, 1)
		require.Equal(t, ratelimit.Alarm, (<-tracker.Events()).Kind)
		fail(t, tracker, alice, 3)
		require.Empty(t, tracker.Events(), "once")
		for kind := ratelimit.LockedOut; kind <= ratelimit.ProxyForgotten; kind++ {
			require.NotEqual(t, "unknown", kind.String())
		}
	})
}

// A network that is full is told of once, with how long it denies its sources, or would.
func TestFullNetworksAreTold(t *testing.T) {
	for _, observe := range []bool{false, true} {
		under(t, ratelimit.Config{Prefixes: []ratelimit.PrefixLimit{{IPv4: true, Bits: 24, Failures: 50, Observe: observe}}}, func(t *testing.T, tracker *ratelimit.Tracker) {
			for i := range uint32(50) {
				require.NoError(t, tracker.Fail(addr4(i+1<<30)))
				time.Sleep(10 * time.Second)
			}
			e := event(t, tracker)
			require.Equal(t, ratelimit.PrefixFull, e.Kind)
			require.Equal(t, observe, e.Observed)
			require.Equal(t, "64.0.0.0/24", e.Source.String())
			require.InDelta(t, 15*time.Minute-490*time.Second, e.Wait, float64(15*time.Minute/11+time.Second), "when the first leaves the window")
			require.Equal(t, !observe, tracker.Fail(addr4(60+1<<30)) != nil)
			require.Empty(t, tracker.Events())
		})
	}
}

func TestSaturationTellsHowManyStrangersAreDenied(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{MaxAddresses: 64})
	require.Zero(t, tracker.Stats().Saturation)
	for i := range 3000 {
		for range 5 {
			_ = tracker.Fail(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		}
	}
	denied := 0
	for i := range 1000 {
		if tracker.Check(netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)})) != nil {
			denied++
		}
	}
	require.NotZero(t, denied)
	require.InDelta(t, float64(denied)/1000, tracker.Stats().Saturation, 0.25)
}

func TestDenyWritesAProblem(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{Deny: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	fail(t, tracker, alice, 5)
	for _, test := range []struct {
		err    error
		status int
	}{
		{tracker.Check(alice), http.StatusTooManyRequests},
		{tracker.Check(netip.MustParseAddr("10.1.2.3")), http.StatusForbidden},
		{ratelimit.ErrAddress, http.StatusBadRequest},
		{errors.New("unknown"), http.StatusBadRequest},
	} {
		w := httptest.NewRecorder()
		tracker.Deny(w, test.err)
		require.Equal(t, test.status, w.Code)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		var problem map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &problem))
		require.EqualValues(t, test.status, problem["status"])
		require.NotEmpty(t, problem["title"])
		if test.status == http.StatusTooManyRequests {
			require.Equal(t, "https://iana.org/assignments/http-problem-types#quota-exceeded", problem["type"])
			require.Equal(t, []any{"login"}, problem["violated-policies"])
		}
	}
}

// Check counts nobody who is on a list, for nobody has made an attempt.
func TestCheckLeavesNoTraceOfListedAddresses(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{
		Deny: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	})
	require.ErrorAs(t, tracker.Check(netip.MustParseAddr("10.1.2.3")), new(*ratelimit.DeniedError))
	require.NoError(t, tracker.Check(alice))
	st := tracker.Stats()
	require.Zero(t, st.DeniedList)
	require.Zero(t, st.Exempt)
	require.Zero(t, st.Denied())
}

// Unlock says whether somebody was denied, for whatever reason of his own.
func TestUnlockSaysWhetherSomebodyWasDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, ratelimit.Config{LongFailures: 7, MaxLockout: time.Hour})
		fail(t, tracker, alice, 4)
		require.False(t, tracker.Unlock(alice), "she may make an attempt")
		for range 5 {
			_, err := tracker.Begin(alice)
			require.NoError(t, err)
		}
		requireBusy(t, tracker.Check(alice), false)
		require.True(t, tracker.Unlock(alice))
		require.NoError(t, tracker.Check(alice))
		for range 7 {
			fail(t, tracker, alice, 1)
			time.Sleep(10 * time.Minute)
		}
		var busy *ratelimit.BusyError
		require.ErrorAs(t, tracker.Check(alice), &busy)
		require.Equal(t, ratelimit.TooManyLong, busy.Reason())
		require.True(t, tracker.Unlock(alice))
		require.NoError(t, tracker.Check(alice))
		require.Equal(t, ratelimit.Unlocked, event(t, tracker).Kind)
		require.Equal(t, ratelimit.Unlocked, event(t, tracker).Kind)
		require.Empty(t, tracker.Events())
	})
}

// A proxy is locked out by nobody, an administrator and a journal of a time when it was none included, and
// however its address is written.
func TestNobodyLocksAProxyOut(t *testing.T) {
	for _, proxy := range []string{"10.0.0.1", "2001:db8::5", "64:ff9b::192.0.2.1", "2002:c000:201::1", "::ffff:192.0.2.1"} {
		t.Run(proxy, func(t *testing.T) {
			addr := netip.MustParseAddr(proxy)
			name := filepath.Join(t.TempDir(), "attempts")
			forgotten := newTracker(t, ratelimit.Config{})
			j := openJournal(t, forgotten, name)
			fail(t, forgotten, addr, 5)
			require.NoError(t, j.Close())

			tracker := newTracker(t, ratelimit.Config{Proxies: []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}, Window: time.Nanosecond})
			openJournal(t, tracker, name)
			require.NoError(t, tracker.Check(addr))
			require.NoError(t, tracker.LockNow(addr, time.Hour))
			require.NoError(t, tracker.Check(addr))
			require.Zero(t, tracker.Stats().Lockouts)
			require.EqualValues(t, 1, tracker.Stats().ProxyFailures)
			require.Equal(t, ratelimit.ProxyFailing, event(t, tracker).Kind)
		})
	}
	tracker := newTracker(t, ratelimit.Config{Proxies: []netip.Prefix{netip.MustParsePrefix("64:ff9b::192.0.2.1/128")}})
	fail(t, tracker, alice, 5)
	require.Zero(t, tracker.Stats().Lockouts, "who is the proxy")
}

// A wait of whatever length is rounded up to seconds.
func TestSetHeadersRoundsUp(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	for wait, want := range map[time.Duration]string{
		-time.Hour: "1", 0: "1", 1: "1", time.Second: "1", time.Second + 1: "2", math.MaxInt64: "9223372037",
	} {
		h := http.Header{}
		tracker.SetHeaders(h, wait)
		require.Equal(t, want, h.Get("Retry-After"), "%v", wait)
	}
}

// Names of what the package does not have say so.
func TestUnknownKindsHaveNames(t *testing.T) {
	require.Equal(t, "unknown", ratelimit.EventKind(0).String())
	require.Equal(t, "unknown", ratelimit.ChargeKind(0).String())
	require.Equal(t, "unknown", ratelimit.ChargeKind(9).String())
	require.Equal(t, "inherited", ratelimit.Inherited.String())
}

// An attempt of a source that the table forgot meanwhile stays charged, and is none of those that ended.
func TestAnAttemptThatTheTableForgot(t *testing.T) {
	for _, end := range []func(ratelimit.Attempt){ratelimit.Attempt.Succeed, ratelimit.Attempt.Fail, ratelimit.Attempt.Cancel} {
		tracker := newTracker(t, ratelimit.Config{Failures: 1, MaxAddresses: 1, AlarmFailures: 1})
		a, err := tracker.Begin(alice)
		require.NoError(t, err)
		require.NoError(t, tracker.LockNow(netip.MustParseAddr("203.0.113.9"), time.Hour))
		require.Equal(t, ratelimit.LockedOut, event(t, tracker).Kind)
		end(a)
		requireBusy(t, tracker.Check(alice), true)
		st := tracker.Stats()
		require.Equal(t, []uint64{1, 0, 0, 0}, []uint64{st.Begun, st.Succeeded, st.Failed, st.Cancelled})
		require.Empty(t, tracker.Events(), "no alarm")
	}
}

// An event tells the strikes that are known then: those of which each makes the next lock-out longer.
func TestStrikesAreCountedAsFarAsTheyMatter(t *testing.T) {
	under(t, ratelimit.Config{MaxLockout: 4 * time.Hour}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for _, want := range []int{1, 2, 2, 2} { // for one hour, two, four and four
			fail(t, tracker, alice, 5)
			r, _ := tracker.Lookup(alice)
			require.Equal(t, want, r.Strikes)
			require.Equal(t, want, event(t, tracker).Strikes)
			time.Sleep(time.Until(r.LockedUntil))
		}
	})
}

// Strikes of a source that the table forgot outlast its return, and Unlock as well.
func TestUnlockForgetsNoForgottenStrike(t *testing.T) {
	under(t, ratelimit.Config{MaxAddresses: 1}, func(t *testing.T, tracker *ratelimit.Tracker) {
		fail(t, tracker, alice, 5)
		require.NoError(t, tracker.LockNow(netip.MustParseAddr("203.0.113.9"), time.Minute))
		time.Sleep(time.Hour + time.Second)
		fail(t, tracker, alice, 1)
		require.False(t, tracker.Unlock(alice))
		fail(t, tracker, alice, 5)
		requireLocked(t, tracker.Check(alice), 2*time.Hour)
	})
}
