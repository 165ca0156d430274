package cache

import (
	"time"
	"unsafe"
)

// set is the hot path of writing. As read, it has what is common written out: the entry is the first that its
// home bucket names under its tag, lives for some time yet, and not longer than what replaces it; or that
// bucket has no such tag and counts no entry that passed. It replaces a value as swap does.
func (c *Cache[K, V]) set(key K, value V, ttl time.Duration, mark mark) bool {
	c.loads.supersede(key)
	if ttl < 0 {
		c.Delete(key)
		return false
	}
	e := c.engine
	var hash uint64
	if e.hasher.kind == hash64 { // hashOf, which the compiler does not inline
		hash = e.hasher.mix(*(*uint64)(unsafe.Pointer(&key)))
	} else {
		hash = hashSlow(&e.hasher, &key)
	}
	if c.jitter > 0 {
		ttl = shorten(ttl, c.jitter)
	}
	deadline := e.clock.after(ttl)
	var cost int64
	if e.costly {
		cost = c.costOf(&key, &value)
	}
	if e.quiet {
		h := uint32(hash)
		if b := e.shard(hash).slab.Load(); b != nil {
			bk := &b.buckets[homeOf(h, len(b.buckets))]
			marks, counts := bk.matches(tagOf(h))
			if marks != 0 {
				at := bk.slot[cellOf(marks)].Load()
				if sl := b.slot(at); sl != nil {
					var k cell[K]
					head := sl.head.Load()
					loadCell(&k, &sl.key, &e.keyPlan)
					before := deadlineOf(sl.meta.Load())
					if head&(stateMask|hashMask) == stateLive|uint64(h) && sl.head.Load() == head && k.v == key &&
						before <= deadline && e.clock.far(before) && sl.take(head) {
						fits := b.holds(at, cost)
						if fits {
							val := cell[V]{v: value}
							storeCell(&sl.val, &val, &e.valPlan)
							sl.redate(deadline)
						}
						sl.give(head)
						if !fits {
							return c.store(key, value, hash, deadline, cost, mark)
						}
						c.reads.mine().replaced.Add(1)
						return true
					}
				}
			} else if counts>>passedShift(h)&mostPassed == 0 {
				return c.store(key, value, hash, deadline, cost, mark)
			}
		}
	}
	return c.setSlow(key, value, hash, deadline, cost, mark)
}

// setSlow is set for what is not.
func (c *Cache[K, V]) setSlow(key K, value V, hash uint64, deadline instant, cost int64, mark mark) bool {
	if !c.engine.notify && c.idle == 0 && c.engine.swap(hash, &key, &value, deadline, cost, mark) {
		c.reads.mine().replaced.Add(1)
		return true
	}
	return c.store(key, value, hash, deadline, cost, mark)
}

// swap replaces the value of an entry without the shard's lock, and reports whether it
// did. It leaves to put whatever concerns more than the slot: an entry that is not
// there, has expired or is to end sooner than before, a value that holds more bytes or less than
// the one before, and what OnRemove is to hear of.
//
// So it changes nothing but the value and the deadline, and that only to a later one: the
// bounds in the expiry tree stay right, and the ledgers too. A Clear that comes between the walk
// through the index and the replacement is as if it came after it.
func (e *engine[K, V]) swap(hash uint64, key *K, val *V, deadline instant, cost int64, mark mark) bool {
	var old cell[V]
	f, ok := e.find(e.shard(hash), uint32(hash), key, &old)
	if !ok || f.head&stateMask != stateLive {
		return false
	}
	before := deadlineOf(f.meta) // and for as long as head is that
	if before > deadline || e.clock.passed(before) {
		return false
	}
	b, at := f.slab, f.at
	sl := f.slot()
	if !sl.take(f.head) {
		return false
	}
	fits := b.holds(at, cost)
	if fits {
		e.fill(b, at, sl, val, mark, deadline, deadline)
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
	if e.clock.passed(deadlineOf(sl.meta.Load())) || deadlineOf(f.meta) == 0 { // or its group was invalidated
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
	if e.idle == 0 {
		sl.redate(deadline)
	} else {
		sl.renew(deadline)
	}
}
