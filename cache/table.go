package cache

import (
	"math/bits"
	"sync/atomic"
)

// bucketCells is how many slots one bucket of the index can name: what fits in a
// cache line beside a tag for each and the overflow count.
const bucketCells = 12

// A bucket is one cache line of the index: twelve one-byte tags, a count of the
// entries that belong here but stand in a later bucket, and twelve slot numbers.
// A tag of zero marks an empty cell.
//
// An entry's cell is fixed from its insertion to its removal: nothing is ever
// moved to make a gap or close one. A reader that walks from the home bucket of a
// key to the first bucket that nothing overflowed therefore meets the cell of
// every entry that is present during the whole walk, whatever writers do to the
// others meanwhile. That is why a Get never misses a present key and needs
// neither a lock nor a version for the index.
type bucket struct {
	low  atomic.Uint64 // tags of cells 0 to 7
	high atomic.Uint64 // tags of cells 8 to 11, then the overflow count in 32 bits
	slot [bucketCells]atomic.Uint32
}

const (
	everyByte = 0x0101010101010101
	everyTop  = 0x8080808080808080
)

// tagOf returns the tag of a hash: 2 to 255. Zero is for empty cells, and one is
// left out so that an empty cell is never marked falsely (see matchTags).
func tagOf(h uint32) uint64 {
	tag := uint64(h & 0xff)
	if tag < 2 {
		tag |= 2
	}
	return tag
}

// homeOf returns the home bucket of a hash among n buckets: the high bits of the
// hash decide, so n need not be a power of two.
func homeOf(h uint32, n int) uint64 { return uint64(h) * uint64(n) >> 32 }

// matchTags returns a word with the top bit set in each byte of w that equals tag.
// The byte above a match may be marked falsely if it equals tag^1, by the borrow
// of the subtraction. For tags of two and more that is the tag of an occupied
// cell, whose slot will not be the one that is looked for; for the tag zero the
// lowest mark, which is always true, is taken.
func matchTags(w, tag uint64) uint64 {
	x := w ^ tag*everyByte
	return (x - everyByte) &^ x & everyTop
}

// matches returns the cells of b whose tag may be tag, as bits at 8*cell+7 of two
// words, and reports whether entries of this bucket overflowed to the next.
func (b *bucket) matches(tag uint64) (low, high uint64, overflowed bool) {
	l, h := b.low.Load(), b.high.Load()
	return matchTags(l, tag), matchTags(h, tag) & 0x80808080, h>>32 != 0
}

// link makes the index name slot for hash h. There must be an empty cell
// somewhere; the shard's lock must be held.
func link(bs []bucket, h uint32, slot uint32) {
	tag := tagOf(h)
	for i := homeOf(h, len(bs)); ; {
		b := &bs[i]
		l, u := b.low.Load(), b.high.Load()
		if m := matchTags(l, 0); m != 0 {
			j := bits.TrailingZeros64(m) / 8
			b.slot[j].Store(slot)
			b.low.Store(l | tag<<(8*j))
			return
		}
		if m := matchTags(u, 0) & 0x80808080; m != 0 {
			j := bits.TrailingZeros64(m) / 8
			b.slot[8+j].Store(slot)
			b.high.Store(u | tag<<(8*j))
			return
		}
		b.high.Store(u + 1<<32)
		if i++; i == uint64(len(bs)) {
			i = 0
		}
	}
}

// unlink takes the cell that names slot for hash h out of the index. It must be
// there; the shard's lock must be held.
func unlink(bs []bucket, h uint32, slot uint32) {
	tag := tagOf(h)
	for i := homeOf(h, len(bs)); ; {
		b := &bs[i]
		low, high, _ := b.matches(tag)
		for ; low != 0; low &= low - 1 {
			if j := bits.TrailingZeros64(low) / 8; b.slot[j].Load() == slot {
				b.low.Store(b.low.Load() &^ (0xff << (8 * j)))
				return
			}
		}
		for ; high != 0; high &= high - 1 {
			if j := bits.TrailingZeros64(high) / 8; b.slot[8+j].Load() == slot {
				b.high.Store(b.high.Load() &^ (0xff << (8 * j)))
				return
			}
		}
		b.high.Store(b.high.Load() - 1<<32)
		if i++; i == uint64(len(bs)) {
			i = 0
		}
	}
}
