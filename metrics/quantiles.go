package metrics

import (
	"sync"
	"unsafe"
)

// A scratch is memory for copies of rings that are looked at and not kept. Its readers
// take turns; no writer looks at it.
type scratch struct {
	mu    sync.Mutex // guards codes, and is held while they are in use
	codes []uint64
}

// room returns codes with room for n. s.mu must be held.
func (s *scratch) room(n int) []uint64 {
	if cap(s.codes) < n {
		s.codes = make([]uint64, 0, n)
	}
	return s.codes
}

// Quantiles appends to dst, for each of qs, what Quantile of a snapshot taken now would
// return, and returns that and how many observations it rests on: for code that asks for
// a few quantiles again and again and keeps nothing else.
//
// It takes O(n log n) time for n observations, as Snapshot does, and allocates nothing
// once it has been called, for all callers share one scratch of 8 bytes for each of Size.
// They take turns at that. Writers wait for nobody, nor does who calls Snapshot.
func (r *Ring[T]) Quantiles(dst []T, qs ...float64) (quantiles []T, count int) {
	r.scratch.mu.Lock()
	defer r.scratch.mu.Unlock()
	s := r.snapshot(r.clock.precise(), r.scratch.room(r.config.Size))
	for _, q := range qs {
		dst = append(dst, s.Quantile(q))
	}
	return dst, s.Count
}

// Bytes returns how much memory the ring takes at most. It has room for the scratch of
// Quantiles, the snapshot of Cached and the next one, and the turns of writers that
// compete, so that it never changes.
func (r *Ring[T]) Bytes() int64 {
	const fixed = 1024 // the ring's clock and its timer, the headers of what follows
	copies := 3 * allocated(8*int64(r.config.Size))
	turns := int64(r.places.maxTurns) * (int64(unsafe.Sizeof(turn{})) + 2*8)
	return fixed + int64(unsafe.Sizeof(*r)) + 8*int64(len(r.words)) + copies + turns
}

// allocated returns what the allocator takes for n bytes at most: up to 32 KB a fifth more,
// and above that whole pages.
func allocated(n int64) int64 {
	const small, page = 32 << 10, 8 << 10
	if n > small {
		return (n + page - 1) &^ (page - 1)
	}
	return (n + n/5 + 15) &^ 15
}
