package cache

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func build[K comparable, V any](t testing.TB, config Config[K, V]) *Cache[K, V] {
	t.Helper()
	c, err := New(config)
	require.NoError(t, err)
	return c
}

// checkInvariants walks all of c, which nobody may be writing to.
func checkInvariants[K comparable, V any](t testing.TB, c *Cache[K, V]) {
	t.Helper()
	e := c.engine
	entries, bytes := checkShards(t, c)
	require.Equal(t, entries, e.entries.used.Load(), "entries in the ledger")
	require.Equal(t, bytes, e.bytes.used.Load(), "bytes in the ledger")
	require.True(t, e.collecting.TryLock(), "collecting is locked")
	e.collecting.Unlock()
	require.True(t, e.resizing.TryLock(), "resizing is locked")
	e.resizing.Unlock()
	require.Equal(t, e.agreed, [2]int64{e.entries.bound.Load(), e.bytes.bound.Load()}, "the bounds of the ledgers")
	require.Equal(t, e.agreed, [2]int64{boundOf(int64(c.MaxEntries())), boundOf(c.MaxBytes())}, "the bounds that are told")
	require.LessOrEqual(t, entries, e.agreed[0])
	require.LessOrEqual(t, bytes, e.agreed[1])
	require.Equal(t, int64(len(c.loads.current)), c.loads.pending.Load())
}

// checkShards walks all shards of c, which others may be using, and returns what
// they hold.
func checkShards[K comparable, V any](t testing.TB, c *Cache[K, V]) (entries, bytes int64) {
	t.Helper()
	e := c.engine
	r := e.lockAll()
	defer func() {
		for i := range r.shards {
			r.shards[i].mu.Unlock()
		}
	}()
	bytes = e.base
	for i := range r.shards {
		s := &r.shards[i]
		used := checkShard(t, e, s, uint64(i))
		checkPolicy(t, &s.policy, used)
		entries += int64(len(used))
		bytes += s.fixed + s.held
	}
	require.LessOrEqual(t, entries, e.entries.used.Load(), "more entries than were taken")
	require.LessOrEqual(t, bytes, e.bytes.used.Load(), "more bytes than were taken")
	return entries, bytes
}

func checkShard[K comparable, V any](t testing.TB, e *engine[K, V], s *shard[K, V], number uint64) (used map[uint32]bool) {
	t.Helper()
	used = map[uint32]bool{}
	require.Equal(t, e.slabBytes(s.slots()), s.fixed)
	b := s.slab.Load()
	if b == nil {
		require.Zero(t, s.policy.live()+int(s.made)+int(s.free)+int(s.held))
		return used
	}

	free := map[uint32]bool{}
	for i := s.free; i != 0; i = b.slots[i-1].nextFree() {
		require.False(t, free[i-1], "slot %d is free twice", i-1)
		free[i-1] = true
	}
	var held int64
	for i := range b.slots {
		sl, i := &b.slots[i], uint32(i)
		for sl.head.Load()&stateMask == stateBusy {
			runtime.Gosched() // somebody replaces its value, who needs no lock for that
		}
		switch sl.head.Load() & stateMask {
		case stateLive:
			require.Less(t, i, s.made)
			used[i] = true
			held += s.costOf(i)
			d := deadlineOf(sl.meta.Load())
			for level, at := 0, i; level < len(s.expiry.levels); level++ {
				at >>= fanoutShift
				require.LessOrEqual(t, s.expiry.levels[level][at], d, "slot %d, level %d", i, level)
			}
			if key := sl.key.v; key == key {
				h := hashOf(&e.hasher, &key)
				require.Equal(t, uint32(h), uint32(sl.head.Load()))
				require.Equal(t, number, h>>32&e.mask, "slot %d is of another shard", i)
				var val cell[V]
				f, ok := e.find(s, uint32(h), &key, &val)
				require.True(t, ok, "slot %d is not found", i)
				require.Equal(t, i, f.at, "two slots for one key")
			}
			if e.idle != 0 {
				require.GreaterOrEqual(t, b.hard[i].Load(), d)
			}
		case stateFree:
			require.Equal(t, i < s.made, free[i], "slot %d, %d made", i, s.made)
			require.Zero(t, s.costOf(i))
			requireNoPointers(t, unsafe.Pointer(&sl.key), &e.keyPlan)
			requireNoPointers(t, unsafe.Pointer(&sl.val), &e.valPlan)
		default:
			require.Fail(t, "a slot was moved, or another replacement of its value has begun")
		}
	}
	require.Equal(t, s.policy.live(), len(used))
	require.Equal(t, int(s.made), len(used)+len(free))
	require.Equal(t, held, s.held)
	checkIndex(t, b, used)
	return used
}

// checkIndex requires that the index names each slot in use once and no other, and
// that the counts of those that passed are exact, but for those that are full.
func checkIndex[K comparable, V any](t testing.TB, b *slab[K, V], used map[uint32]bool) {
	t.Helper()
	named := map[uint32]bool{}
	passed := make([][8]uint64, len(b.buckets))
	for i := range b.buckets {
		bk := &b.buckets[i]
		for cell := range bucketCells {
			word, shift := bk.tags[0].Load(), cell*8
			if cell >= 8 {
				word, shift = bk.tags[1].Load(), (cell-8)*8
			}
			tag := word >> shift & 0xff
			if tag == 0 {
				continue
			}
			at := bk.slot[cell].Load()
			require.True(t, used[at] && !named[at], "slot %d: used %v, named %v", at, used[at], named[at])
			named[at] = true
			h := uint32(b.slots[at].head.Load())
			require.Equal(t, tagOf(h), tag)
			for w := wayOf(h, len(b.buckets)); w.at != uint64(i); {
				passed[w.at][h>>8&7]++
				require.True(t, w.next(len(b.buckets)), "the way of %x does not lead to bucket %d", h, i)
			}
		}
	}
	require.Len(t, named, len(used))
	for i := range b.buckets {
		for j, n := range passed[i] {
			if got := b.buckets[i].tags[1].Load() >> (32 + 4*j) & 15; got != mostPassed {
				require.Equal(t, n, got, "count %d of bucket %d", j, i)
			}
		}
	}
}

func requireNoPointers(t testing.TB, at unsafe.Pointer, l *wordPlan) {
	t.Helper()
	for i := range l.words {
		if l.hasPointers() && l.ptrs[i/64]>>(i%64)&1 != 0 {
			require.Zero(t, *(*uintptr)(unsafe.Add(at, uintptr(i)*wordSize)), "a vacant slot holds a pointer")
		}
	}
}
