package cache

import (
	"runtime"
	"sync/atomic"
)

// A slot holds one entry. It is read without a lock and written under the lock of
// its shard, by this protocol:
//
//   - Every word of a slot that a reader looks at is loaded and stored atomically,
//     pointers as pointers: the race detector sees no race, the collector sees no
//     half-written pointer, and nothing needs to be assumed about the processor.
//     By the Go memory model atomic operations behave as if in one total order, on
//     amd64 and arm64 alike, and the rest of the proof uses only that.
//   - head carries a version and a state. A writer that changes the key, or a value
//     of several words, first stores head with the state busy, then the words, then
//     head with the next version and the state live.
//   - A reader loads head, the words, and head again. If both loads are the same
//     live head, then no writer's store to the slot stands between them in the
//     total order: the words are those of one entry, as it was at the second
//     load. Otherwise it looks again. A string or interface is looked into only after
//     that: its two words may come from two entries before.
//   - A value of one word is replaced in place without a new version: it cannot be
//     torn. The writer stores the value first and the deadline after it; a reader
//     loads them the other way round, so that it never takes an old value for one that
//     lives as long as the new.
//
// A version has 30 bits: a reader would have to sleep through a multiple of 2^30
// changes of one slot, between two loads, to be deceived.
type slot[K comparable, V any] struct {
	head atomic.Uint64 // version 30 | state 2 | hash 32
	meta atomic.Uint64 // deadline 44 | generation 18 | hits 2
	key  cell[K]
	val  cell[V]
}

const (
	stateFree uint64 = iota << 32 // holds no entry
	stateLive                     // holds an entry
	stateBusy                     // is being written
	stateMask uint64 = 3 << 32
	hashMask  uint64 = 1<<32 - 1

	versionStep uint64 = 4 << 32

	deadlineBits  = 44
	deadlineShift = 64 - deadlineBits
	hitsMask      = 3
)

func deadlineOf(meta uint64) instant { return int64(meta >> deadlineShift) }

// hit records an access in the slot's counter, which saturates at three: from
// then on the reads of a hot entry write nothing. A lost race loses one count.
func (s *slot[K, V]) hit(meta uint64) {
	if meta&hitsMask != hitsMask {
		s.meta.CompareAndSwap(meta, meta+1)
	}
}

// generation is the step of the count in meta that tells one write of a slot from
// the next, so that a reader that was slow does not prolong another's life.
const generation = 1 << 2

const generationMask = 1<<deadlineShift - 1 - hitsMask

// renew gives the entry a deadline and counts the write as an access. The shard's
// lock must be held; readers may count meanwhile.
func (s *slot[K, V]) renew(d instant) {
	for {
		m := s.meta.Load()
		next := uint64(d)<<deadlineShift | (m+generation)&generationMask | min(m&hitsMask+1, hitsMask)
		if s.meta.CompareAndSwap(m, next) {
			return
		}
	}
}

// reset gives a new entry its deadline, and no hits yet. The shard's lock must be held.
func (s *slot[K, V]) reset(d instant) {
	s.meta.Store(uint64(d)<<deadlineShift | (s.meta.Load()+generation)&generationMask)
}

// A free slot keeps the number of the next one in the place of the deadline. A reader
// that was slow to count its hit does not change it: see generation.
func (s *slot[K, V]) nextFree() uint32     { return uint32(s.meta.Load() >> deadlineShift) }
func (s *slot[K, V]) setNextFree(i uint32) { s.reset(instant(i)) }

// setHits lowers the counter, for the policy. A hit that comes between is kept.
func (s *slot[K, V]) setHits(n uint64) {
	for {
		m := s.meta.Load()
		if s.meta.CompareAndSwap(m, m&^hitsMask|n) {
			return
		}
	}
}

// begin takes the slot from its readers; end gives it back in the given state.
// The shard's lock must be held from the one to the other.
func (s *slot[K, V]) begin() (head uint64) {
	head = s.head.Load()
	s.head.Store(head&^stateMask | stateBusy)
	return head
}

func (s *slot[K, V]) end(head, state uint64, h uint32) {
	s.head.Store((head&^(stateMask|hashMask) + versionStep) | state | uint64(h))
}

// pause is called by a reader that met a busy slot. The writer needs a few
// nanoseconds, unless it lost its processor.
func pause(tries int) {
	if tries > 30 {
		runtime.Gosched()
	}
}
