package cache

import "unsafe"

// A slab is what readers of a shard need: the index and the slots. It is never
// changed, only what it points to is; growth makes another that shares the slots.
//
// Slots are allocated in segments, one at a time, so that a cache that is hardly
// used is small. The index and the columns beside the slots are made for more, its
// room, which grows by a fraction of itself.
type slab[K comparable, V any] struct {
	buckets []bucket
	segs    []*slot[K, V] // the first slot of each segment
	hard    []*instants   // by segment: when entries end however often they are read; nil unless idle
	shift   uint8         // log2 of the slots in a segment
}

// slabHeader is what a slab costs beside its slices.
const slabHeader = 96

// largestSegment is the most bytes of a segment of more than one slot. From 32 KiB
// on the allocator gives whole pages, so that none are lost to its size classes.
const largestSegment = 64 << 10

// segmentShift returns the log2 of the slots in a segment: few, if few are wanted.
func segmentShift(slotBytes int64, maxEntries int, maxBytes int64) uint8 {
	largest := int64(largestSegment)
	if maxBytes > 0 {
		largest = min(largest, maxBytes/16)
	}
	shift := uint8(0)
	for slotBytes<<(shift+1) <= largest && (maxEntries == 0 || 1<<shift < maxEntries) {
		shift++
	}
	return shift
}

func (b *slab[K, V]) slots() int {
	if b == nil {
		return 0
	}
	return len(b.segs) << b.shift
}

// at returns slot i, or nil if the slab is older than the slot.
func (b *slab[K, V]) at(i uint32) *slot[K, V] {
	seg := int(i >> (b.shift & 31))
	if seg >= len(b.segs) {
		return nil
	}
	i &= 1<<(b.shift&31) - 1
	return (*slot[K, V])(unsafe.Add(unsafe.Pointer(b.segs[seg]), uintptr(i)*unsafe.Sizeof(slot[K, V]{})))
}

// hits and setHits are the policy's view of slot i.
func (b *slab[K, V]) hits(i uint32) uint8       { return uint8(b.at(i).meta.Load() & hitsMask) }
func (b *slab[K, V]) setHits(i uint32, n uint8) { b.at(i).setHits(uint64(n)) }

// segmentBytes returns what a segment costs.
func (e *engine[K, V]) segmentBytes() int64 {
	n := roundUp(int64(unsafe.Sizeof(slot[K, V]{}))<<e.shift, e.costly)
	if e.idle != 0 {
		n += roundUp(8<<e.shift, false) + roundUp(int64(unsafe.Sizeof(instants(nil))), true)
	}
	return n
}

// bucketsFor returns the number of buckets that index so many slots with one cell
// in five empty.
func bucketsFor(room int) int { return room*5/(4*bucketCells) + 1 }

// roomBytes returns what the index and the columns of a shard cost that are made
// for so many slots.
func (e *engine[K, V]) roomBytes(room int) int64 {
	if room == 0 {
		return 0
	}
	n := roundUp(int64(bucketsFor(room))*64, false) + roundUp(int64(room)*4, false) +
		roundUp(int64(room>>e.shift)*8, true) + expiryBytes(room) + policyBytes(room)
	if e.costly {
		n += roundUp(int64(room)*4, false)
	}
	if e.idle != 0 {
		n += roundUp(int64(room>>e.shift)*8, true)
	}
	return n
}

// roomAfter returns the room of a shard that has outgrown room: twice as much up to
// its share of the entries, by an eighth beyond that, and by a quarter where only
// bytes are bounded.
func (e *engine[K, V]) roomAfter(room int) int {
	next := room + room/4
	if bound := e.entries.bound.Load(); bound < 1<<40 {
		share := int(bound) / int(e.mask+1)
		next = room + room/8
		if room < share {
			next = min(2*room, share)
		}
	}
	per := 1 << e.shift
	return max(next+per-1, room+per) &^ (per - 1)
}

