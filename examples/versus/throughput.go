package main

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ministryfinder/bounded/examples/internal/chart"
	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
)

// throughput measures how long an operation takes. Each round builds each cache anew, one
// after the other, fills it with the same accesses, and takes the time of each kind of
// traffic; a figure is the median over the rounds.
type throughput struct {
	keys, capacity, sequence int
	rounds                   int
	time                     time.Duration // for one figure of one round
}

func newThroughput() *throughput {
	return &throughput{keys: 1_000_000, capacity: 100_000, sequence: 3 << 20, rounds: 9, time: 100 * time.Millisecond}
}

func (t *throughput) name() string { return "throughput" }

func (t *throughput) flags(set *flag.FlagSet) {
	set.IntVar(&t.rounds, "rounds", t.rounds, "throughput: `number` of rounds, of which the median counts")
	set.DurationVar(&t.time, "time", t.time, "throughput: how long each is driven in each round")
}

// A traffic is a mixture of operations: shares of writes in per cent, over keys drawn from
// a Zipf distribution; or, with inserts, nothing but writes of keys that were not there.
type traffic struct {
	writes  int
	inserts bool
}

var traffics = []traffic{{writes: 0}, {writes: 5}, {writes: 25}, {writes: 50}, {writes: 100}, {inserts: true}}

func (t traffic) String() string {
	switch {
	case t.inserts:
		return "new keys"
	case t.writes == 0:
		return "reads"
	case t.writes == 100:
		return "writes"
	}
	return fmt.Sprintf("%d %% writes", t.writes)
}

// mayDrop names the peers whose documentation says that a write may be dropped under
// load. Where there are writes they are shown, but they are not the ones to beat.
var mayDrop = map[string]bool{"ristretto": true}

// floor names what is shown beside the peers, in the rows that only read.
var floor = peer.Floor[uint64, uint64]().Name

// entryBytes is what a cache of bytes is given for each entry of 20 bytes of key and 256 of value.
const entryBytes = 340

func (t *throughput) run(e *env) error {
	t.rounds = max(t.rounds, 1)
	ranks := zipfRanks(t.sequence, t.keys)
	ints := newWorkload("ints", t.keys, ranks, mix, func(i uint64) uint64 { return i })
	strs := newWorkload("strings", t.keys, ranks,
		func(i uint64) string { return fmt.Sprintf("user:%015x", mix(i)>>4) },
		func(i uint64) string { return strings.Repeat(string(rune('a'+i%26)), 256) })

	intPeers := choose(e, append(peer.All[uint64, uint64](), peer.Floor[uint64, uint64]()), peer.ByEntries)
	strPeers := choose(e, append(peer.Strings(), peer.Floor[string, string]()), peer.ByEntries|peer.ByBytes)
	m := e.meter(t.name(), len(e.procs)*t.rounds*(len(intPeers)+len(strPeers)))
	results, err := measureAll(t, e.procs, m, ints, intPeers)
	if err != nil {
		return err
	}
	more, err := measureAll(t, e.procs, m, strs, strPeers)
	if err != nil {
		return err
	}
	results = append(results, more...)
	names := make([]string, 0, len(strPeers))
	for _, p := range strPeers {
		names = append(names, p.Name)
	}
	return t.report(e, names, results)
}

// A workload is what the caches are driven with.
type workload[K peer.Key, V any] struct {
	kind   string
	fill   []K // keys as often as they are asked for, to fill a cache with
	zipf   []K // the same, drawn anew: what a cache was filled with says nothing about them
	fresh  []K // as many other keys, once each: new again when all others have come in between
	values []V // a power of two of them
}

// newWorkload makes a workload of so many keys. A third of the ranks is for filling.
func newWorkload[K peer.Key, V any](kind string, keys int, ranks []uint32, key func(uint64) K, value func(uint64) V) workload[K, V] {
	w := workload[K, V]{kind: kind, values: make([]V, 1024)}
	every := make([]K, 2*keys)
	for i := range every {
		every[i] = key(uint64(i))
	}
	w.fresh = every[keys:]
	for i := range w.values {
		w.values[i] = value(uint64(i))
	}
	all := make([]K, len(ranks))
	for i, rank := range ranks {
		all[i] = every[rank]
	}
	w.fill, w.zipf = all[:len(all)/3], all[len(all)/3:]
	return w
}

