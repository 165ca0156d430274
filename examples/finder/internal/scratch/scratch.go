// Package scratch lends the buffers in which answers are made before their first byte goes out. A buffer that
// grows anew for each answer leaves twice the answer behind for the collector.
package scratch

import (
	"bytes"
	"sync"
)

// What a buffer begins with, in bytes, and the most that is kept of one: a page of the quiz fits, and a rare
// long answer is not kept for ever.
const (
	begin = 32 << 10
	keep  = 128 << 10
)

var pool = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, begin)) }}

// Get returns an empty buffer, which belongs to the caller until Put.
func Get() *bytes.Buffer { return pool.Get().(*bytes.Buffer) }

// Put takes a buffer back. Nothing may use it, or what it holds, afterwards.
func Put(b *bytes.Buffer) {
	if b.Cap() > keep {
		return
	}
	b.Reset()
	pool.Put(b)
}
