package ratelimit

import (
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
