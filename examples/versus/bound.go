package main

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/ministryfinder/bounded/examples/internal/chart"
	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
)

// bound lets eight writers loose on each cache and watches how much it holds.
type bound struct {
	writers   int
	entries   []int
	bytes     int64
	valueSize int
	time      time.Duration
}

func newBound() *bound {
	return &bound{writers: 8, entries: []int{500, 10_000}, bytes: 50 * humanize.MByte, valueSize: 16 << 10, time: time.Second}
}

func (b *bound) name() string { return "bound" }

func (b *bound) flags(set *flag.FlagSet) {
	set.DurationVar(&b.time, "for", b.time, "bound: how long the writers write")
}

// A highest is the most that was ever seen.
type highest struct{ atomic.Int64 }

func (h *highest) see(n int64) {
	for most := h.Load(); n > most && !h.CompareAndSwap(most, n); most = h.Load() {
	}
}

func (b *bound) run(e *env) error {
	numbers := choose(e, peer.All[uint64, uint64](), peer.ByEntries)
	strs := choose(e, peer.Strings(), peer.ByBytes)
	m := e.meter(b.name(), len(b.entries)*len(numbers)+len(strs))
	fmt.Fprintf(e.out, "## Bound\n\n")
	fmt.Fprintf(e.out, "The most entries seen by %d writers of new keys, who look after every 16 Sets, for %v:\n\n", b.writers, b.time)
	tab := table{header: []string{"cache"}}
	for _, entries := range b.entries {
		tab.header = append(tab.header, fmt.Sprintf("of %s", humanize.Comma(int64(entries))), "over")
	}
	bars := chart.Bars{
		Title: fmt.Sprintf("Bound: the most entries in a cache of %d, with %d writers", b.entries[0], b.writers),
		Note:  "The line is the bound.", Mark: float64(b.entries[0]),
	}
	for _, p := range numbers {
		row := []string{p.Name}
		for i, entries := range b.entries {
			most, err := b.watchEntries(p, entries)
			if err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			row = append(row, humanize.Comma(most), excess(most, int64(entries)))
			if i == 0 {
				bars.Bars = append(bars.Bars, b.bar(p.Name, most, int64(entries), humanize.Comma(most)))
			}
			m.step(p.Name)
		}
		tab.add(row...)
	}
	tab.print(e.out)
	if err := e.draw("bound-entries.svg", bars); err != nil {
		return err
	}
	return b.runBytes(e, m, strs)
}

func (b *bound) bar(name string, most, limit int64, text string) chart.Bar {
	class := classOf(name)
	if most > limit {
		class = chart.Over
	}
	return chart.Bar{Label: name, Value: float64(most), Text: text, Class: class}
}

func excess(most, limit int64) string {
	return fmt.Sprintf("%+.1f %%", 100*float64(max(most-limit, 0))/float64(limit))
}

// together calls write in a loop from all writers until the time is over, with numbers
// that never come twice.
func (b *bound) together(write func(n uint64)) {
	var group sync.WaitGroup
	until := time.Now().Add(b.time)
	for w := range b.writers {
		group.Go(func() {
			for n := uint64(w) << 40; time.Now().Before(until); {
				for range 16 {
					n++
					write(n)
				}
			}
		})
	}
	group.Wait()
}

func (b *bound) watchEntries(p peer.Peer[uint64, uint64], entries int) (int64, error) {
	s, err := p.New(peer.Limits[uint64, uint64]{Entries: entries, TTL: time.Hour})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	var most highest
	b.together(func(n uint64) {
		s.Set(mix(n), n)
		if n%16 == 0 {
			most.see(int64(s.Len()))
		}
	})
	return most.Load(), nil
}

func (b *bound) runBytes(e *env, m *meter, peers []peer.Peer[string, string]) error {
	limit := humanize.Bytes(uint64(b.bytes))
	fmt.Fprintf(e.out, "The same for a bound of %s and values of %s: the most bytes of keys and values, the most that the cache\nitself reported, if it does, and the memory it took when the writers have gone and maintenance is done:\n\n", limit, humanize.IBytes(uint64(b.valueSize)))
	tab := table{header: []string{"cache", "payload", "over", "reported", "memory after"}}
	bars := chart.Bars{
		Title: fmt.Sprintf("Bound: the most bytes in a cache of %s, with %d writers", limit, b.writers),
		Note:  "Keys and values alone. The line is the bound.", Mark: float64(b.bytes),
	}
	for _, p := range peers {
		payload, reported, heap, err := b.watchBytes(p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		said := "-"
		if reported >= 0 {
			said = humanize.Bytes(uint64(reported))
		}
		tab.add(p.Name, humanize.Bytes(uint64(payload)), excess(payload, b.bytes), said, humanize.Bytes(uint64(max(heap, 0))))
		bars.Bars = append(bars.Bars, b.bar(p.Name, payload, b.bytes, humanize.Bytes(uint64(payload))))
		m.step(p.Name + ", bytes")
	}
	tab.print(e.out)
	return e.draw("bound-bytes.svg", bars)
}

func (b *bound) watchBytes(p peer.Peer[string, string]) (payload, reported, heap int64, err error) {
	before := memoryOf(nil)
	s, err := p.New(peer.Limits[string, string]{Bytes: b.bytes, TTL: time.Hour, Weigh: weighStrings})
	if err != nil {
		return 0, 0, 0, err
	}
	defer s.Close()
	weigher, reports := s.(peer.Weigher)
	var most, said highest
	b.together(func(n uint64) {
		s.Set(stringKey(n), strings.Repeat("v", b.valueSize))
		if n%16 == 0 {
			most.see(int64(s.Len()))
			if reports {
				said.see(weigher.Bytes())
			}
		}
	})
	s.Settle()
	heap = memoryOf(s) - before
	runtime.KeepAlive(s)
	reported = -1
	if reports {
		reported = said.Load()
	}
	return most.Load() * int64(12+b.valueSize), reported, heap, nil
}
