package cache

// A write is one operation that changes the cache: what it is to store, and what
// it has in hand meanwhile.
type write[K comparable, V any] struct {
	key      K
	val      V
	hash     uint64
	deadline instant // never later than hard
	hard     instant
	cost     int64 // bytes outside the slot, a multiple of costUnit
	mark     mark
	over     *seen[V] // what a load may replace, beside what has expired; nil: anything

	credit  credit
	vacant  uint32 // a slot of the locked shard that was emptied for this, + 1
	hits    uint8  // of a new entry
	modest  bool   // it evicts nothing
	removed []removal[K, V]
}

// A credit is room that a writer has taken from the ledgers and not yet filled.
type credit struct {
	entries, bytes int64
}

// A removal is an entry on its way out, for OnRemove.
type removal[K comparable, V any] struct {
	key    K
	val    V
	reason Reason
}

// turn is how many entries a writer evicts at the most before it lets others have
// the shard.
const turn = 64

// gather stores the entry with room from all shards, and reports whether it could: it cannot if the entry alone
// is larger than the bound.
func (e *engine[K, V]) gather(w *write[K, V]) bool {
	if !e.fits(w.cost) {
		return false
	}
	// One writer at a time collects room from all shards: two that each held what the
	// other needs would wait for ever. Who comes here holds nothing.
	e.collecting.Lock()
	defer e.collecting.Unlock()
	defer e.refund(w)
	for from := w.hash>>32 + 1; ; from++ {
		e.collect(w, from)
		if e.collected(w) {
			return true
		}
		if !e.fits(w.cost) { // by a Resize meanwhile
			return false
		}
	}
}

// fits reports whether an entry that holds cost bytes could be alone in the cache.
func (e *engine[K, V]) fits(cost int64) bool {
	return cost <= maxCost && e.minimum+cost <= e.bytes.bound.Load()
}

// attempt stores the entry if its shard has room, or can make it within a turn. A
// shard that holds less than half of what it might is spared: others have more to give.
func (e *engine[K, V]) attempt(w *write[K, V]) (stored bool) {
	s := e.lock(w.hash)
	b := s.slab.Load()
	q := s.policy.over()
	s.foresee(b, q, uint32(w.hash))
	var old cell[V]
	var f found[K, V]
	present := false
	if !b.lacks(uint32(w.hash)) {
		f, present = e.find(s, uint32(w.hash), &w.key, &old)
	}
	if present && e.superseded(w, f, &old) {
		s.mu.Unlock()
		return true
	}
	if !present {
		s.foreseeMore(b, q)
		if e.exchange(s, b, q, w) {
			s.mu.Unlock()
			return true
		}
	}
	for n := 0; ; n++ {
		if present {
			stored = e.replace(s, f, w)
		} else {
			stored = e.insert(s, w)
		}
		if stored || w.modest || n == turn || e.spares(s) || !e.fits(w.cost) || !e.evict(s, w) {
			break
		}
		if present { // it may be what was evicted, or have moved
			if f, present = e.find(s, uint32(w.hash), &w.key, &old); present && e.superseded(w, f, &old) {
				stored = true
				break
			}
		}
	}
	if w.vacant != 0 {
		e.release(s, w)
	}
	s.mu.Unlock()
	if w.credit != (credit{}) {
		e.refund(w)
	}
	return stored
}

// superseded reports whether a load must not replace the entry that was found: it is not the one
// that was there when the load began, and has not expired.
func (e *engine[K, V]) superseded(w *write[K, V], f found[K, V], now *cell[V]) bool {
	if w.over == nil || e.clock.passed(deadlineOf(f.meta)) {
		return false
	}
	return !w.over.ok || w.over.head != f.head || !e.identical(&w.over.val, now)
}

// spares reports whether s holds so little that its writers take from others.
func (e *engine[K, V]) spares(s *shard[K, V]) bool {
	return e.mask != 0 && 2*int64(s.policy.live())*int64(e.mask+1) < e.entries.used.Load()
}

