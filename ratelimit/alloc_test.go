package ratelimit

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAttemptsAllocateNothing(t *testing.T) {
	tracker, err := NewTracker(Config{Failures: 64, MaxAddresses: 100})
	require.NoError(t, err)
	for i := range 300 { // full, with a sketch
		_ = tracker.Fail(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	known := netip.MustParseAddr("10.0.1.1")
	lockedOut := netip.MustParseAddr("10.0.1.2")
	require.NoError(t, tracker.LockNow(lockedOut, 0))
	n := uint32(0)
	for name, f := range map[string]func(){
		"succeed": func() { a, _ := tracker.Begin(known); a.Succeed() },
		"refused": func() { _, _ = tracker.Begin(lockedOut) },
		"check":   func() { _ = tracker.Check(known) },
		"evict": func() {
			n++
			_ = tracker.Fail(netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), byte(n)}))
		},
	} {
		require.Zero(t, testing.AllocsPerRun(200, f), name)
	}
}

// A full tracker, sketch and errors included, takes what it says of the heap.
func TestBytesIsWhatTheHeapHas(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for trackers, addresses := range map[int]int{20: 1000, 1: 20_000} { // of small ones many, for a few kilobytes are of others
		all := make([]*Tracker, trackers)
		before, bytes := heap(), int64(0)
		for n := range all {
			tracker, err := NewTracker(Config{MaxAddresses: addresses})
			require.NoError(t, err)
			all[n] = tracker
			bytes += tracker.Bytes()
			for i := range 3 * addresses {
				addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
				_ = tracker.Fail(addr)
				_ = tracker.LockNow(addr, 0)
				_ = tracker.Check(addr) // an error is kept
			}
			for _, places := range tracker.shared.refusals.all() {
				for i := range places {
					places[i].get(uint64(i), 0) // it would take a long time until crowds had been told all
				}
			}
		}
		require.InEpsilon(t, heap()-before, bytes, 0.02)
		runtime.KeepAlive(all)
	}
}
