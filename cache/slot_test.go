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

// A reader that comes as soon as an entry has its new deadline must not put that off beyond the
// new time to live because it still sees the old one.
func TestNewDeadlineComesWithItsHardOne(t *testing.T) {
	c := build(t, Config[int, int]{MaxEntries: 8, Idle: time.Hour})
	c.Set(1, 1)
	e := c.engine
	w := write[int, int]{key: 1, val: 2}
	c.prepare(&w, time.Second)
	var val cell[int]
	f, ok := e.find(e.shard(w.hash), uint32(w.hash), &w.key, &val)
	require.True(t, ok)
	require.True(t, f.slot().take(f.head))
	e.fill(f.slab, f.at, f.slot(), &w)

	f, ok = e.find(e.shard(w.hash), uint32(w.hash), &w.key, &val)
	require.True(t, ok, "one word is read from a busy slot")
	require.Equal(t, 2, val.v)
	e.touch(&f)
	require.Equal(t, w.hard, deadlineOf(f.slot().meta.Load()))
}

// What an entry costs is compared as a whole when its value is replaced, not only in the bits that are kept.
func TestValueThatFitsNowhereReplacesNone(t *testing.T) {
	size := int64(maxCost)
	c := build(t, Config[int, int]{MaxEntries: 8, Size: func(int, int) int64 { return size }})
	require.True(t, c.Set(1, 1))
	size++
	require.False(t, c.Set(1, 2))
	_, ok := c.Get(1)
	require.False(t, ok)
	checkInvariants(t, c)
}