// collected stores the entry if the credit that w has collected suffices.
func (e *engine[K, V]) collected(w *write[K, V]) bool {
	s := e.lock(w.hash)
	defer s.mu.Unlock()
	defer e.release(s, w)
	var old cell[V]
	if f, ok := e.find(s, uint32(w.hash), &w.key, &old); ok {
		return e.superseded(w, f, &old) || e.replace(s, f, w)
	}
	return e.insert(s, w)
}

// collect evicts from shard number from on behalf of w, at most a quarter of a turn.
func (e *engine[K, V]) collect(w *write[K, V], from uint64) {
	s := e.lock(from << 32)
	defer s.mu.Unlock()
	for range turn / 4 {
		if !e.evict(s, w) {
			e.compact(s, w)
			break
		}
		if w.credit.entries > 0 && w.credit.bytes >= w.cost {
			break
		}
	}
	e.release(s, w)
}

// afford pays bytes from the credit of w, and from the ledger what that lacks.
func (e *engine[K, V]) afford(w *write[K, V], bytes int64) bool {
	if short := bytes - w.credit.bytes; short > 0 {
		if !e.bytes.take(short) {
			return false
		}
		w.credit.bytes += short
	}
	w.credit.bytes -= bytes
	return true
}

// refund gives back what w has in hand.
func (e *engine[K, V]) refund(w *write[K, V]) {
	e.entries.give(w.credit.entries)
	e.bytes.give(w.credit.bytes)
	w.credit = credit{}
}

// insert stores a new entry, if there is room for it.
func (e *engine[K, V]) insert(s *shard[K, V], w *write[K, V]) bool {
	if w.credit.entries < 1 {
		if !e.entries.take(1) {
			return false
		}
		w.credit.entries++
	}
	i, ok := e.slotFor(s, w)
	if !ok {
		return false
	}
	if !e.afford(w, w.cost) {
		w.vacant = i + 1
		return false
	}
	w.credit.entries--
	if e.costly {
		s.setCost(i, w.cost)
	}

	e.place(s, i, w)
	return true
}

// exchange is evict and insert in one, for the state in which a cache spends its life: it is full, nothing has
// expired, and the victim, of q, gives its slot to the newcomer. It reports whether the entry is stored; if
// not, w may have the victim's room in hand.
func (e *engine[K, V]) exchange(s *shard[K, V], b *slab[K, V], q *queue, w *write[K, V]) bool {
	full := e.entries.lacks(1) || e.costly && e.bytes.lacks(w.cost)
	if !full || w.modest || e.grouped || e.notify || q.len == 0 || e.spares(s) || !e.fits(w.cost) || s.expiry.earliest() <= e.clock.now()-e.keep {
		return false
	}
	i := s.policy.victimOf(q)
	sl := &b.slots[i]
	sl.leave(stateFree)
	unlink(b.buckets, sl.hash(), i)
	s.removed[Evicted]++
	var over int64 // bytes of the victim that the newcomer does not need
	if e.costly {
		before := s.costOf(i)
		if w.cost > before && !e.bytes.take(w.cost-before) {
			s.setCost(i, 0)
			w.credit, w.vacant = credit{entries: 1, bytes: before}, i+1
			return false
		}
		over = max(0, before-w.cost)
		s.setCost(i, w.cost)
	}
	e.place(s, i, w)
	e.bytes.give(over) // not before the slot has let go of the victim: see ledger
	return true
}

// place puts a new entry into slot i, which is free and paid for.
func (e *engine[K, V]) place(s *shard[K, V], i uint32, w *write[K, V]) {
	h := uint32(w.hash)
	b := s.slab.Load()
	sl := &b.slots[i]
	key, val := cell[K]{v: w.key}, cell[V]{v: w.val}
	storeCell(&sl.key, &key, &e.keyPlan)
	storeCell(&sl.val, &val, &e.valPlan)
	if e.idle != 0 {
		b.hard[i].Store(w.hard)
	}
	if e.grouped {
		b.marks[i].Store(uint64(w.mark))
	}
	sl.reset(w.deadline, uint64(w.hits))
	sl.publish(h)
	link(b.buckets, h, i)
	s.expiry.note(i, w.deadline)
	tick := s.policy.tick
	if s.policy.add(i); s.policy.tick != tick {
		s.ages.turn(s.policy.tick, e.clock.now())
	}
}