// zipfRanks draws from 0 to keys-1 with the skew 1.01.
func zipfRanks(draws, keys int) []uint32 {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.01, 1, uint64(keys-1))
	ranks := make([]uint32, draws)
	for i := range ranks {
		ranks[i] = uint32(z.Uint64())
	}
	return ranks
}

// A result has the figures of one row: for each peer the nanoseconds of an operation and the
// fraction of reads that hit, one of each round.
type result struct {
	label string
	drops bool // whether peers that drop writes gain by it here
	ns    map[string][]float64
	hits  map[string][]float64
}

func (r *result) median(name string) (float64, bool) { return median(r.ns[name]) }

// fastest returns the peer to beat in this row, which the floor is not.
func (r *result) fastest(names []string) (name string, ns float64) {
	ns = math.Inf(1)
	for _, n := range names {
		if n == peer.Ours || n == floor || r.drops && mayDrop[n] {
			continue
		}
		if m, ok := r.median(n); ok && m < ns {
			name, ns = n, m
		}
	}
	return name, ns
}

// measureAll measures all peers under all traffics, on each number of processors.
func measureAll[K peer.Key, V any](t *throughput, all processors, m *meter, w workload[K, V], peers []peer.Peer[K, V]) ([]*result, error) {
	var results []*result
	for _, procs := range all {
		first := len(results)
		for _, kind := range traffics {
			results = append(results, &result{
				label: fmt.Sprintf("%s, %s, %d", w.kind, kind, procs),
				drops: kind.writes > 0 || kind.inserts,
				ns:    make(map[string][]float64), hits: make(map[string][]float64),
			})
		}
		for range t.rounds {
			for _, p := range peers {
				if err := measure(t, w, p, procs, results[first:]); err != nil {
					return nil, fmt.Errorf("%s: %w", p.Name, err)
				}
				m.step(fmt.Sprintf("%s of %s on %d", p.Name, w.kind, procs))
			}
		}
	}
	return results, nil
}

// measure builds a cache, fills it and adds one figure to each result.
func measure[K peer.Key, V any](t *throughput, w workload[K, V], p peer.Peer[K, V], procs int, results []*result) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	limits := peer.Limits[K, V]{TTL: time.Hour}
	if p.Modes&peer.ByEntries != 0 {
		limits.Entries = t.capacity
	} else {
		limits.Bytes = int64(t.capacity) * entryBytes
	}
	s, err := p.New(limits)
	if err != nil {
		return err
	}
	defer s.Close()
	for i, key := range w.fill {
		if _, ok := s.Get(key); !ok {
			s.Set(key, w.values[i&(len(w.values)-1)])
		}
	}
	s.Settle()
	for i, kind := range traffics {
		if p.Modes&peer.ReadOnly != 0 && (kind.writes > 0 || kind.inserts) {
			continue
		}
		runtime.GC()
		ns, hits := drive(s, w, kind, procs, t.time)
		results[i].ns[p.Name] = append(results[i].ns[p.Name], ns)
		results[i].hits[p.Name] = append(results[i].hits[p.Name], hits)
		s.Settle()
	}
	return nil
}

// drive lets so many goroutines loose on s and returns the time of an operation, as a
// user of all processors sees it, and the fraction of reads that hit.
func drive[K peer.Key, V any](s peer.Store[K, V], w workload[K, V], kind traffic, goroutines int, d time.Duration) (ns, hitRatio float64) {
	keys, writes := w.zipf, uint64(kind.writes)<<32/100
	if kind.inserts {
		keys, writes = w.fresh, 1<<32
	}
	var (
		group      sync.WaitGroup
		mu         sync.Mutex // guards the sums
		ops, reads int
		hits       int
	)
	begin := time.Now()
	for g := range goroutines {
		group.Go(func() {
			at := len(keys) / goroutines * g
			n, r, h := loop(s, keys, w.values, at, writes, begin.Add(d))
			mu.Lock()
			defer mu.Unlock()
			ops, reads, hits = ops+n, reads+r, hits+h
		})
	}
	group.Wait()
	return float64(time.Since(begin)) / float64(ops), float64(hits) / float64(reads)
}

