package cache

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// A slot holds one entry. It is read without a lock and written under the lock of
// its shard, by this protocol:
//
//   - Every word of a slot that a reader looks at is loaded and stored atomically,
//     pointers as pointers: the race detector sees no race, the collector sees no
//     half-written pointer, and nothing needs to be assumed about the processor.
//     By the Go memory model atomic operations behave as if in one total order, on
//     amd64 and arm64 alike, and the rest of the proof uses only that.
//   - head carries a version, a state and the hash. A slot that is free belongs to
//     whoever holds the shard's lock, who stores key, value and meta in it and
//     then head, live and with the next version.
//   - A live slot belongs to nobody. It is taken by one compare-and-swap of head: by
//     the holder of the lock to free it or to move it, and by anyone, with the lock
//     or without, to replace its value: he makes it busy, stores the value and the deadline,
//     and then head, live and with the next version. So the key of a slot never
//     changes but through the state free, and what was found in it under one
//     version can be replaced or removed on the condition that it is still that.
//   - A reader loads head, the words, and head again. If both loads are the same
//     live head, then no writer's store to the slot stands between them in the
//     total order: the words are those of one entry, as it was at the second
//     load. Otherwise it looks again. A string or interface is looked into only after
//     that: its two words may come from two entries before.
//   - A value of one word cannot be torn, so a reader takes it from a busy slot as well. The
//     writer stores the value first and its mark and deadline after it; a reader
//     loads them the other way round, so that it never takes an old value for one that
//     lives as long as the new.
//   - A slot whose entry is in another slab by now is moved, and never changes again.
//     Those who read the old slab read it still; who would replace its value takes the lock.
//
// A version has 30 bits: a reader would have to sleep through a multiple of 2^30
// changes of one slot, between two loads, to be deceived.
type slot[K comparable, V any] struct {
	header
	key cell[K]
	val cell[V]
}

// A header is what of a slot does not depend on the types of key and value.
type header struct {
	head atomic.Uint64 // version 30 | state 2 | hash 32
	meta atomic.Uint64 // deadline 44 | generation 18 | hits 2
}

// headers finds the headers of the slots of a slab.
type headers struct {
	first unsafe.Pointer // slot 0
	size  uintptr        // of a slot
}

func (h headers) at(i uint32) *header { return (*header)(unsafe.Add(h.first, uintptr(i)*h.size)) }

const (
	stateFree  uint64 = iota << 32 // holds no entry
	stateLive                      // holds an entry
	stateBusy                      // holds an entry whose value is being replaced
	stateMoved                     // held an entry that is in another slab now
	stateMask  uint64 = 3 << 32
	hashMask   uint64 = 1<<32 - 1

	versionStep uint64 = 4 << 32

	deadlineBits  = 44
	deadlineShift = 64 - deadlineBits
	hitsMask      = 3
)

func deadlineOf(meta uint64) instant { return int64(meta >> deadlineShift) }

// hit records an access in the slot's counter, which saturates at three: from
// then on the reads of a hot entry write nothing. A lost race loses one count.
func (s *header) hit(meta uint64) {
	if meta&hitsMask != hitsMask {
		s.meta.CompareAndSwap(meta, meta+1)
	}
}

// generation is the step of the count in meta that tells one write of a slot from
// the next, so that a reader that was slow does not prolong another's life.
const generation = 1 << 2

const generationMask = 1<<deadlineShift - 1 - hitsMask

// renew gives the entry a deadline and counts the write as an access. The slot must
// be busy; readers, and the policy, may count meanwhile.
func (s *header) renew(d instant) {
	for {
		m := s.meta.Load()
		next := uint64(d)<<deadlineShift | (m+generation)&generationMask | min(m&hitsMask+1, hitsMask)
		if s.meta.CompareAndSwap(m, next) {
			return
		}
	}
}

// redate is renew, but leaves alone what it would not change but for the generation: that is for entries whose
// deadline no reader puts off.
func (s *header) redate(d instant) {
	if m := s.meta.Load(); deadlineOf(m) != d || m&hitsMask != hitsMask {
		s.renew(d)
	}
}

// reset gives a new entry its deadline, and so many hits. The shard's lock must be held.
func (s *header) reset(d instant, hits uint64) {
	s.meta.Store(uint64(d)<<deadlineShift | (s.meta.Load()+generation)&generationMask | hits)
}

// A free slot keeps the number of the next one in the place of the deadline. A reader
// that was slow to count its hit does not change it: see generation.
func (s *header) nextFree() uint32     { return uint32(s.meta.Load() >> deadlineShift) }
func (s *header) setNextFree(i uint32) { s.reset(instant(i), 0) }

func (s *header) hash() uint32 { return uint32(s.head.Load()) }
func (s *header) hits() uint64 { return s.meta.Load() & hitsMask }

// setHits lowers the counter, for the policy. A hit that comes between is kept.
func (s *header) setHits(n uint64) {
	for {
		m := s.meta.Load()
		if s.meta.CompareAndSwap(m, m&^hitsMask|n) {
			return
		}
	}
}

// take makes a slot that is live under this head busy, and reports whether it was.
func (s *header) take(head uint64) bool {
	return s.head.CompareAndSwap(head, head+(stateBusy-stateLive))
}

// give ends what take began.
func (s *header) give(head uint64) { s.head.Store(head + versionStep) }

// leave takes the slot out of the state live, as it is found, into the given one, and
// returns the head that it had. The shard's lock must be held; others may be
// replacing the value, and are waited for.
func (s *header) leave(state uint64) (head uint64) {
	for tries := 0; ; tries++ {
		head = s.head.Load()
		if head&stateMask == stateLive && s.leaveAs(head, state) {
			return head
		}
		pause(tries)
	}
}

// leaveAs does so if the slot is still live under this head, and reports whether it was. The head must be a live one.
func (s *header) leaveAs(head, state uint64) bool {
	return s.head.CompareAndSwap(head, head+(state-stateLive))
}

// publish makes a free slot live, with the words that were stored in it.
func (s *header) publish(h uint32) {
	s.head.Store((s.head.Load()&^(stateMask|hashMask) + versionStep) | stateLive | uint64(h))
}

// pause is called by a reader that met a busy slot. The writer needs a few
// nanoseconds, unless it lost its processor.
func pause(tries int) {
	if tries > 30 {
		runtime.Gosched()
	}
}
