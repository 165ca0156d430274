package ratelimit

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

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