// slotFor returns a slot of s for a new entry: the one that was just emptied, or a
// free one, or one of a larger slab if w can pay for that.
func (e *engine[K, V]) slotFor(s *shard[K, V], w *write[K, V]) (uint32, bool) {
	if i := w.vacant; i != 0 {
		w.vacant = 0
		return i - 1, true
	}
	if i := s.free; i != 0 {
		s.free = s.slab.Load().slots[i-1].nextFree()
		return i - 1, true
	}
	if int(s.made) == s.slots() && !e.grow(s, w) {
		return 0, false
	}
	s.made++
	return s.made - 1, true
}

// evict makes room in s: the expired go first, else the entry that the policy gives
// up. What is freed is credited to w. It reports whether there was anything.
func (e *engine[K, V]) evict(s *shard[K, V], w *write[K, V]) bool {
	if s.policy.live() == 0 {
		return false
	}
	if e.grouped {
		removed := e.bury(s, w, buryLooks)
		if removed == 0 && s.burial.cursor == 0 { // the pass is over: what was invalidated during it
			removed = e.bury(s, w, buryLooks)
		}
		if removed > 0 {
			return true
		}
	}
	if now := e.clock.now() - e.keep; s.expiry.earliest() > now || e.expire(s, w, now, expireBlocks) == 0 {
		i := s.policy.victim()
		s.slab.Load().slots[i].leave(stateFree)
		e.remove(s, i, Evicted, w)
	}
	if w.credit.bytes < w.cost { // slots that nobody fills are room for what w brings
		e.compact(s, w)
	}
	return true
}

// expireBlocks is how many blocks a writer looks at for expired entries before it
// evicts one that is not.
const expireBlocks = 32

// expire removes the entries whose deadline is now or earlier from at most so many blocks, and returns how many.
func (e *engine[K, V]) expire(s *shard[K, V], w *write[K, V], now instant, blocks int) (removed int) {
	b := s.slab.Load()
	for range blocks {
		block, ok := s.expiry.due(now)
		if !ok {
			break
		}
		least := never
		for i := block * fanout; i < min((block+1)*fanout, s.made); i++ {
			sl := &b.slots[i]
			head := sl.head.Load()
			if head&stateMask == stateFree {
				continue
			}
			if d := deadlineOf(sl.meta.Load()); d > now || head&stateMask == stateBusy || !sl.leaveAs(head, stateFree) { // or it lives on
				least = min(least, d)
				continue
			}
			s.policy.remove(i)
			e.remove(s, i, Expired, w)
			removed++
		}
		s.expiry.settle(block, least)
	}
	return removed
}

// remove takes the entry of slot i, which is free already, out of the index and credits its room
// to w. The slot becomes w's vacant one, or is released if w has one already. The policy must know already.
func (e *engine[K, V]) remove(s *shard[K, V], i uint32, reason Reason, w *write[K, V]) {
	b := s.slab.Load()
	sl := &b.slots[i]
	if e.notify {
		w.removed = append(w.removed, removal[K, V]{sl.key.v, sl.val.v, reason})
	}
	unlink(b.buckets, uint32(sl.head.Load()), i)
	w.credit.entries++
	if e.costly {
		w.credit.bytes += s.costOf(i)
		s.setCost(i, 0)
	}
	s.removed[reason]++
	e.release(s, w)
	w.vacant = i + 1
}

// release empties the vacant slot of w, so that it keeps nothing alive, and frees it.
func (e *engine[K, V]) release(s *shard[K, V], w *write[K, V]) {
	if w.vacant == 0 {
		return
	}
	i := w.vacant - 1
	w.vacant = 0
	sl := &s.slab.Load().slots[i]
	if e.keyPlan.hasPointers() {
		storeCell(&sl.key, new(cell[K]), &e.keyPlan)
	}
	if e.valPlan.hasPointers() {
		storeCell(&sl.val, new(cell[V]), &e.valPlan)
	}
	sl.setNextFree(s.free)
	s.free = i + 1
}
