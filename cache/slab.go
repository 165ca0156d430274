package cache

import (
	"sync/atomic"
	"unsafe"
)

// A slab is what readers of a shard need: the index and the slots. Its slices never
// change, only what they point to does. A shard that needs more or fewer slots gets
// another slab, and its entries are copied; readers that are in the old one finish there.
type slab[K comparable, V any] struct {
	buckets []bucket
	slots   []slot[K, V]
	cost    []uint32        // by slot: bytes outside it, in units of costUnit; nil unless costly. It is written by who may write the value
	marks   []atomic.Uint64 // by slot: the mark of its entry; nil unless grouped
	hard    []atomicInstant // by slot: when its entry ends however often it is read; nil unless idle
}

// slabHeader is what a slab costs beside its slices.
const slabHeader = 128

// slots returns how many slots s has.
func (s *shard[K, V]) slots() int {
	if b := s.slab.Load(); b != nil {
		return len(b.slots)
	}
	return 0
}

// slot returns slot i, or nil if the slab is older than the slot.
func (b *slab[K, V]) slot(i uint32) *slot[K, V] {
	if int(i) >= len(b.slots) {
		return nil
	}
	return &b.slots[i]
}

// holds reports whether the entry of slot i, which must be busy by the caller's hand, costs as much beside its slot.
func (b *slab[K, V]) holds(i uint32, cost int64) bool {
	return b.cost == nil || int64(b.cost[i])*costUnit == cost
}

// lacks reports whether the home bucket of h shows that no entry has that hash.
func (b *slab[K, V]) lacks(h uint32) bool {
	if b == nil {
		return true
	}
	marks, counts := b.buckets[homeOf(h, len(b.buckets))].matches(tagOf(h))
	return marks == 0 && counts>>passedShift(h)&mostPassed == 0
}

func (b *slab[K, V]) headers() headers {
	return headers{unsafe.Pointer(unsafe.SliceData(b.slots)), unsafe.Sizeof(slot[K, V]{})}
}

// slotOverhead is about what an entry costs in the index and the columns.
const slotOverhead = 26

// bucketsFor returns the number of buckets that index so many slots with three tenths of
// the cells empty: see bucket.
func bucketsFor(slots int) int { return slots*10/(7*bucketCells) + 1 }

// slabBytes returns what a slab with so many slots costs, and the columns beside it.
func (e *engine[K, V]) slabBytes(slots int) int64 {
	if slots == 0 {
		return 0
	}
	n := roundUp(int64(slots)*int64(unsafe.Sizeof(slot[K, V]{})), e.pointers) +
		roundUp(int64(bucketsFor(slots))*int64(unsafe.Sizeof(bucket{})), false) +
		slabHeader + expiryBytes(slots) + policyBytes(slots)
	if e.costly {
		n += roundUp(int64(slots)*4, false)
	}
	if e.idle != 0 {
		n += roundUp(int64(slots)*8, false)
	}
	if e.grouped {
		n += roundUp(int64(slots)*8, false)
	}
	return n
}

// slotsAfter returns how many slots follow so many: twice as many up to a shard's share
// of the entries, and a hundredth more beyond that, for no shard is far from its
// share; an eighth more where only bytes are bounded.
func (e *engine[K, V]) slotsAfter(slots int) int {
	if bound := e.entries.bound.Load(); bound <= maxSlots {
		if share := int(bound) / int(e.mask+1); slots < share {
			return min(2*slots+1, share)
		}
		return slots + slots/128 + 1
	}
	return slots + slots/8 + 1
}

// grow gives s more slots, if w can pay for them and they can be numbered.
func (e *engine[K, V]) grow(s *shard[K, V], w *write[K, V]) bool {
	if s.next == 0 {
		s.next = e.slotsAfter(s.slots())
		s.price = e.slabBytes(s.next) - s.fixed
	}
	if s.next > mostSlots || !e.afford(w, s.price) {
		return false
	}
	e.rebuild(s, s.next)
	return true
}

// compact takes the slots from s that hold nothing and credits their bytes to w, if
// they are an eighth of all: so a copy of the shard is paid for by an eighth as many
// removals. The vacant slot of w is freed first.
func (e *engine[K, V]) compact(s *shard[K, V], w *write[K, V]) {
	if slots := s.slots(); slots > 0 && 8*(slots-s.policy.live()) >= slots {
		e.release(s, w)
		before := s.fixed
		e.rebuild(s, s.policy.live())
		w.credit.bytes += before - s.fixed
	}
}

// rebuild moves the entries of s to a slab with so many slots. A reader that is in
// the old one finds there what was true when it began.
func (e *engine[K, V]) rebuild(s *shard[K, V], slots int) {
	old, made := s.slab.Load(), s.made
	s.fixed, s.next = e.slabBytes(slots), 0
	s.made, s.free, s.expiry, s.burial.cursor = 0, 0, expiryTree{}, 0
	if slots == 0 {
		s.policy.reset()
		s.slab.Store(nil)
		return
	}
	b := &slab[K, V]{buckets: make([]bucket, bucketsFor(slots)), slots: make([]slot[K, V], slots)}
	if e.idle != 0 {
		b.hard = make([]atomicInstant, slots)
	}
	if e.grouped {
		b.marks = make([]atomic.Uint64, slots)
	}
	if e.costly {
		b.cost = make([]uint32, slots)
	}
	s.expiry = newExpiryTree(slots)
	moved := make([]uint32, made) // by old slot: the new one + 1
	for i := range made {
		if old.slots[i].head.Load()&stateMask == stateFree {
			continue
		}
		e.moveSlot(b, s.made, old, i)
		s.expiry.note(s.made, deadlineOf(b.slots[s.made].meta.Load()))
		if e.costly {
			b.cost[s.made] = old.cost[i]
		}
		s.made++
		moved[i] = s.made
	}
	s.policy.move(moved, slots, b.headers(), b.cost)
	s.slab.Store(b)
}

// moveSlot copies slot i of old to slot to of b, which is not published yet. From here
// on nobody changes the one in old.
func (e *engine[K, V]) moveSlot(b *slab[K, V], to uint32, old *slab[K, V], i uint32) {
	src, dst := &old.slots[i], &b.slots[to]
	head := src.leave(stateMoved)
	storeCell(&dst.key, &src.key, &e.keyPlan)
	storeCell(&dst.val, &src.val, &e.valPlan)
	dst.meta.Store(src.meta.Load())
	dst.head.Store(head)
	if e.idle != 0 {
		b.hard[to].Store(old.hard[i].Load())
	}
	if e.grouped {
		b.marks[to].Store(old.marks[i].Load())
	}
	link(b.buckets, uint32(head), to)
}
