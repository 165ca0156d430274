package ratelimit

import (
	"fmt"
	"math/bits"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/dustin/go-humanize"
	"github.com/stretchr/testify/require"
)

// What the package says of memory is for words of 64 bits. With shorter ones it is a little less.
const longWords = bits.UintSize == 64

// An entry is one line of the processor's cache, on every machine: the source, which is read by sync/atomic,
// must be aligned.
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

// requireDocumented requires that the comment of the package has a sentence.
func requireDocumented(t *testing.T, format string, figures ...any) {
	t.Helper()
	file, err := os.ReadFile("tracker.go")
	require.NoError(t, err)
	comment, _, _ := strings.Cut(string(file), "\npackage ")
	sentence := fmt.Sprintf(format, figures...)
	require.True(t, strings.Contains(strings.ReplaceAll(comment, "\n// ", " "), sentence), "the comment does not say: %s", sentence)
}

// What a tracker takes by default, as the package says.
func TestMemoryIsAsDocumented(t *testing.T) {
	if !longWords {
		return
	}
	takes := func(addresses int) string {
		tracker, err := NewTracker(Config{MaxAddresses: addresses})
		require.NoError(t, err)
		return humanize.Bytes(uint64(tracker.Bytes()))
	}
	requireDocumented(t, "%s for 1,000 addresses, %s for 10,000, and %s for a million. Of the %[1]s",
		takes(1000), takes(10_000), takes(mostAddresses))
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
	require.EqualValues(t, 64, unsafe.Sizeof(line{}))
	require.EqualValues(t, 16, unsafe.Sizeof(refusal{}))
	kept := func(k []kept) int64 { return sliceBytes(k) + int64(len(k))*16 }
	requireDocumented(t, "%d are entries, each of 64 bytes without a pointer, and the lists by suspicion; %d are their long windows;",
		kB(sliceBytes(s.pool.entries), sliceBytes(s.pool.links)), kB(sliceBytes(s.pool.long)))
	requireDocumented(t, "%d are the sketches,", kB(2*s.sketches[0].bytes()))
	requireDocumented(t, "%d are accounts and who has logged in to them, and %d marks of which charge",
		kB(sliceBytes(s.accounts.lines), sliceBytes(s.accounts.last), sliceBytes(s.accounts.known.sets)), kB(sliceBytes(s.pool.marks)))
	requireDocumented(t, "%d are networks;", kB(tables*sliceBytes(sh.networks)))
	slots, strangers := kept(s.refusals.slots), kept(s.refusals.crowded)+kept(s.refusals.slowed.cells)+kept(s.refusals.saturated.cells)
	requireDocumented(t, "%d are errors: %d of addresses, %d of strangers;", kB(slots, strangers), kB(slots), kB(strangers))
	requireDocumented(t, "%d are tables and their indexes;", kB(sliceBytes(tracker.shards), tables*sliceBytes(sh.index), 2*tables*sliceBytes(sh.levels[0])))
	requireDocumented(t, "%d are events that wait.", kB(allocated(queuedEvents*unsafe.Sizeof(Event{})+channelBytes)))

	tracker, err = NewTracker(Config{AccountFailures: -1, Prefixes: []PrefixLimit{}, LongFailures: -1})
	require.NoError(t, err)
	require.Empty(t, tracker.shared.accounts.lines)
	require.Empty(t, tracker.shared.accounts.known.sets)
	require.Empty(t, tracker.shards[0].networks)
	require.Empty(t, tracker.shared.pool.long)
	require.Empty(t, tracker.shared.refusals.crowded)
	require.Empty(t, tracker.shared.refusals.slowed.cells)
	requireDocumented(t, "(Config.LongFailures) it is %d kB.", kB(tracker.Bytes()))
}
