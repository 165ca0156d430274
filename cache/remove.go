package cache

import (
	"math"
	"runtime"
	"unsafe"
)

// delete takes out the entry of w.key, if same is nil or the entry still holds the
// words of same, and reports whether it did, and whether that was a live one.
func (e *engine[K, V]) delete(w *write[K, V], reason Reason, same *cell[V]) (there, live bool) {
	s := e.lock(w.hash)
	defer s.mu.Unlock()
	var f found[K, V]
	for tries := 0; ; tries++ {
		var val cell[V]
		var ok bool
		f, ok = e.find(s, uint32(w.hash), &w.key, &val)
		if !ok || same != nil && !e.identical(same, &val) {
			return false, false
		}
		if f.head&stateMask == stateLive && f.slot().leaveAs(f.head, stateFree) {
			break
		}
		pause(tries)
	}
	expired := e.clock.passed(deadlineOf(f.meta))
	if expired {
		reason = Expired
	}
	s.policy.remove(f.at)
	e.remove(s, f.at, reason, w)
	e.release(s, w)
	e.refund(w)
	return true, !expired
}

// identical reports whether a and b are the same word for word: the very same
// value, not only an equal one. Both must have been copied out of a slot as words: an
// assignment need not copy what lies between the fields.
func (e *engine[K, V]) identical(a, b *cell[V]) bool {
	for i := range uintptr(e.valPlan.words) {
		if *(*uintptr)(unsafe.Add(unsafe.Pointer(a), i*wordSize)) != *(*uintptr)(unsafe.Add(unsafe.Pointer(b), i*wordSize)) {
			return false
		}
	}
	return true
}

// sweepBlocks is how many blocks of a shard a sweep looks at before it lets
// writers have the shard: at most 128 entries.
const sweepBlocks = 8

// sweep removes the expired entries of all shards, and hands those of one chunk at
// a time to deliver, with no lock held.
func (e *engine[K, V]) sweep(deliver func([]removal[K, V])) (removed int) {
	now := e.clock.precise() - e.keep
	var invalidated uint64
	if e.grouped {
		invalidated = e.groups.invalidations.Load()
	}
	var told []removal[K, V] // kept from chunk to chunk, so that it seldom grows under the lock
	for i := range e.mask + 1 {
		for more := true; more; {
			w := write[K, V]{removed: told[:0]}
			s := e.lock(i << 32)
			removed += e.expire(s, &w, now, sweepBlocks)
			more = s.expiry.earliest() <= now
			if e.grouped {
				removed += e.bury(s, &w, sweepBlocks*fanout)
				more = more || s.burial.done < invalidated // by a pass that began since, not one that was under way
			}
			e.settle(s, &w, deliver)
			told = w.removed
			clear(told)
		}
	}
	return removed
}

// settle ends an operation that only removed: it unlocks s, gives back what that
// freed, and tells whoever wants to know.
func (e *engine[K, V]) settle(s *shard[K, V], w *write[K, V], deliver func([]removal[K, V])) {
	e.release(s, w)
	s.mu.Unlock()
	e.refund(w)
	deliver(w.removed)
}

// shrink evicts this fraction of each shard, gives back the slots, and returns how
// many entries went.
func (e *engine[K, V]) shrink(fraction float64, deliver func([]removal[K, V])) (removed int) {
	for i := range e.mask + 1 {
		s := e.lock(i << 32)
		left := int(math.Ceil(fraction * float64(s.policy.live())))
		for {
			var w write[K, V]
			live := s.policy.live()
			for n := 0; n < turn && live-s.policy.live() < left && e.evict(s, &w); n++ {
			}
			removed += live - s.policy.live()
			left -= live - s.policy.live()
			done := left <= 0 || s.policy.live() == 0
			if done {
				e.compact(s, &w)
			}
			e.settle(s, &w, deliver)
			if done {
				break
			}
			s = e.lock(i << 32)
		}
	}
	return removed
}

// reduce evicts, from one shard after the other, until at most so many entries and
// bytes are used, or another Resize has begun.
func (e *engine[K, V]) reduce(entries, bytes int64, number uint64, deliver func([]removal[K, V])) {
	for i := uint64(0); e.entries.used.Load() > entries || e.bytes.used.Load() > bytes; i++ {
		if e.resizes.Load() != number {
			return
		}
		var w write[K, V]
		s := e.lock(i << 32)
		over := func() bool {
			return e.entries.used.Load()-w.credit.entries > entries || e.bytes.used.Load()-w.credit.bytes > bytes
		}
		for n := 0; n < turn && over() && e.evict(s, &w); n++ {
		}
		if over() {
			e.compact(s, &w)
		}
		e.settle(s, &w, deliver)
		runtime.Gosched() // let in those who wait for the shard
	}
}

// resize sets the bounds and evicts what is over them, and calls announce when they hold. Until then the
// ledgers have the narrower of the old ones and these. No lock is held while it evicts, because deliver calls
// code of the user's, which may resize as well: the latest Resize counts, and an earlier one leaves the rest to
// it. If one ends by a panic, all is as if it had not begun, but for what was evicted.
func (e *engine[K, V]) resize(entries, bytes int64, announce func(), deliver func([]removal[K, V])) {
	number := e.narrow(entries, bytes)
	evicted := false
	defer func() {
		e.resizing.Lock()
		defer e.resizing.Unlock()
		if e.resizes.Load() != number {
			return
		}
		if evicted {
			e.agreed = [2]int64{entries, bytes}
			announce()
		}
		e.entries.bound.Store(e.agreed[0])
		e.bytes.bound.Store(e.agreed[1])
	}()
	e.reduce(entries, bytes, number, deliver)
	evicted = true
}

// narrow begins a Resize, whose number it returns.
func (e *engine[K, V]) narrow(entries, bytes int64) (number uint64) {
	e.resizing.Lock()
	defer e.resizing.Unlock()
	e.entries.bound.Store(min(e.entries.bound.Load(), entries))
	e.bytes.bound.Store(min(e.bytes.bound.Load(), bytes))
	return e.resizes.Add(1)
}

// clear empties all shards at one instant, and returns what was in them if
// somebody wants to know.
func (e *engine[K, V]) clear() (removed []removal[K, V]) {
	old := e.lockAll()
	next := e.newRoot()
	var entries, bytes int64
	for i := range old.shards {
		s := &old.shards[i]
		entries += int64(s.policy.live())
		bytes += s.fixed + s.held
		next.shards[i].removed = s.removed
		next.shards[i].removed[Cleared] += uint64(s.policy.live())
	}
	e.root.Store(next)
	for i := range old.shards {
		old.shards[i].dead = true
		old.shards[i].mu.Unlock()
	}
	e.entries.give(entries)
	e.bytes.give(bytes)
	if e.notify {
		for i := range old.shards {
			s := &old.shards[i]
			b := s.slab.Load()
			for j := range s.made {
				if sl := &b.slots[j]; sl.head.Load()&stateMask == stateLive {
					removed = append(removed, removal[K, V]{sl.key.v, sl.val.v, Cleared})
				}
			}
		}
	}
	return removed
}

// lockAll returns the root with all its shards locked.
func (e *engine[K, V]) lockAll() *root[K, V] {
	for {
		r := e.root.Load()
		for i := range r.shards {
			r.shards[i].mu.Lock()
		}
		if !r.shards[0].dead {
			return r
		}
		for i := range r.shards {
			r.shards[i].mu.Unlock()
		}
	}
}
