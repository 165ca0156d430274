package ratelimit

import (
	"net/netip"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Whoever sets the wall clock, ahead or back, ends no lock-out early and prolongs none. A test cannot set the
// clock, but it can have a base that was read when the clock said something else. No bubble has a monotonic
// clock.
func TestAttack27TheWallClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		tracker, err := NewTracker(Config{})
		require.NoError(t, err)
		alice, base := netip.MustParseAddr("192.0.2.1"), time.Now().Add(-48*time.Hour)
		tracker.shared.clock = newClock(base)
		for range 5 {
			require.NoError(t, tracker.Fail(alice))
		}
		tracker.shared.clock = newClock(withWall(t, base, -by))
		wait, ok := RetryAfter(tracker.Check(alice))
		require.True(t, ok)
		require.InDelta(t, time.Hour, wait, float64(time.Minute))
		tracker.shared.clock = newClock(withWall(t, base.Add(-time.Hour), -by))
		require.NoError(t, tracker.Check(alice), "an hour has passed")
	}
}

// When a denial ends is told by the wall clock as it is set now, by errors, records and events.
func TestTimesAreOfTheClockAsItIsSetNow(t *testing.T) {
	was := origin
	defer func() { origin = was }()
	origin = withWall(t, origin, -2*time.Hour)
	tracker := testTracker(t, Config{})
	tracker.shared.clock = newClock(withWall(t, time.Now().Add(-48*time.Hour), -2*time.Hour))
	alice := netip.MustParseAddr("192.0.2.1")
	for range 5 {
		require.NoError(t, tracker.Fail(alice))
	}
	var locked *LockedError
	require.ErrorAs(t, tracker.Check(alice), &locked)
	r, _ := tracker.Lookup(alice)
	for _, until := range []time.Time{locked.Until(), r.LockedUntil, (<-tracker.Events()).Time.Add(time.Hour)} {
		require.WithinDuration(t, time.Now().Add(time.Hour).Round(0), until.Round(0), time.Minute)
	}
}

// withWall returns a time of which only the reading of the wall clock is another. Package time has no way to
// make one, so this knows that the first word of a time has that, the seconds above 30 bits of nanoseconds, and
// makes sure that it does.
func withWall(t *testing.T, at time.Time, by time.Duration) time.Time {
	moved := at
	*(*uint64)(unsafe.Pointer(&moved)) += uint64(by/time.Second) << 30
	require.Zero(t, moved.Sub(at), "by the monotonic clock")
	require.Equal(t, by, moved.Round(0).Sub(at.Round(0)), "by the wall clock")
	return moved
}

// A wall clock that is set forward while a process runs, and back afterwards or not, shortens no lock-out of
// which that process, or the next, wrote the journal since: those that the table had to forget included.
func TestAWallClockThatIsSetForwardShortensNoLockout(t *testing.T) {
	for how, after := range map[string]func(j *Journal, tracker *Tracker) error{
		"lock-out": func(_ *Journal, tracker *Tracker) error { return tracker.LockNow(addrOf(20), time.Hour) },
		"save":     func(j *Journal, _ *Tracker) error { return j.Save() },
	} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				name := filepath.Join(t.TempDir(), "attempts")
				config := Config{MaxAddresses: 4, Prefixes: []PrefixLimit{}}
				tracker := testTracker(t, config)
				j, err := tracker.OpenJournal(name, JournalConfig{})
				require.NoError(t, err)
				for n := range uint32(12) {
					require.NoError(t, tracker.LockNow(addrOf(n), time.Hour))
				}
				tracker.shared.clock.ahead.Add(int64(4 * 365 * 24 * time.Hour)) // as if it had been seen
				require.NoError(t, after(j, tracker))

				time.Sleep(30 * time.Minute)
				tracker = testTracker(t, config)
				_, err = tracker.OpenJournal(name, JournalConfig{}) // the clock is right again
				require.NoError(t, err)
				for n := range uint32(12) {
					require.Error(t, tracker.Check(addrOf(n)), "%d", n)
				}
				time.Sleep(time.Hour + time.Second)
				for n := range uint32(12) {
					require.NoError(t, tracker.Check(addrOf(n)), "%d", n)
				}
			})
		})
	}
}
