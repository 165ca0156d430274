package cache

import (
	"testing"
	"testing/synctest"
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
	e.fill(f.slab, f.at, f.slot(), &w.val, w.mark, w.deadline, w.hard)

	f, ok = e.find(e.shard(w.hash), uint32(w.hash), &w.key, &val)
	require.True(t, ok, "one word is read from a busy slot")
	require.Equal(t, 2, val.v)
	e.touch(&f)
	require.Equal(t, w.hard, deadlineOf(f.slot().meta.Load()))
}

// Where readers put off the end of an entry, each value is told from the one before, though all else is the
// same: see touch.
func TestEachValueThatMayIdleIsAnotherGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := build(t, Config[int, int]{MaxEntries: 8, TTL: time.Hour, Idle: time.Minute})
		for range 5 {
			c.Set(1, 1)
		}
		sl := &c.engine.root.Load().shards[0].slab.Load().slots[0]
		before := sl.meta.Load()
		c.Set(1, 1)
		after := sl.meta.Load()
		require.Equal(t, (before+generation)&generationMask, after&generationMask)
		require.Equal(t, before&^generationMask, after&^generationMask)
	})
}

// What an entry costs is compared as a whole when its value is replaced, not only in the bits that are kept.
func TestValueThatFitsNowhereReplacesNone(t *testing.T) {
	for _, before := range []int64{maxCost, 0} {
		size := before
		c := build(t, Config[int, int]{MaxEntries: 8, Size: func(int, int) int64 { return size }})
		require.True(t, c.Set(1, 1))
		size = maxCost + 1
		require.False(t, c.Set(1, 2))
		_, ok := c.Get(1)
		require.False(t, ok)
		checkInvariants(t, c)
	}
}

// A sweep lets go of a shard after each hundred entries or so, whether they expire or their group was
// invalidated: their number bounds the time, see BenchmarkCacheHold.
func TestSweepHoldsALockForFewEntries(t *testing.T) {
	const n = 20_000
	for name, expire := range map[string]func(c *Cache[int, int]){
		"expired": func(c *Cache[int, int]) {
			for i := range n {
				c.SetTTL(i, i, 1)
			}
		},
		"invalidated": func(c *Cache[int, int]) {
			g := c.Group("g")
			for i := range n {
				g.Set(i, i)
			}
			g.Invalidate()
		},
		"few": func(c *Cache[int, int]) {
			for i := range n {
				c.SetTTL(i, i, time.Hour)
				if i%1000 == 0 {
					c.SetTTL(i, i, 1)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := build(t, Config[int, int]{MaxEntries: n, Groups: true, OnRemove: func(int, int, Reason) {}})
			expire(c)
			chunks, largest, sum := 0, 0, 0
			want := c.Len()
			if name == "few" {
				want = n / 1000
			}
			require.Equal(t, want, c.engine.sweep(func(removed []removal[int, int]) {
				requireUnlocked(t, c)
				chunks++
				largest = max(largest, len(removed))
				sum += len(removed)
			}))
			require.Equal(t, want, sum)
			require.LessOrEqual(t, largest, sweepBlocks*fanout)
			shards := int(c.engine.mask + 1)
			if name == "few" { // it takes time for what it looks at, not for what there is
				require.LessOrEqual(t, chunks, shards+want/sweepBlocks+n/(sweepBlocks*fanout))
			}
			checkInvariants(t, c)
		})
	}
}

// Whatever happens to a slot, its head is never again what a reader may have seen of it: by that the reader knows.
func TestNoHeadComesTwice(t *testing.T) {
	c := build(t, Config[int, string]{MaxEntries: 1})
	c.Set(1, "a")
	seen := map[uint64]string{}
	for name, write := range map[string]func(){
		"replaced":     func() { c.Set(1, "a") },
		"under-a-lock": func() { c.Set(1, "a"); c.SetTTL(1, "b", time.Hour) },
		"by-the-long-way": func() {
			key, val := 1, "b"
			require.True(t, c.engine.swap(hashOf(&c.engine.hasher, &key), &key, &val, never, c.costOf(&key, &val), 0))
		},
		"set-again": func() { c.Delete(1); c.Set(1, "a") },
		"evicted":   func() { c.Set(2, "b"); c.Set(1, "a") },
		"expired":   func() { c.SetTTL(1, "a", 1); c.Sweep(); c.Set(1, "a") },
	} {
		for range 100 {
			write()
			s := c.engine.lock(0)
			require.Len(t, s.slab.Load().slots, 1)
			head := s.slab.Load().slots[0].head.Load()
			s.mu.Unlock()
			require.Equal(t, stateLive, head&stateMask)
			require.NotContains(t, seen, head, name)
			seen[head] = name
		}
	}
}
