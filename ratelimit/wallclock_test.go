package ratelimit_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

// Each bubble begins at the same time, so the second process finds a clock that was set back by ten hours.
func TestNoWallClockThatWasSetBackShortensALockout(t *testing.T) {
	for how, ends := range map[string]func(j *ratelimit.Journal) error{
		"killed": func(*ratelimit.Journal) error { return nil },
		"saved":  (*ratelimit.Journal).Save,
		"closed": (*ratelimit.Journal).Close,
	} {
		t.Run(how, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "attempts")
			bob, carol := addr4(7), addr4(8)
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(10 * time.Hour)
				tracker := newTracker(t, ratelimit.Config{})
				j := openJournal(t, tracker, name)
				fail(t, tracker, alice, 5)
				fail(t, tracker, bob, 4)
				time.Sleep(10 * time.Minute)
				require.NoError(t, tracker.LockNow(carol, time.Hour))
				require.NoError(t, ends(j))
			})
			synctest.Test(t, func(t *testing.T) {
				tracker := newTracker(t, ratelimit.Config{})
				j := openJournal(t, tracker, name)
				requireLocked(t, tracker.Check(alice), 50*time.Minute)
				requireLocked(t, tracker.Check(carol), time.Hour)
				if how != "killed" {
					require.LessOrEqual(t, accepted(tracker, 5, always(bob)), 1, "four are in the window yet")
				}
				require.NoError(t, j.Save())
				time.Sleep(49 * time.Minute)
				require.Error(t, tracker.Check(alice))
				time.Sleep(time.Minute)
				require.NoError(t, tracker.Check(alice), "and no longer than it was to be")
				fail(t, tracker, alice, 5)
				requireLocked(t, tracker.Check(alice), 2*time.Hour)
			})
		})
	}
}

// What is locked after the clock was set back outlasts the next restart as well, though the journal has
// lock-outs of a time that has not come yet, which the table had no room for.
func TestLockoutsAfterTheClockWasSetBack(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attempts")
	config := ratelimit.Config{MaxAddresses: 4}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(10 * time.Hour)
		tracker := newTracker(t, config)
		openJournal(t, tracker, name)
		for i := range uint32(12) {
			require.NoError(t, tracker.LockNow(addr4(i), time.Hour))
		}
	})
	for range 3 { // three processes, each of which finds the clock set back to the same time
		synctest.Test(t, func(t *testing.T) {
			tracker := newTracker(t, config)
			openJournal(t, tracker, name)
			for i := range uint32(12) {
				require.Error(t, tracker.Check(addr4(i)), "%d", i)
			}
			newcomer := alice
			for tracker.Check(newcomer) != nil {
				newcomer = newcomer.Next() // by chance the sketch took her for one of them
			}
			fail(t, tracker, newcomer, 5)
			span, _ := ratelimit.RetryAfter(tracker.Check(newcomer)) // an hour, or two if she shares the strikes of one
			require.GreaterOrEqual(t, span, time.Hour)
			tracker = newTracker(t, config) // it was killed at once
			openJournal(t, tracker, name)
			requireLocked(t, tracker.Check(newcomer), span)
			require.True(t, tracker.Unlock(newcomer))
		})
	}
}
