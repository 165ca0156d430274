package ratelimit

import (
	"unsafe"

	"github.com/ministryfinder/bounded/internal/coarse"
)

// measure returns what the tracker takes of the heap, with all the errors that it may keep.
func (t *Tracker) measure() (n int64) {
	s := t.shared
	n += sliceBytes(s.pool.entries) + sliceBytes(s.pool.links) + sliceBytes(s.pool.long)
	n += sliceBytes(s.pool.marks) + sliceBytes(s.pool.stamps) + sliceBytes(s.pool.opens)
	for _, k := range s.refusals.all() {
		n += pointerBytes(k) + int64(len(k))*allocated(unsafe.Sizeof(refusal{}))
	}
	n += sliceBytes(s.accounts.lines) + sliceBytes(s.accounts.last) + sliceBytes(s.accounts.known.sets)
	n += allocated(unsafe.Sizeof(Tracker{})) + pointerBytes(make([]shared, 1)) + pointerBytes(t.shards)
	n += allocated(unsafe.Sizeof(clock{})) + allocated(unsafe.Sizeof(coarse.Clock{}))
	n += pointerBytes(t.allow) + pointerBytes(t.proxies) + pointerBytes(s.rule.proxies) + pointerBytes(t.deny)
	n += allocated(channelBytes) + pointerBytes(make([]Event, queuedEvents))
	for f, k := range s.sketches {
		n += allocated(unsafe.Sizeof(sketch{})) + k.bytes() + sliceBytes(s.rule.tiers[f])
	}
	for i := range t.shards {
		tb := &t.shards[i].table
		n += sliceBytes(tb.index) + sliceBytes(tb.networks)
		for f := range tb.levels {
			n += sliceBytes(tb.levels[f])
		}
	}
	return n
}

// channelBytes is what a channel takes besides its elements.
const channelBytes = 104

// sliceBytes returns what the array behind a slice takes, of elements without a pointer.
func sliceBytes[T any](s []T) int64 {
	var element T
	return allocated(uintptr(cap(s)) * unsafe.Sizeof(element))
}

// pointerBytes is sliceBytes for elements with pointers: before an array of more than 512 bytes, if it is not
// large, there is then a word for the collector.
func pointerBytes[T any](s []T) int64 {
	var element T
	n := uintptr(cap(s)) * unsafe.Sizeof(element)
	if n > 512 && n < 32<<10 {
		n += unsafe.Sizeof(&element)
	}
	return allocated(n)
}

// allocated returns what the allocator takes for n bytes: it has pages for what is large and classes of sizes
// for the rest, of which append can be asked.
func allocated(n uintptr) int64 {
	const page, large = 8 << 10, 32 << 10
	switch {
	case n == 0:
		return 0
	case n > large:
		return int64((n + page - 1) / page * page)
	}
	return int64(cap(append([]byte(nil), make([]byte, n)...)))
}
