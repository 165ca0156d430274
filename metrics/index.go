package metrics

import (
	"hash/maphash"
	"iter"
	"sync/atomic"
)

// An index finds series by name: an open hash table with linear probing. get takes
// no lock; put, delete and all must not be called at the same time as each
// other.
//
// A slot goes from nil to a series and from that to the tombstone, and never
// back, so that a reader that probes beside a writer meets whatever was there
// before it began. Tombstones leave when the table is made anew, which get does
// not see: it goes on in the old one.
type index[T cell[T]] struct {
	seed   maphash.Seed
	secret [6]uint64
	slots  atomic.Pointer[[]atomic.Pointer[series[T]]] // a power of two of them
	used   int                                         // slots that are not nil
	live   int                                         // of these, the ones with a series
	gone   *series[T]                                  // the tombstone, which has a key that no name has
}

const minSlots = 8

func newIndex[T cell[T]]() *index[T] {
	x := &index[T]{seed: maphash.MakeSeed(), gone: &series[T]{key: key{a: 1}}} // of no name: that of the empty one is 0
	for i := range x.secret {
		x.secret[i] = maphash.Comparable(x.seed, i)
	}
	slots := make([]atomic.Pointer[series[T]], minSlots)
	x.slots.Store(&slots)
	return x
}

// get returns the series of name, nil if there is none.
func (x *index[T]) get(name string) *series[T] {
	s, _, _ := x.locate(name)
	return s
}

// locate is get, and returns the key of the name and its hash besides. All of it is in one
// function because the calls would take as long as the work.
func (x *index[T]) locate(name string) (s *series[T], of key, hash uint64) {
	n := len(name)
	switch {
	case n > keyBytes:
		return x.locateLong(name)
	case n > 16:
		of = key{word64(name), word64(name[8:]), word64(name[n-16:]), word64(name[n-8:])}
	default:
		of = shortKey(name)
	}
	hash = fold(x.secret[0]^of.a, x.secret[1]^of.b) + fold(x.secret[2]^of.c, x.secret[3]^of.d)
	hash = fold(x.secret[4]^hash, x.secret[5]^uint64(n))
	slots := *x.slots.Load()
	for i := hash; ; i++ {
		s := slots[i&uint64(len(slots)-1)].Load()
		if s == nil || s.key == of && len(s.name) == n {
			return s, of, hash
		}
	}
}

// locateLong is locate for a name that is longer than its key. All of these have the same.
func (x *index[T]) locateLong(name string) (s *series[T], of key, hash uint64) {
	hash = maphash.String(x.seed, name)
	slots := *x.slots.Load()
	for i := hash; ; i++ {
		s := slots[i&uint64(len(slots)-1)].Load()
		if s == nil || s.hash == hash && s.name == name {
			return s, of, hash
		}
	}
}

// put adds a series whose name has none.
func (x *index[T]) put(s *series[T]) {
	if 2*(x.used+1) > len(*x.slots.Load()) {
		x.rebuild()
	}
	_, s.key, s.hash = x.locate(s.name)
	x.place(*x.slots.Load(), s)
	x.used++
	x.live++
}

// delete removes a series that was put here.
func (x *index[T]) delete(s *series[T]) {
	slots := *x.slots.Load()
	for i := s.hash; ; i++ {
		if slot := &slots[i&uint64(len(slots)-1)]; slot.Load() == s {
			slot.Store(x.gone)
			x.live--
			return
		}
	}
}

// rebuild makes the table anew without tombstones, at most a quarter full.
func (x *index[T]) rebuild() {
	size := minSlots
	for size < 4*(x.live+1) {
		size *= 2
	}
	slots := make([]atomic.Pointer[series[T]], size)
	for s := range x.all() {
		x.place(slots, s)
	}
	x.used = x.live
	x.slots.Store(&slots)
}

func (x *index[T]) place(slots []atomic.Pointer[series[T]], s *series[T]) {
	i := s.hash
	for slots[i&uint64(len(slots)-1)].Load() != nil {
		i++
	}
	slots[i&uint64(len(slots)-1)].Store(s)
}

// all returns the series in no particular order. delete may be called meanwhile.
func (x *index[T]) all() iter.Seq[*series[T]] {
	return func(yield func(*series[T]) bool) {
		slots := *x.slots.Load()
		for i := range slots {
			if s := slots[i].Load(); s != nil && s != x.gone && !yield(s) {
				return
			}
		}
	}
}
