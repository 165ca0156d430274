package metrics

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSlotRefusesALappedWriter(t *testing.T) {
	var s slot
	require.True(t, s.write(9, 1, 90))
	require.False(t, s.write(1, 2, 10), "number 1 comes a lap late")
	_, d, state := s.read()
	require.Equal(t, slotFull, state)
	require.Equal(t, time.Duration(90), d)
}

// A writer stalled within its slot keeps the others and the readers out of that
// one slot, and nobody waits for it.
func TestRingSkipsTheSlotOfAStalledWriter(t *testing.T) {
	r := newRing(4, time.Hour, time.Now())
	for i := range 4 {
		r.observe(0, time.Duration(i))
	}
	ticket := r.next.Add(1) // what observe does, up to the middle of write
	stalled := &r.slots[ticket%4]
	require.True(t, stalled.seq.CompareAndSwap(2*(ticket-4), 2*ticket-1))
	stalled.at.Store(0)

	for i := range 4 { // a whole lap
		r.observe(0, time.Duration(10+i))
	}
	s := r.snapshot(0)
	require.Equal(t, 3, s.Count)
	require.Equal(t, 1, s.Busy)
	require.Equal(t, uint64(1), s.Skipped)
	require.Equal(t, time.Duration(10), s.Min)
	require.Equal(t, time.Duration(12), s.Max)

	stalled.d.Store(4) // it goes on
	stalled.seq.Store(2 * ticket)
	s = r.snapshot(0)
	require.Equal(t, 4, s.Count)
	require.Zero(t, s.Busy)
}
