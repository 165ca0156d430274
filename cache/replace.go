package cache

// swap replaces the value of an entry without the shard's lock, and reports whether it
// did. It leaves to put whatever concerns more than the slot: an entry that is not
// there, has expired or is to end sooner than before, a value that holds more bytes or less than
// the one before, and what OnRemove is to hear of.
//
// So it changes nothing but the value and the deadline, and that only to a later one: the
// bounds in the expiry tree stay right, and the ledgers too. A Clear that comes between the walk
// through the index and the replacement is as if it came after it.
func (e *engine[K, V]) swap(w *write[K, V]) bool {
	if e.notify || e.idle != 0 {
		return false
	}
	var old cell[V]
	f, ok := e.find(e.shard(w.hash), uint32(w.hash), &w.key, &old)
	if !ok || f.head&stateMask != stateLive {
		return false
	}
	sl := f.slot()
	if !sl.take(f.head) {
		return false
	}
	before := deadlineOf(sl.meta.Load())
	fits := before <= w.deadline && !e.clock.passed(before) &&
		(f.slab.cost == nil || int64(f.slab.cost[f.at])*costUnit == w.cost)
	if fits {
		e.fill(f.slab, f.at, sl, w)
	}
	sl.give(f.head)
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
	e.fill(b, i, sl, w)
	sl.give(head)
	s.expiry.note(i, w.deadline)
	return true
}

// fill gives a busy slot, number i of b, its new value, and then its new mark and deadlines: see slot. The
// hard one comes first, so that no reader puts off the other beyond it.
func (e *engine[K, V]) fill(b *slab[K, V], i uint32, sl *slot[K, V], w *write[K, V]) {
	val := cell[V]{v: w.val}
	storeCell(&sl.val, &val, &e.valPlan)
	if e.grouped {
		b.marks[i].Store(uint64(w.mark))
	}
	if e.idle != 0 {
		b.hard[i].Store(w.hard)
	}
	if m := sl.meta.Load(); deadlineOf(m) != w.deadline || m&hitsMask != hitsMask || e.idle != 0 {
		sl.renew(w.deadline)
	}
}
