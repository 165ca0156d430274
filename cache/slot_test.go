package cache

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A sweep that meets an expired entry whose value is just being replaced leaves it to who replaces it.
func TestSweepLeavesABusyEntryAlone(t *testing.T) {
	c := build(t, Config[int, int]{MaxEntries: 8})
	require.True(t, c.SetTTL(1, 1, time.Nanosecond))
	e := c.engine
	s := e.lock(0)
	sl := &s.slab.Load().slots[0]
	head := sl.head.Load()
	require.True(t, sl.take(head))

	var w write[int, int]
	require.Zero(t, e.expire(s, &w, e.clock.precise(), 1))
	require.Equal(t, stateBusy, sl.head.Load()&stateMask)
	s.mu.Unlock()
	sl.give(head)

	require.Equal(t, 1, c.Sweep())
	checkInvariants(t, c)
}