// loop goes through keys from the one numbered at, until the time is over. It writes with the
// probability writes/2^32.
func loop[K peer.Key, V any](s peer.Store[K, V], keys []K, values []V, at int, writes uint64, until time.Time) (ops, reads, hits int) {
	random := uint64(at) | 1
	for {
		for range 1024 {
			if at++; at >= len(keys) {
				at = 0
			}
			random = random*6364136223846793005 + 1442695040888963407
			if random>>32 < writes {
				s.Set(keys[at], values[at&(len(values)-1)])
				continue
			}
			reads++
			if _, ok := s.Get(keys[at]); ok {
				hits++
			}
		}
		ops += 1024
		if time.Now().After(until) {
			return ops, reads, hits
		}
	}
}

func (t *throughput) report(e *env, names []string, results []*result) error {
	fmt.Fprintf(e.out, "## Throughput\n\n")
	fmt.Fprintf(e.out, "ns per operation, median of %d interleaved rounds of %v; wall time by all operations. Zipf 1.01 over\n", t.rounds, t.time)
	fmt.Fprintf(e.out, "%d keys, capacity %d (caches of bytes: %d bytes an entry), last number of a row: processors.\n", t.keys, t.capacity, entryBytes)
	fmt.Fprintf(e.out, "ristretto may drop writes, so it is not the one to beat where there are any; fastcache has no time to live. A map is no cache:\n")
	fmt.Fprintf(e.out, "nothing expires or is evicted or counted, and there is no lock. It says what a read costs at the least.\n\n")
	tab := table{header: append([]string{"row"}, names...)}
	tab.header = append(tab.header, "fastest peer / ours")
	bars := chart.Bars{Title: "Throughput: the time of the fastest peer by ours", Note: "Longer is better; at the dashed line both take the same time.", Mark: 1}
	sum, rows := 0.0, 0
	for _, r := range results {
		cells := []string{r.label}
		for _, name := range names {
			cells = append(cells, figure(r.median(name)))
		}
		ours, _ := r.median(peer.Ours)
		best, ns := r.fastest(names)
		if best == "" {
			tab.add(append(cells, "-")...)
			continue
		}
		ratio := ns / ours
		sum, rows = sum+math.Log(ratio), rows+1
		tab.add(append(cells, fmt.Sprintf("%.2f (%s)", ratio, best))...)
		class := chart.Ours
		if ratio < 1 {
			class = chart.Over
		}
		bars.Bars = append(bars.Bars, chart.Bar{Label: r.label, Value: ratio, Text: fmt.Sprintf("%.2f × %s", ratio, best), Class: class})
	}
	tab.print(e.out)
	if rows > 0 {
		mean := math.Exp(sum / float64(rows))
		fmt.Fprintf(e.out, "Geometric mean of the last column: %.2f\n\n", mean)
		bars.Bars = append(bars.Bars, chart.Bar{Label: "geometric mean", Value: mean, Text: fmt.Sprintf("%.2f", mean), Class: chart.Ours})
	}

	fmt.Fprintf(e.out, "Reads that hit, in per cent (a miss is often cheaper than a hit):\n\n")
	tab = table{header: append([]string{"row"}, names...)}
	for _, r := range results {
		cells := []string{r.label}
		for _, name := range names {
			hits, ok := median(r.hits[name])
			cells = append(cells, figure(100*hits, ok && !math.IsNaN(hits)))
		}
		if strings.Join(cells[1:], "") != strings.Repeat("-", len(names)) {
			tab.add(cells...)
		}
	}
	tab.print(e.out)
	return e.draw("throughput.svg", bars)
}

// median returns the middle of some numbers, and false if there are none.
func median(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2, true
}

// figure writes a number with one place after the point, or a dash for none.
func figure(value float64, ok bool) string {
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.1f", value)
}
