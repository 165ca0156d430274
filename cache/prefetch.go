//go:build amd64 || arm64

package cache

import "unsafe"

// prefetch has the processor fetch the lines of memory that these point into, to be written, and does not wait for
// them. It is a hint: it reads and writes nothing, and so has no part in the order of what goroutines
// do to memory. The compiler has such an instruction for the runtime alone.
//
//go:noescape
func prefetch(a, b, c, d, e unsafe.Pointer)
