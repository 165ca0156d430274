package ratelimit

import (
	"math/bits"
	"testing"
	"unsafe"

	"github.com/dustin/go-humanize"
	"github.com/stretchr/testify/require"
)

// What the package says of memory is for words of 64 bits. With shorter ones it is a little less.
const longWords = bits.UintSize == 64

// An entry is one line of the processor's cache, on every machine: the source, which is read by sync/atomic, must be aligned.
func TestAnEntryIsALine(t *testing.T) {
	require.EqualValues(t, 64, unsafe.Sizeof(entry{}))
}

// All that most attempts write of a table is one line, and what they read besides the next.
func TestATableIsTwoLines(t *testing.T) {
	if !longWords {
		return
	}
	tracker, err := NewTracker(Config{})
	require.NoError(t, err)
	for i := range tracker.shards {
		at := uintptr(unsafe.Pointer(&tracker.shards[i])) % 64
		require.Contains(t, []uintptr{0, 8}, at, "there may be a header of eight bytes before the first")
	}
	var of table
	at := unsafe.Offsetof(shard{}.table)
	require.EqualValues(t, 64-8, at+unsafe.Offsetof(of.often)+unsafe.Offsetof(often{}.deniedSketch))
	require.EqualValues(t, 64, at+unsafe.Offsetof(of.index))
	require.LessOrEqual(t, at+unsafe.Offsetof(of.counts), uintptr(128-8))
}

// What a tracker takes by default, as the package says.
func TestMemoryIsAsDocumented(t *testing.T) {
	if !longWords {
		return
	}
	for addresses, want := range map[int]string{0: "299 kB", 10_000: "2.7 MB", mostAddresses: "135 MB"} {
		tracker, err := NewTracker(Config{MaxAddresses: addresses})
		require.NoError(t, err)
		require.Equal(t, want, humanize.Bytes(uint64(tracker.Bytes())))
	}
}

// The parts are as the package says, in kilobytes; what is turned off takes nothing.
func TestMemoryIsInThoseParts(t *testing.T) {
	if !longWords {
		return
	}
	kB := func(bytes ...int64) (n int64) {
		for _, b := range bytes {
			n += b
		}
		return (n + 500) / 1000
	}
	tracker, err := NewTracker(Config{})
	require.NoError(t, err)
	s, sh := tracker.shared, &tracker.shards[0]
	tables := int64(len(tracker.shards))
	require.EqualValues(t, 74, kB(sliceBytes(s.pool.entries), sliceBytes(s.pool.links)))
	require.EqualValues(t, 16, kB(sliceBytes(s.pool.long)))
	require.EqualValues(t, 64, unsafe.Sizeof(line{}))
	require.EqualValues(t, 59, kB(2*s.sketches[0].bytes()))
	require.EqualValues(t, 41, kB(sliceBytes(s.accounts.lines), sliceBytes(s.accounts.last), sliceBytes(s.accounts.known.sets)))
	require.EqualValues(t, 20, kB(sliceBytes(s.pool.marks)))
	require.EqualValues(t, 20, kB(tables*sliceBytes(sh.networks)))
	require.EqualValues(t, 16, unsafe.Sizeof(refusal{}))
	kept := func(k []kept) int64 { return sliceBytes(k) + int64(len(k))*16 }
	require.EqualValues(t, 24, kB(kept(s.refusals.slots)))
	require.EqualValues(t, 8, kB(kept(s.refusals.crowded), kept(s.refusals.slowed.cells), kept(s.refusals.saturated.cells)))
	require.EqualValues(t, 25, kB(sliceBytes(tracker.shards), tables*sliceBytes(sh.index), 2*tables*sliceBytes(sh.levels[0])))
	require.EqualValues(t, 7, kB(allocated(queuedEvents*unsafe.Sizeof(Event{})+channelBytes)))

	tracker, err = NewTracker(Config{AccountFailures: -1, Prefixes: []PrefixLimit{}, LongFailures: -1})
	require.NoError(t, err)
	require.Empty(t, tracker.shared.accounts.lines)
	require.Empty(t, tracker.shared.accounts.known.sets)
	require.Empty(t, tracker.shards[0].networks)
	require.Empty(t, tracker.shared.pool.long)
	require.Empty(t, tracker.shared.refusals.crowded)
	require.Empty(t, tracker.shared.refusals.slowed.cells)
	require.EqualValues(t, 208, kB(tracker.Bytes()))
}
