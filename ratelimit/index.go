package ratelimit

import "math/bits"

// An index finds entries by the hash of their source: a cell has the first of a chain of entries, + 1.
type index []uint32

// newIndex returns an index for so many entries: with two to four cells for each, so that hardly any chain has
// another in it before the one that is looked for, which would be one more line to come from memory.
func newIndex(entries int) index { return make(index, 2<<bits.Len(uint(entries-1))) }

func (x index) at(hash uint64) *uint32 { return &x[hash&uint64(len(x)-1)] }

// find returns the entry of a source with that hash.
func (t *table) find(hash uint64, s source) (uint32, bool) {
	for i := *t.index.at(hash); i != 0; i = t.pool.entries[i-1].chained {
		if t.pool.entries[i-1].source == s {
			return i - 1, true
		}
	}
	return 0, false
}

// chain enters entry i, whose source has that hash.
func (t *table) chain(hash uint64, i uint32) {
	first := t.index.at(hash)
	t.pool.entries[i].chained = *first
	*first = i + 1
	t.has++
}

// unchain takes entry i out.
func (t *table) unchain(hash uint64, i uint32) {
	at := t.index.at(hash)
	for *at != i+1 {
		at = &t.pool.entries[*at-1].chained
	}
	*at = t.pool.entries[i].chained
	t.has--
}

// each calls f with the entries in the cells from one number to another. It may take out the entry it is called
// with, but no other.
func (t *table) each(from, to int, f func(i uint32)) {
	for _, i := range t.index[min(from, len(t.index)):min(to, len(t.index))] {
		for i != 0 {
			next := t.pool.entries[i-1].chained
			f(i - 1)
			i = next
		}
	}
}
