package cache

import "sync/atomic"

// An atomicInstant is a deadline that readers see.
type atomicInstant = atomic.Int64

// touch puts off the deadline of an entry that was read, at most to its hard one. If a
// writer changes the slot meanwhile the exchange fails, for each write gives meta
// another generation.
func (e *engine[K, V]) touch(f *found[K, V]) {
	now := e.clock.now()
	if e.idle <= slack { // which a millisecond shortens by more than a hundredth
		now = e.clock.precise()
	}
	d := min(now+e.idle, f.slab.hard[f.at].Load())
	if d > deadlineOf(f.meta) {
		hit := min(f.meta&hitsMask+1, hitsMask)
		f.slot().meta.CompareAndSwap(f.meta, uint64(d)<<deadlineShift|f.meta&generationMask|hit)
	} else {
		f.slot().hit(f.meta)
	}
}