// grow gives s another segment, if w can pay for it.
func (e *engine[K, V]) grow(s *shard[K, V], w *write[K, V]) bool {
	old := s.slab.Load()
	if old == nil {
		old = &slab[K, V]{shift: e.shift}
	}
	room, price := len(s.spare), e.segment
	if old.slots() == room {
		room = e.roomAfter(room)
		price += e.roomBytes(room) - e.roomBytes(len(s.spare))
	}
	if !e.afford(w, price) {
		return false
	}
	s.fixed += price
	b := old
	if room != len(s.spare) {
		b = e.newSlab(room)
		b.segs, b.hard = append(b.segs, old.segs...), append(b.hard, old.hard...)
		for i := range s.made {
			if head := old.at(i).head.Load(); head&stateMask == stateLive {
				link(b.buckets, uint32(head), i)
			}
		}
		s.widen(room, e.costly)
		s.policy.grow(room)
	}
	next := *b
	e.extend(&next)
	s.slab.Store(&next)
	return true
}

// newSlab returns a slab without slots whose index has room for so many.
func (e *engine[K, V]) newSlab(room int) *slab[K, V] {
	b := &slab[K, V]{buckets: make([]bucket, bucketsFor(room)), shift: e.shift}
	b.segs = make([]*slot[K, V], 0, room>>e.shift)
	if e.idle != 0 {
		b.hard = make([]*instants, 0, room>>e.shift)
	}
	return b
}

// extend adds a segment. The slab must not be published yet.
func (e *engine[K, V]) extend(b *slab[K, V]) {
	b.segs = append(b.segs, &make([]slot[K, V], 1<<e.shift)[0])
	if e.idle != 0 {
		hard := make(instants, 1<<e.shift)
		b.hard = append(b.hard, &hard)
	}
}

// widen makes the columns of s long enough for room slots.
func (s *shard[K, V]) widen(room int, costly bool) {
	s.spare = append(make([]uint32, 0, room), s.spare...)[:room]
	if costly {
		s.cost = append(make([]uint32, 0, room), s.cost...)[:room]
	}
	s.expiry.grow(room)
}

// compact moves the entries of s to a slab of the size they need, and returns the
// bytes that this gives back. A reader that is in the old slab finds there what was
// true when it began. s.mu must be held.
func (e *engine[K, V]) compact(s *shard[K, V]) (freed int64) {
	old := s.slab.Load()
	segs := (s.live + 1<<e.shift - 1) >> e.shift
	if old == nil || segs == len(old.segs) {
		return 0
	}
	room := segs << e.shift
	fixed := int64(segs)*e.segment + e.roomBytes(room)
	freed, s.fixed = s.fixed-fixed, fixed
	made, cost := s.made, s.cost
	s.made, s.free, s.spare, s.cost, s.expiry = 0, 0, nil, nil, expiryTree{}
	if segs == 0 {
		s.policy.reset()
		s.slab.Store(nil)
		return freed
	}
	b := e.newSlab(room)
	for range segs {
		e.extend(b)
	}
	moved := make([]uint32, old.slots()) // by old slot: the new one + 1
	s.widen(room, e.costly)
	for i := range made {
		if old.at(i).head.Load()&stateMask == stateLive {
			e.copySlot(b, s.made, old, i)
			s.expiry.note(s.made, deadlineOf(b.at(s.made).meta.Load()))
			if e.costly {
				s.cost[s.made] = cost[i]
			}
			s.made++
			moved[i] = s.made
		}
	}
	s.policy.move(moved, room)
	s.slab.Store(b)
	return freed
}

// copySlot copies slot i of old to slot to of b, which is not published yet.
func (e *engine[K, V]) copySlot(b *slab[K, V], to uint32, old *slab[K, V], i uint32) {
	src, dst := old.at(i), b.at(to)
	head := src.head.Load()
	storeCell(&dst.key, &src.key, &e.keyPlan)
	storeCell(&dst.val, &src.val, &e.valPlan)
	dst.meta.Store(src.meta.Load())
	dst.head.Store(head)
	if e.idle != 0 {
		b.hardOf(to).Store(old.hardOf(i).Load())
	}
	link(b.buckets, uint32(head), to)
}
