package metrics

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever its labels are: with all the series it may have, names of full length, as many
// that wait, and counters spread as far as can be.
func TestFamilyBytesAreNoLessThanTheHeapGrew(t *testing.T) {
	for _, c := range []FamilyConfig{
		{},
		{MaxSeries: 2000, MaxLabelBytes: 16},
		{MaxSeries: 10, MaxLabelBytes: 4096},
		{MaxSeries: 100, MaxLabelBytes: 3457}, // for which the allocator takes 4,096
		{MaxSeries: 100, MaxLabelBytes: 257},
		{MaxSeries: 1, MaxLabelBytes: 16, Pinned: statuses(9900)},
		{Closed: []ClosedLabel{{"status", statuses(5)}}},
		{Closed: []ClosedLabel{{"status", statuses(maxTabled)}}},
		{Closed: []ClosedLabel{{"status", statuses(899)}}, MaxSeries: 1},
		{Closed: []ClosedLabel{{"a", statuses(30)}, {"b", statuses(32)}}, MaxSeries: 3},
		{Closed: []ClosedLabel{{"a", statuses(1)}, {"b", statuses(1)}, {"c", statuses(1)}, {"d", statuses(1)}, {"e", statuses(1)}, {"f", statuses(1)}, {"g", statuses(1)}}},
	} {
		c.Name, c.Label, c.MaxBytes = "calls_total", "tenant", 1<<40
		c = c.withDefaults()
		name := func(kind string, i int) string {
			s := fmt.Sprint(kind, i)
			return s + strings.Repeat("x", c.MaxLabelBytes-len(s))
		}
		for i := range 20 {
			c.Pinned = append(c.Pinned, name("p", i))
		}
		before := liveHeap()
		f, err := NewFamily(c)
		require.NoError(t, err)
		for i := range c.MaxSeries {
			f.Inc(name("s", i))
		}
		for i := range max(c.MaxSeries, 16) {
			f.Inc(name("w", i))
		}
		for s := range f.table.index.all() {
			for i := range s.value {
				for s.value[i].lines() < mostStripes() {
					s.value[i].grow()
				}
			}
		}
		require.Equal(t, c.MaxSeries, f.table.dynamic)
		require.Len(t, f.table.waiting.heap, max(c.MaxSeries, 16))
		require.LessOrEqual(t, liveHeap()-before, f.Bytes(), "%d of %d bytes, %v", c.MaxSeries, c.MaxLabelBytes, c.Closed)
		runtime.KeepAlive(f)
	}
}

// Whatever another goroutine may be at, and also where there is no value.
func TestIncOfASeriesTakesNoLock(t *testing.T) {
	f, err := NewFamily(FamilyConfig{Name: "calls_total", Label: "tenant"})
	require.NoError(t, err)
	h := f.With("name")
	for range 2 {
		f.Inc("name")
		f.Inc("")
		h.Inc()
		f.Inc(OtherName)
		if f.mu.TryLock() { // with the second time
			defer f.mu.Unlock()
		}
	}
	require.Equal(t, uint64(2), f.table.index.get(UnmatchedName).value.count())
}

// Who found a series before it was removed, and counts in it afterwards, loses nothing.
func TestFamilyCountsInASeriesThatIsGone(t *testing.T) {
	f, err := NewFamily(FamilyConfig{Name: "calls_total", Label: "tenant"})
	require.NoError(t, err)
	f.Inc("name")
	found := f.table.index.get("name")
	f.mu.Lock()
	f.table.remove(found)
	f.mu.Unlock()
	f.add(found, 0, 5)
	require.Equal(t, []LabelledCount{{[]string{RetiredName}, 6}}, f.Snapshot().Counters)
}

func TestNameBytesAreNoLessThanTheAllocatorTakes(t *testing.T) {
	for n := range maxLabelBytes + 1 {
		require.LessOrEqual(t, int64(cap(append([]byte(nil), make([]byte, n)...))), nameBytes(n), n)
	}
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
