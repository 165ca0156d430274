package ratelimit

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A wall clock that is set back while a process runs dates nothing before what was written already.
func TestTheClockOfAJournalNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(time.Now())
		first := c.wall(c.now(), c.now())
		require.Equal(t, time.Now().UnixNano(), first)
		c.ahead.Add(int64(5 * time.Hour)) // as if it had been set back by five hours since
		time.Sleep(time.Second)
		require.Equal(t, first+int64(5*time.Hour+time.Second), c.wall(c.now(), c.now()))
		c.ahead.Add(-int64(10 * time.Hour)) // as if it had been set forward
		require.Equal(t, time.Now().UnixNano(), c.wall(c.now(), c.now()))
	})
}

// Whoever writes a record does so after he has unlocked the table, so another may be faster. The later of two is the one that was made later,
// wherever it stands.
func TestRecordsAreReadInTheOrderInWhichTheyWereMade(t *testing.T) {
	s, ok := sourceOf(addrOf(1))
	require.True(t, ok)
	now := time.Now().UnixNano()
	locked := transition{sequence: 1, source: s, kind: lockout, written: now, at: now + int64(time.Hour), more: now + int64(25*time.Hour)}
	free := transition{sequence: 2, source: s, kind: unlocked, written: now}
	name := filepath.Join(t.TempDir(), "attempts")
	require.NoError(t, os.WriteFile(name, locked.append(free.append([]byte(journalMagic))), 0o600))
	tracker, err := NewTracker(Config{})
	require.NoError(t, err)
	_, err = tracker.OpenJournal(name, JournalConfig{})
	require.NoError(t, err)
	require.NoError(t, tracker.Check(addrOf(1)))
}
