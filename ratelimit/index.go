package ratelimit

import "math/bits"

// An index finds entries by the hash of their source: a hash table with linear
// probing, at most half full, that closes the gap when an entry goes.
type index struct {
	cells []uint32 // the number of an entry + 1; a power of two of them
	len   int
}

// find returns the entry of that hash that is the one.
func (x *index) find(hash uint64, is func(i uint32) bool) (uint32, bool) {
	mask := uint64(len(x.cells) - 1)
	for at := hash & mask; x.cells[at] != 0; at = (at + 1) & mask {
		if i := x.cells[at] - 1; is(i) {
			return i, true
		}
	}
	return 0, false
}

// newIndex returns an index for so many entries.
func newIndex(entries int) index {
	return index{cells: make([]uint32, 1<<bits.Len(uint(2*entries)))}
}

// insert enters an entry.
func (x *index) insert(hash uint64, i uint32) {
	mask := uint64(len(x.cells) - 1)
	at := hash & mask
	for x.cells[at] != 0 {
		at = (at + 1) & mask
	}
	x.cells[at] = i + 1
	x.len++
}

// remove takes an entry out, and moves those that stand behind it because it stood
// in their way.
func (x *index) remove(hash uint64, i uint32, hashOf func(i uint32) uint64) {
	mask := uint64(len(x.cells) - 1)
	gap := hash & mask
	for x.cells[gap] != i+1 {
		gap = (gap + 1) & mask
	}
	for at := (gap + 1) & mask; x.cells[at] != 0; at = (at + 1) & mask {
		home := hashOf(x.cells[at]-1) & mask
		if (at-home)&mask >= (at-gap)&mask {
			x.cells[gap] = x.cells[at]
			gap = at
		}
	}
	x.cells[gap] = 0
	x.len--
}
