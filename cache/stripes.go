package cache

import (
	"sync/atomic"
	"unsafe"
)

// stripes count what happens without a lock. Who counts adds to the stripe that the address of
// its stack chooses, so that goroutines seldom share a cache line and need nothing
// of their own.
type stripes [16]stripe

type stripe struct {
	hits, misses, replaced atomic.Uint64
	_                      [104]byte // two lines: the prefetcher takes them in pairs
}

func (s *stripes) mine() *stripe {
	var here byte
	return &s[uint64(uintptr(unsafe.Pointer(&here))>>11)*0x9e3779b97f4a7c15>>60]
}

func (s *stripes) sum() (hits, misses, replaced uint64) {
	for i := range s {
		hits += s[i].hits.Load()
		misses += s[i].misses.Load()
		replaced += s[i].replaced.Load()
	}
	return hits, misses, replaced
}
