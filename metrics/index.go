package metrics

import (
	"hash/maphash"
	"iter"
	"sync/atomic"
)

// An index finds values by name: an open hash table with linear probing. get takes
// no lock; put, delete and all must not be called at the same time as each
// other.
//
// A slot goes from nil to an entry and from that to the tombstone, and never
// back, so that a reader that probes beside a writer meets whatever was there
// before it began. Tombstones leave when the table is made anew, which get does
// not see: it goes on in the old one.
type index[T any] struct {
	seed  maphash.Seed
	slots atomic.Pointer[[]atomic.Pointer[indexed[T]]] // a power of two of them
	used  int                                          // slots that are not nil
	live  int                                          // of these, the ones with an entry
	gone  *indexed[T]                                  // the tombstone, which has no name
}

type indexed[T any] struct {
	name  string
	hash  uint64
	value T
}

const minSlots = 8

func newIndex[T any]() *index[T] {
	x := &index[T]{seed: maphash.MakeSeed(), gone: new(indexed[T])}
	slots := make([]atomic.Pointer[indexed[T]], minSlots)
	x.slots.Store(&slots)
	return x
}

// get returns the value of name, which must not be empty.
func (x *index[T]) get(name string) (value T, ok bool) {
	hash := maphash.String(x.seed, name)
	slots := *x.slots.Load()
	for i := hash; ; i++ {
		e := slots[i&uint64(len(slots)-1)].Load()
		if e == nil {
			return value, false
		}
		if e.hash == hash && e.name == name {
			return e.value, true
		}
	}
}

// put adds a name that is not there.
func (x *index[T]) put(name string, value T) {
	if 2*(x.used+1) > len(*x.slots.Load()) {
		x.rebuild()
	}
	x.place(*x.slots.Load(), &indexed[T]{name, maphash.String(x.seed, name), value})
	x.used++
	x.live++
}

// delete removes name, if it is there.
func (x *index[T]) delete(name string) {
	slots := *x.slots.Load()
	for i := maphash.String(x.seed, name); ; i++ {
		slot := &slots[i&uint64(len(slots)-1)]
		switch e := slot.Load(); {
		case e == nil:
			return
		case e.name == name:
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
	slots := make([]atomic.Pointer[indexed[T]], size)
	old := *x.slots.Load()
	for i := range old {
		if e := old[i].Load(); e != nil && e != x.gone {
			x.place(slots, e)
		}
	}
	x.used = x.live
	x.slots.Store(&slots)
}

func (x *index[T]) place(slots []atomic.Pointer[indexed[T]], e *indexed[T]) {
	i := e.hash
	for slots[i&uint64(len(slots)-1)].Load() != nil {
		i++
	}
	slots[i&uint64(len(slots)-1)].Store(e)
}

// all returns the values in no particular order. delete may be called meanwhile.
func (x *index[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		slots := *x.slots.Load()
		for i := range slots {
			if e := slots[i].Load(); e != nil && e != x.gone && !yield(e.value) {
				return
			}
		}
	}
}
