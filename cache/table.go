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

// matches returns the cells of b whose tag may be tag, as a set of marks (see
// cellOf), and reports whether entries of this bucket overflowed to the next.
func (b *bucket) matches(tag uint64) (marks uint64, overflowed bool) {
	low, high := b.low.Load(), b.high.Load()
	return matchTags(low, tag)>>7 | matchTags(high, tag)&0x80808080>>6, high>>32 != 0
}

// cellOf returns the cell of the lowest mark. Cell i below eight has bit 8i, and
// cell 8+i has bit 8i+1, so that one word, and one loop over it, takes both.
func cellOf(marks uint64) int {
	bit := bits.TrailingZeros64(marks)
	return (bit>>3 | bit<<3&8) & 15
}

// setTag gives cell i another tag, zero to empty it.
func (b *bucket) setTag(i int, tag uint64) {
	word := &b.low
	if i >= 8 {
		word = &b.high
	}
	shift := i & 7 * 8
	word.Store(word.Load()&^(0xff<<shift) | tag<<shift)
}

// link makes the index name slot for hash h. There must be an empty cell
// somewhere; the shard's lock must be held.
func link(bs []bucket, h uint32, slot uint32) {
	for i := homeOf(h, len(bs)); ; {
		b := &bs[i]
		if empty, _ := b.matches(0); empty != 0 {
			cell := cellOf(empty)
			b.slot[cell].Store(slot)
			b.setTag(cell, tagOf(h))
			return
		}
		b.high.Store(b.high.Load() + 1<<32)
		if i++; i == uint64(len(bs)) {
			i = 0
		}
	}
}

// unlink takes the cell that names slot for hash h out of the index. It must be
// there; the shard's lock must be held.
func unlink(bs []bucket, h uint32, slot uint32) {
	for i := homeOf(h, len(bs)); ; {
		b := &bs[i]
		for marks, _ := b.matches(tagOf(h)); marks != 0; marks &= marks - 1 {
			if cell := cellOf(marks); b.slot[cell].Load() == slot {
				b.setTag(cell, 0)
				return
			}
		}
		b.high.Store(b.high.Load() - 1<<32)
		if i++; i == uint64(len(bs)) {
			i = 0
		}
	}
}
