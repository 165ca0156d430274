//go:build amd64 || arm64

package cache

import "unsafe"

// prefetch has the processor fetch the line of memory that p points into, and does not wait for
// it. It is a hint: it reads and writes nothing, and so has no part in the order of what goroutines
// do to memory.
//
// An eviction goes from the queue to the slot, to the index and to the ghosts, each somewhere else in
// megabytes, and atomic stores between them keep the processor from running ahead. So each eviction
// has fetched what the next but one will need: that is a third of the time of an insertion. The compiler has
// such an instruction for the runtime alone.
//
//go:noescape
func prefetch(p unsafe.Pointer)
