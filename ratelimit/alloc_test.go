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

// A full tracker, with all errors that it may keep, takes what it says of the heap, whatever is on or off.
func TestBytesIsWhatTheHeapHas(t *testing.T) {
	if !longWords {
		return
	}
	if RaceDetector {
		t.Skip("one goroutine alone")
	}
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	none := []PrefixLimit{}
	var tiers []PrefixLimit
	for n := range mostPrefixes / 2 {
		tiers = append(tiers, PrefixLimit{Bits: 60 - 4*n, Failures: 20 + 70*n}, PrefixLimit{IPv4: true, Bits: 30 - 2*n, Failures: 20 + 70*n})
	}
	for name, config := range map[string]Config{
		"default": {}, "one": {MaxAddresses: 1}, "odd": {MaxAddresses: 17}, "some": {MaxAddresses: 5000}, "many": {MaxAddresses: 100_000},
		"off": {MaxAddresses: 100, Prefixes: none, AccountFailures: -1, LongFailures: -1}, "one-off": {MaxAddresses: 1, Prefixes: none, AccountFailures: -1, LongFailures: -1},
		"most-failures": {MaxAddresses: 17, Failures: mostFailures}, "most-failures-many": {MaxAddresses: 5000, Failures: mostFailures}, "six": {MaxAddresses: 2000, Failures: 6},
		"tiers": {Prefixes: tiers, AccountFailures: mostInBucket}, "tiers-of-one": {MaxAddresses: 1, Prefixes: tiers}, "one-tier": {MaxAddresses: 20_000, Prefixes: []PrefixLimit{{Bits: 8, Failures: 255}}},
		"long": {Window: longest, MaxLockout: longest}, "short": {Window: 1, LongWindow: 1},
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			trackers := make([]*Tracker, max(2, min(50, 20_000/max(1, config.MaxAddresses)))) // small ones are less than what else there is
			for n := range trackers {
				tracker, err := NewTracker(config)
				require.NoError(t, err)
				for i := range min(3*tracker.shared.rule.addresses, 3000) {
					addr := address(10<<24 + i)
					_ = tracker.Fail(addr)
					_ = tracker.LockNow(addr, 0)
					_ = tracker.Check(addr) // an error is kept
				}
				for _, places := range tracker.shared.refusals.all() {
					for i := range places {
						places[i].get(uint64(i), 0) // it would take a long time until crowds had been told all
					}
				}
				trackers[n] = tracker
			}
			grown := (heap() - before) / int64(len(trackers))
			require.InEpsilon(t, grown, trackers[0].Bytes(), 0.02)
			runtime.KeepAlive(trackers)
		})
	}
}
