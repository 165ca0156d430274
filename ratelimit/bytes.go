package ratelimit

import (
	"unsafe"
)

// bytes returns what the table takes of the heap.
func (t *table) bytes() int64 {
	n := sliceBytes(t.entries) + sliceBytes(t.stamps) + sliceBytes(t.long) + sliceBytes(t.index.cells) + sliceBytes(t.marks)
	n += sliceBytes(t.accounts.tier.cells) + sliceBytes(t.accounts.last) + sliceBytes(t.accounts.known.sets)
	n += allocated(int64(unsafe.Sizeof(Tracker{}))) + allocated(queuedEvents*int64(unsafe.Sizeof(Event{}))+128)
	for f := range t.family {
		k := &t.family[f]
		n += sliceBytes(k.levels) + sliceBytes(k.sketch.cells) + sliceBytes(k.sketch.long) + sliceBytes(k.tiers)
		for i := range k.tiers {
			n += sliceBytes(k.tiers[i].cells)
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
