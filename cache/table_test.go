package cache

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A full index stays quick however long entries come and go: full buckets must not
// gather, nor counts add up.
func TestWaysStayShort(t *testing.T) {
	const slots = 20_000
	bs := make([]bucket, bucketsFor(slots))
	hashes := make([]uint32, slots)
	for i := range hashes {
		hashes[i] = rand.Uint32()
		link(bs, hashes[i], uint32(i))
	}
	for range 20 * slots {
		i := rand.IntN(slots)
		unlink(bs, hashes[i], uint32(i))
		hashes[i] = rand.Uint32()
		link(bs, hashes[i], uint32(i))
	}
	hits, misses := 0, 0
	for i, h := range hashes {
		steps, found := walk(bs, h, uint32(i))
		require.True(t, found)
		hits += steps
		steps, found = walk(bs, rand.Uint32(), none)
		require.False(t, found)
		misses += steps
	}
	require.Less(t, float64(hits)/slots, 1.15)
	require.Less(t, float64(misses)/slots, 1.15)
	for i, h := range hashes {
		unlink(bs, h, uint32(i))
	}
	for i := range bs {
		require.Zero(t, bs[i].tags[0].Load())
	}
}

// walk goes as find does, and returns how many buckets it saw.
func walk(bs []bucket, h, slot uint32) (steps int, found bool) {
	for w := wayOf(h, len(bs)); ; {
		steps++
		b := &bs[w.at]
		marks, high := b.matches(tagOf(h))
		for ; marks != 0; marks &= marks - 1 {
			if b.slot[cellOf(marks)].Load() == slot {
				return steps, true
			}
		}
		if high>>passedShift(h)&mostPassed == 0 || !w.next(len(bs)) {
			return steps, false
		}
	}
}

// Keys whose hashes agree fill one way: each is found, and each can go.
func TestOneHashForAll(t *testing.T) {
	for _, slots := range []int{1, 2, 20, 500} {
		bs := make([]bucket, bucketsFor(slots))
		for i := range slots {
			link(bs, 0x80000001, uint32(i))
		}
		for i := range slots {
			_, found := walk(bs, 0x80000001, uint32(i))
			require.True(t, found, "%d of %d", i, slots)
		}
		_, found := walk(bs, 0x80000001, none)
		require.False(t, found)
		for i := range slots {
			unlink(bs, 0x80000001, uint32(i))
		}
		for i := range bs {
			require.Zero(t, bs[i].tags[0].Load())
			require.Zero(t, uint32(bs[i].tags[1].Load()), "tags")
		}
	}
}

// A shard fills whole lines of the processor's cache, and what an insertion writes in it is two of them.
func TestShardsShareNoCacheLine(t *testing.T) {
	var s shard[string, string]
	if wordSize < 8 {
		return // smaller; nobody has measured it there
	}
	require.Zero(t, unsafe.Sizeof(s)%64)
	written := unsafe.Offsetof(s.policy) + unsafe.Offsetof(s.policy.ghosts) + unsafe.Offsetof(s.policy.ghosts.hand)
	require.Zero(t, written%64)
	require.Equal(t, written+2*64, unsafe.Offsetof(s.removed)+unsafe.Sizeof(s.removed[0])*2, "what is written from what is read")
}
