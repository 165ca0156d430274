package cache

import (
	"math/bits"
	"sync/atomic"
)

// bucketCells is how many slots one bucket of the index can name: what fits in a
// cache line beside a tag for each and the overflow count.
const bucketCells = 12

// A bucket is one cache line of the index: twelve one-byte tags, counts of the
// entries that were here in vain because all cells were taken, and twelve slot numbers.
// A tag of zero marks an empty cell.
//
// An entry walks from the home bucket of its hash along a way that its hash decides
// (see way), and takes the first empty cell. It is fixed there until its removal: nothing is
// ever moved to make a gap or close one. Each bucket that it passed counts it, in one of
// eight counts that its hash chooses. A reader that walks the same way until it meets a
// bucket whose count is zero therefore meets the cell of every entry that is present
// during the whole walk, whatever writers do to the others meanwhile. That is why a Get never
// misses a present key and needs neither a lock nor a version for the index.
//
// With seven cells of ten taken, and after long turnover, an entry is found in 1.1 buckets, and a miss takes as
// many. With four of five these are 1.25 and 1.3; with one count the miss would take 3, and if ways led to the
// next bucket, 7: full buckets come in rows then. With nine of ten they are 1.7, 2.4, 36 and some hundreds.
type bucket struct {
	tags [2]atomic.Uint64 // of cells 0 to 7; of 8 to 11, then eight counts of 4 bits
	slot [bucketCells]atomic.Uint32
}

// A count that reaches mostPassed stays there, because what is not counted cannot be
// taken off: it sends readers further than they need to go, until the shard gets another slab.
const mostPassed = 15

// passedShift returns where the count of a hash stands in the second word of tags.
func passedShift(h uint32) uint32 { return 32 + h>>8&7<<2 }

// pass counts an entry that goes on to the next bucket.
func (b *bucket) pass(h uint32) {
	shift, w := passedShift(h), b.tags[1].Load()
	if w>>shift&mostPassed != mostPassed {
		b.tags[1].Store(w + 1<<shift)
	}
}

// unpass takes it off.
func (b *bucket) unpass(h uint32) {
	shift, w := passedShift(h), b.tags[1].Load()
	if w>>shift&mostPassed != mostPassed {
		b.tags[1].Store(w - 1<<shift)
	}
}

// A way leads through the buckets: to farWays of them from all over the index, so that
// full ones do not stand in rows, and then to each, so that it finds what there is.
type way struct {
	hash uint32 // of the home bucket, and scrambled by each step
	step int
	at   uint64 // the bucket
}

const farWays = 16

func wayOf(h uint32, n int) way { return way{hash: h, at: homeOf(h, n)} }

// next leads to the next of n buckets. It reports whether there is one that the way
// did not lead to yet.
func (w *way) next(n int) bool {
	if w.step++; w.step <= farWays {
		w.hash = w.hash*0x9e3779b1 + 0x7f4a7c15
		w.at = homeOf(w.hash, n)
		return true
	}
	if w.at++; w.at == uint64(n) {
		w.at = 0
	}
	return w.step <= farWays+n
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
// cellOf), and the counts of those that passed.
func (b *bucket) matches(tag uint64) (marks, high uint64) {
	low, high := b.tags[0].Load(), b.tags[1].Load()
	return matchTags(low, tag)>>7 | matchTags(high, tag)&0x80808080>>6, high
}

// cellOf returns the cell of the lowest mark. Cell i below eight has bit 8i, and
// cell 8+i has bit 8i+1, so that one word, and one loop over it, takes both.
func cellOf(marks uint64) int {
	bit := bits.TrailingZeros64(marks)
	return (bit>>3 | bit<<3&8) & 15
}

// setTag gives cell i another tag, zero to empty it.
func (b *bucket) setTag(i int, tag uint64) {
	word := &b.tags[i>>3&1] // no branch: nobody can foresee it
	shift := i & 7 * 8
	word.Store(word.Load()&^(0xff<<shift) | tag<<shift)
}

// link makes the index name slot for hash h. There must be an empty cell
// somewhere; the shard's lock must be held.
func link(bs []bucket, h uint32, slot uint32) {
	for w := wayOf(h, len(bs)); ; w.next(len(bs)) {
		b := &bs[w.at]
		if empty, _ := b.matches(0); empty != 0 {
			cell := cellOf(empty)
			b.slot[cell].Store(slot)
			b.setTag(cell, tagOf(h))
			return
		}
		b.pass(h)
	}
}

// unlink takes the cell that names slot for hash h out of the index. It must be
// there; the shard's lock must be held.
func unlink(bs []bucket, h uint32, slot uint32) {
	for w := wayOf(h, len(bs)); ; w.next(len(bs)) {
		b := &bs[w.at]
		for marks, _ := b.matches(tagOf(h)); marks != 0; marks &= marks - 1 {
			if cell := cellOf(marks); b.slot[cell].Load() == slot {
				b.setTag(cell, 0)
				return
			}
		}
		b.unpass(h)
	}
}
