package metrics

import (
	"sync/atomic"
	"time"
)

// A slot is one place of a Ring. Its sequence word says who owns the other two:
//
//	0            nobody has written it
//	2*ticket-1   the writer of observation number ticket is in it; keep out
//	2*ticket     observation number ticket is in it; readers may copy it
//
// Only the writer that moved the word from even to odd may store the values and
// move it on to even, so that the values are never of two observations.
// The word only grows, so that a reader that finds the same even word before and
// after its copy has copied one observation. Tickets start at 1.
type slot struct {
	seq atomic.Uint64
	at  atomic.Int64 // time.Duration since the ring's start
	d   atomic.Int64 // the time.Duration observed
}

// write stores an observation and reports whether it could: it does not when
// another writer is in the slot or a later one has been. It never waits.
func (s *slot) write(ticket uint64, at, d time.Duration) bool {
	seq := s.seq.Load()
	if seq&1 == 1 || seq > 2*ticket || !s.seq.CompareAndSwap(seq, 2*ticket-1) {
		return false
	}
	s.at.Store(int64(at))
	s.d.Store(int64(d))
	s.seq.Store(2 * ticket)
	return true
}

// slotState is what a reader found in a slot.
type slotState uint8

const (
	slotEmpty slotState = iota
	slotFull
	slotBusy
)

// read copies the observation in the slot, if its state is slotFull.
func (s *slot) read() (at, d time.Duration, state slotState) {
	seq := s.seq.Load()
	if seq == 0 {
		return 0, 0, slotEmpty
	}
	at, d = time.Duration(s.at.Load()), time.Duration(s.d.Load())
	if seq&1 == 1 || s.seq.Load() != seq {
		return 0, 0, slotBusy
	}
	return at, d, slotFull
}
