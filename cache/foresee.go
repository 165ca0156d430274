package cache

import "unsafe"

// An insertion that evicts writes to the newcomer's bucket, to the victim's slot, node, bucket and ghost, and
// to the node that was the newest: each somewhere else in megabytes, and last written by another processor as
// often as not. One after the other they would be waited for, because an atomic store lets no later access
// pass. So a writer that has the lock has them all fetched before it needs the first: that is a third of the
// time of an insertion on two cores.
//
// It may guess wrong, or fetch what is not needed: that costs some nanoseconds.

// foresee has fetched what does not depend on the hash of the likely victim, which is the tail of q.
func (s *shard[K, V]) foresee(b *slab[K, V], q *queue, h uint32) {
	if b == nil || q.tail == none {
		return
	}
	p := &s.policy
	sl := unsafe.Pointer(&b.slots[q.tail])
	prefetch(unsafe.Pointer(&b.buckets[homeOf(h, len(b.buckets))]), unsafe.Pointer(p.ghosts.bucketOf(h)),
		sl, unsafe.Add(sl, unsafe.Sizeof(slot[K, V]{})-1), unsafe.Pointer(&p.nodes[q.tail]))
}

// foreseeMore has fetched what does.
func (s *shard[K, V]) foreseeMore(b *slab[K, V], q *queue) {
	victim := q.tail
	if b == nil || victim == none {
		return
	}
	p := &s.policy
	h := b.slots[victim].hash()
	newest := unsafe.Pointer(&p.nodes[victim])
	if p.small.head != none {
		newest = unsafe.Pointer(&p.nodes[p.small.head])
	}
	cost := newest
	if b.cost != nil {
		cost = unsafe.Pointer(&b.cost[victim])
	}
	prefetch(unsafe.Pointer(&b.buckets[homeOf(h, len(b.buckets))]), unsafe.Pointer(p.ghosts.bucketOf(h)), newest, cost, cost)
}
