package main

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/ministryfinder/bounded/examples/internal/chart"
	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
)

// memory measures what a cache takes of the heap: for each entry beyond its key and value,
// and as a whole when it was promised a number of bytes.
type memory struct {
	entries int
	bytes   int64
	sizes   []int // of values
}

func newMemory() *memory {
	return &memory{entries: 1_000_000, bytes: 50 * humanize.MByte, sizes: []int{16, 64, 256, 1 << 10, 16 << 10, 256 << 10}}
}

func (m *memory) name() string        { return "memory" }
func (m *memory) flags(*flag.FlagSet) {}

func (m *memory) run(e *env) error {
	numbers := choose(e, peer.All[uint64, uint64](), peer.ByEntries)
	strs := choose(e, peer.Strings(), peer.ByBytes)
	progress := e.meter(m.name(), len(numbers)+len(strs)*len(m.sizes))
	if err := m.perEntry(e, progress, numbers); err != nil {
		return err
	}
	return m.bounded(e, progress, strs)
}

func (m *memory) perEntry(e *env, progress *meter, peers []peer.Peer[uint64, uint64]) error {
	fmt.Fprintf(e.out, "## Memory of an entry\n\n")
	fmt.Fprintf(e.out, "%s entries uint64 to uint64 with a time to live: bytes of the heap for each entry held, beyond the 16 of key\nand value, and how much longer a forced collection takes while it is full (the lower quartile of 21: what else runs at the time makes some longer).\n\n", humanize.Comma(int64(m.entries)))
	tab := table{header: []string{"cache", "entries held", "bytes beyond 16", "collection +ms"}}
	bars := chart.Bars{Title: "Memory: bytes of an entry beyond its key and value", Note: humanize.Comma(int64(m.entries)) + " entries uint64 to uint64 with a time to live. Shorter is better."}
	for _, p := range peers {
		held, overhead, collection, err := m.fill(p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		tab.add(p.Name, humanize.Comma(int64(held)), fmt.Sprintf("%.1f", overhead), fmt.Sprintf("%.2f", 1000*collection.Seconds()))
		bars.Bars = append(bars.Bars, chart.Bar{Label: p.Name, Value: max(overhead, 0), Text: fmt.Sprintf("%.0f bytes", overhead), Class: classOf(p.Name)})
		progress.step(p.Name)
	}
	tab.print(e.out)
	return e.draw("memory.svg", bars)
}

func classOf(name string) chart.Class {
	if name == peer.Ours {
		return chart.Ours
	}
	return chart.Peer
}

func (m *memory) fill(p peer.Peer[uint64, uint64]) (held int, overhead float64, collection time.Duration, err error) {
	collectionTime() // the first ones after a cache was dropped have to sweep what it left
	before, collected := memoryOf(nil), collectionTime()
	s, err := p.New(peer.Limits[uint64, uint64]{Entries: m.entries, TTL: time.Hour})
	if err != nil {
		return 0, 0, 0, err
	}
	defer s.Close()
	for i := range m.entries {
		s.Set(mix(uint64(i)), uint64(i))
	}
	s.Settle()
	held = s.Len()
	growth := memoryOf(s) - before
	collection = collectionTime() - collected
	runtime.KeepAlive(s)
	return held, float64(growth)/float64(max(held, 1)) - 16, collection, nil
}

// collectionTime returns the lower quartile of 21 forced collections: the others are longer by what
// else the runtime does then, which is up to 4 ms, and not what a cache costs.
func collectionTime() time.Duration {
	times := make([]float64, 21)
	for i := range times {
		begin := time.Now()
		runtime.GC()
		times[i] = float64(time.Since(begin))
	}
	slices.Sort(times)
	return time.Duration(times[len(times)/4])
}

func (m *memory) bounded(e *env, progress *meter, peers []peer.Peer[string, string]) error {
	fmt.Fprintf(e.out, "## Memory under a bound of %s\n\n", humanize.Bytes(uint64(m.bytes)))
	fmt.Fprintf(e.out, "Filled with keys of 12 bytes and values of one size, half as much again as the bound allows. Peers weigh\nkey and value. Growth of the heap, and of what fastcache takes beside it, in per cent of the bound:\n\n")
	header := []string{"size of a value"}
	bars := chart.Bars{
		Title: "Memory: what a cache of " + humanize.Bytes(uint64(m.bytes)) + " takes",
		Note:  "Largest growth of the heap, over all sizes of values. Shorter is better; the line is the bound.", Mark: 100,
	}
	for _, p := range peers {
		header = append(header, p.Name)
		bars.Bars = append(bars.Bars, chart.Bar{Label: p.Name, Class: classOf(p.Name)})
	}
	tab := table{header: header}
	for _, size := range m.sizes {
		row := []string{humanize.IBytes(uint64(size))}
		for i, p := range peers {
			growth, err := m.fillBytes(p, size)
			if err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			row = append(row, fmt.Sprintf("%.0f %%", growth))
			bars.Bars[i].Value = max(bars.Bars[i].Value, growth)
			progress.step(p.Name + ", values of " + humanize.IBytes(uint64(size)))
		}
		tab.add(row...)
	}
	tab.print(e.out)
	for i := range bars.Bars {
		bar := &bars.Bars[i]
		bar.Text = fmt.Sprintf("%.0f %%", bar.Value)
		if bar.Value > 100 && bar.Class == chart.Peer {
			bar.Class = chart.Over
		}
	}
	return e.draw("memory-bound.svg", bars)
}

// fillBytes fills a cache and returns the growth of the heap in per cent of the bound.
func (m *memory) fillBytes(p peer.Peer[string, string], size int) (float64, error) {
	before := memoryOf(nil)
	s, err := p.New(peer.Limits[string, string]{Bytes: m.bytes, TTL: time.Hour, Weigh: weighStrings})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	for i := range m.bytes * 3 / 2 / int64(12+size) {
		s.Set(stringKey(uint64(i)), strings.Repeat("v", size))
	}
	s.Settle()
	growth := memoryOf(s) - before
	runtime.KeepAlive(s)
	return float64(growth) / float64(m.bytes) * 100, nil
}

// weighStrings is what a user writes to bound a cache of strings.
func weighStrings(key, value string) int64 { return int64(len(key) + len(value)) }

// stringKey returns a key of 12 bytes, newly allocated.
func stringKey(i uint64) string {
	key := strconv.AppendUint(make([]byte, 0, 12), mix(i)>>24|1<<44, 32)
	for len(key) < 12 {
		key = append(key, '.')
	}
	return string(key)
}
