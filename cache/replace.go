package cache

// swap replaces the value of an entry without the shard's lock, and reports whether it
// did. It leaves to put whatever concerns more than the slot: an entry that is not
// there, has expired or is to end sooner than before, a value that holds more bytes or less than
// the one before, and what OnRemove is to hear of.
//
// So it changes nothing but the value and the deadline, and that only to a later one: the
// bounds in the expiry tree stay right, and the ledgers too. A Clear that comes between the walk
// through the index and the replacement is as if it came after it.
func (e *engine[K, V]) swap(hash uint64, key *K, val *V, deadline instant, cost int64, mark mark) bool {
	b, h := e.shard(hash).slab.Load(), uint32(hash)
	if b == nil {
		return false
	}
	if bk := &b.buckets[homeOf(h, len(b.buckets))]; e.plain { // the quick way, as in read
		marks, counts := bk.matches(tagOf(h))
		if marks != 0 {
			at := bk.slot[cellOf(marks)].Load()
			if sl := b.slot(at); sl != nil {
				var k cell[K]
				head := sl.head.Load()
				loadCell(&k, &sl.key, &e.keyPlan)
				meta := sl.meta.Load()
				if head&(stateMask|hashMask) == stateLive|uint64(h) && sl.head.Load() == head && k.v == *key {
					return e.swapIn(b, at, head, meta, val, deadline, cost, 0)
				}
			}
		} else if counts>>passedShift(h)&mostPassed == 0 {
			return false
		}
	}
	var old cell[V]
	f, ok := e.find(e.shard(hash), h, key, &old)
	return ok && f.head&stateMask == stateLive && e.swapIn(f.slab, f.at, f.head, f.meta, val, deadline, cost, mark)
}

// swapIn is swap for the slot where the entry was found with head and meta.
func (e *engine[K, V]) swapIn(b *slab[K, V], at uint32, head, meta uint64, val *V, deadline instant, cost int64, mark mark) bool {
	before := deadlineOf(meta) // and for as long as head is that
	if before > deadline || !e.clock.far(before) && e.clock.passed(before) {
		return false
	}
	sl := &b.slots[at]
	if !sl.take(head) {
		return false
	}
	fits := b.cost == nil || int64(b.cost[at])*costUnit == cost
	if fits {
		e.fill(b, at, sl, val, mark, deadline, deadline)
	}
	sl.give(head)
	return fits
}

// replace gives the entry another value, if there is room for it, and reports whether there was. The
// shard's lock must be held. What a load brings gives way to a swap that comes between.
func (e *engine[K, V]) replace(s *shard[K, V], f found[K, V], w *write[K, V]) bool {
	i := f.at
	b := s.slab.Load()
	sl := &b.slots[i]
	head := f.head
	if w.over == nil {
		head = sl.leave(stateBusy)
	} else if head&stateMask != stateLive || !sl.take(head) {
		return true
	}
	if e.costly && !e.afford(w, w.cost-s.costOf(i)) {
		sl.head.Store(head) // as it was, also for those who compare
		return false
	}
	if e.costly {
		before := s.policy.weight(i)
		s.setCost(i, w.cost)
		s.policy.recost(i, before, s.policy.weight(i))
	}
	reason := Replaced
	if e.clock.passed(deadlineOf(sl.meta.Load())) {
		reason = Expired
	}
	s.removed[reason]++
	if e.notify {
		w.removed = append(w.removed, removal[K, V]{w.key, sl.val.v, reason})
	}
	e.fill(b, i, sl, &w.val, w.mark, w.deadline, w.hard)
	sl.give(head)
	s.expiry.note(i, w.deadline)
	return true
}

// fill gives a busy slot, number i of b, its new value, and then its new mark and deadlines: see slot. The
// hard one comes first, so that no reader puts off the other beyond it.
func (e *engine[K, V]) fill(b *slab[K, V], i uint32, sl *slot[K, V], v *V, mark mark, deadline, hard instant) {
	val := cell[V]{v: *v}
	storeCell(&sl.val, &val, &e.valPlan)
	if e.grouped {
		b.marks[i].Store(uint64(mark))
	}
	if e.idle != 0 {
		b.hard[i].Store(hard)
	}
	if m := sl.meta.Load(); deadlineOf(m) != deadline || m&hitsMask != hitsMask || e.idle != 0 {
		sl.renew(deadline)
	}
}
