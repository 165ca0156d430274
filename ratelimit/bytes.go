package ratelimit

import (
	"unsafe"
)

// bytes returns what the tracker takes of the heap, with all the errors that it may keep.
func (t *Tracker) bytes() int64 {
	s := t.shared
	n := sliceBytes(s.pool.entries) + sliceBytes(s.pool.stamps) + sliceBytes(s.pool.marks)
	n += sliceBytes(s.refusals) + int64(len(s.refusals))*allocated(int64(unsafe.Sizeof(refusal{})))
	n += sliceBytes(s.accounts.tier.cells) + sliceBytes(s.accounts.last) + sliceBytes(s.accounts.known.sets)
	n += allocated(int64(unsafe.Sizeof(Tracker{}))) + allocated(int64(unsafe.Sizeof(shared{}))) + sliceBytes(t.shards)
	n += allocated(queuedEvents*int64(unsafe.Sizeof(Event{})) + 128)
	for _, k := range s.sketches {
		n += allocated(int64(unsafe.Sizeof(sketch{}))) + sliceBytes(k.cells) + sliceBytes(k.long)
	}
	for i := range t.shards {
		tb := &t.shards[i].table
		n += sliceBytes(tb.index)
		for f := range tb.family {
			k := &tb.family[f]
			n += sliceBytes(k.levels) + sliceBytes(k.tiers)
			for i := range k.tiers {
				n += sliceBytes(k.tiers[i].cells)
			}
		}
	}
	return n
}

// sliceBytes returns what the array behind a slice takes.
func sliceBytes[T any](s []T) int64 {
	var element T
	return allocated(int64(cap(s)) * int64(unsafe.Sizeof(element)))
}

// allocated returns no less than the allocator takes for n bytes: its size classes
// waste an eighth at the most, and pages less.
func allocated(n int64) int64 {
	if n == 0 {
		return 0
	}
	return n + n/8 + 16
}
