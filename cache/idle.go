package cache

import "sync/atomic"

// instants is a column of deadlines that readers see.
type instants []atomic.Int64

// hardOf returns the instant at which the entry of slot i ends, however often it is
// read. Only slabs of caches with Config.Idle have it.
func (b *slab[K, V]) hardOf(i uint32) *atomic.Int64 {
	return &(*b.hard[i>>(b.shift&31)])[i&(1<<(b.shift&31)-1)]
}

// touch puts off the deadline of an entry that was read, at most to its hard one. If a
// writer changes the slot meanwhile the exchange fails, for each write gives meta
// another generation.
func (e *engine[K, V]) touch(b *slab[K, V], i uint32, meta uint64) {
	d := min(e.clock.now()+e.idle, b.hardOf(i).Load())
	if d > deadlineOf(meta) {
		hit := min(meta&hitsMask+1, hitsMask)
		b.at(i).meta.CompareAndSwap(meta, uint64(d)<<deadlineShift|meta&generationMask|hit)
	}
}
