package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
)

// metrics measures what it costs to observe response times, to count by labels, and to read it all.
type metrics struct {
	rounds int
	time   time.Duration // for one figure of one round
	series int           // whose memory is measured
}

func newMetrics() *metrics {
	return &metrics{rounds: 9, time: 100 * time.Millisecond, series: 1000}
}

func (m *metrics) name() string { return "metrics" }

func (m *metrics) flags(set *flag.FlagSet) {
	set.DurationVar(&m.time, "metrics-time", m.time, "metrics: how long each is driven in each round")
}

func (m *metrics) run(e *env) error {
	observers := observersOf(e)
	var counters []peer.Counters
	for _, c := range peer.AllCounters() {
		if e.wants(c.Name) {
			counters = append(counters, c)
		}
	}
	var monitors []peer.Monitor
	for _, o := range peer.Monitors() {
		if e.wants(o.Name) {
			monitors = append(monitors, o)
		}
	}
	progress := e.meter(m.name(), m.rounds*(len(observers)+len(counters)+len(monitors))+len(observers))
	return errors.Join(m.observe(e, progress, observers), m.count(e, progress, counters), m.read(e, progress, monitors))
}

// observersOf returns the observers that were asked for.
func observersOf(e *env) (chosen []peer.Observer) {
	for _, o := range peer.Observers() {
		if e.wants(o.Name) {
			chosen = append(chosen, o)
		}
	}
	return chosen
}

// versionsOf returns the modules of the observers, and their versions.
func versionsOf(observers []peer.Observer) string {
	versions := built()
	var list []string
	for _, o := range observers {
		line := strings.TrimPrefix(o.Path, "github.com/") + " " + versions[o.Path]
		if o.Path != peer.OurPath && !slices.Contains(list, line) {
			list = append(list, line)
		}
	}
	return strings.Join(list, ", ")
}

// times returns 1,024 response times of a log-normal distribution: a median of 5 ms, and one in a hundred above
// 50 ms.
func times() []peer.Value {
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]peer.Value, 1<<10)
	for i := range values {
		values[i] = peer.ValueOf(time.Duration(5e6 * math.Exp(random.NormFloat64())))
	}
	return values
}

// observe prints what an observation costs, and how much memory a distribution takes.
func (m *metrics) observe(e *env, progress *meter, observers []peer.Observer) error {
	values := times()
	ns := make(map[string][]float64)
	for range m.rounds {
		for _, o := range observers {
			for _, procs := range e.procs {
				d, err := filled(o, values)
				if err != nil {
					return err
				}
				row := rowOf(o.Name, procs)
				ns[row] = append(ns[row], m.drive(procs, observing(d, values)))
				d.Close()
			}
			progress.step(o.Name)
		}
	}
	fmt.Fprintf(e.out, "## Response times\n\n%s\n\n", versionsOf(observers))
	fmt.Fprintf(e.out, "ns of an observation into one distribution by %s goroutines on as many processors, wall time by all observations, and how many times\n", e.procs.words())
	fmt.Fprintf(e.out, "that of ours of 1,024; the memory of each of %s distributions that have seen %s; and what their quantiles are of. Medians of %d rounds of %v.\n\n",
		humanize.Comma(int64(m.series)), humanize.Comma(int64(4*len(values))), m.rounds, m.time)
	tab := table{header: []string{"observer"}}
	for _, procs := range e.procs {
		tab.header = append(tab.header, "ns, "+strconv.Itoa(procs), "by ours")
	}
	tab.header = append(tab.header, "memory", "quantiles of")
	for _, o := range observers {
		row := []string{o.Name}
		for _, procs := range e.procs {
			row = append(row, m.ratio(ns, o.Name, procs)...)
		}
		memory, err := m.memory(o, values)
		if err != nil {
			return err
		}
		progress.step(o.Name + ", memory")
		tab.add(append(row, humanize.Bytes(uint64(max(memory, 0))), o.Window)...)
	}
	tab.print(e.out)
	nothing := m.drive(1, observing(idle{}, values))
	typical, worst := spread(ns)
	fmt.Fprintf(e.out, "Of all of these the loop takes %.1f ns on 1. The middle half of the rounds is %.0f %% of the median wide, and %.0f %% where it is widest.\n", nothing, typical, worst)
	for _, procs := range e.procs {
		best, least := "", math.Inf(1)
		for _, o := range observers {
			middle, _ := median(ns[rowOf(o.Name, procs)])
			if o.Path != peer.OurPath && o.Windowed() && middle < least {
				best, least = o.Name, middle
			}
		}
		if ours, _ := median(ns[rowOf(peer.Ours, procs)]); best != "" {
			fmt.Fprintf(e.out, "The fastest of the others that forgets what is old, on %d: %s, %.1f ns by %.1f ns, %.2f.\n", procs, best, least, ours, least/ours)
		}
	}
	fmt.Fprintln(e.out)
	return nil
}

// observing returns a function that observes the values numbered i up to end, beginning anew with the first
// where they end.
func observing(d interface{ Observe(peer.Value) }, values []peer.Value) func(i, end int) {
	return func(i, end int) {
		for ; i < end; i++ {
			d.Observe(values[i&(len(values)-1)])
		}
	}
}

// idle observes nothing: what remains is the loop.
type idle struct{}

func (idle) Observe(peer.Value) {}

// spread returns how wide the middle half of the figures of a row is, in per cent of their median: in the
// middle of all rows, and at most.
func spread(rows map[string][]float64) (typical, worst float64) {
	var all []float64
	for _, figures := range rows {
		sorted := slices.Sorted(slices.Values(figures))
		middle, _ := median(sorted)
		all = append(all, 100*(sorted[(3*len(sorted)-1)/4]-sorted[len(sorted)/4])/middle)
	}
	if len(all) == 0 {
		return 0, 0
	}
	typical, _ = median(all)
	return typical, slices.Max(all)
}

func rowOf(name string, procs int) string { return name + ", " + strconv.Itoa(procs) }

// ratio returns two cells: the median time of a name, and how many times that of ours it is.
func (m *metrics) ratio(ns map[string][]float64, name string, procs int) []string {
	middle, ok := median(ns[rowOf(name, procs)])
	ours, _ := median(ns[rowOf(peer.Ours, procs)])
	ratio := "-"
	if ok && name != peer.Ours {
		ratio = fmt.Sprintf("%.2f", middle/ours)
	}
	return []string{figure(middle, ok), ratio}
}

// filled returns a distribution that has seen the values four times.
func filled(o peer.Observer, values []peer.Value) (peer.Distribution, error) {
	d, err := o.New()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	observing(d, values)(0, 4*len(values))
	return d, nil
}

// drive returns the ns of each of the calls that f makes, those numbered i up to end, by so many goroutines on
// as many processors.
func (m *metrics) drive(procs int, f func(i, end int)) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	runtime.GC()
	var group sync.WaitGroup
	var ops atomic.Int64
	begin := time.Now()
	for g := range procs {
		group.Go(func() {
			n := 0
			for at := 511 * g; time.Since(begin) < m.time; n += 1024 {
				f(at+n, at+n+1024)
			}
			ops.Add(int64(n))
		})
	}
	group.Wait()
	return float64(time.Since(begin)) / float64(ops.Load())
}

// memory returns the bytes of a filled distribution.
func (m *metrics) memory(o peer.Observer, values []peer.Value) (int64, error) {
	all := make([]peer.Distribution, m.series)
	before := memoryOf(nil)
	for i := range all {
		d, err := filled(o, values)
		if err != nil {
			return 0, err
		}
		all[i] = d
	}
	growth := memoryOf(nil) - before
	for _, d := range all {
		d.Close()
	}
	return growth / int64(m.series), nil
}

// count prints what it costs to count by two labels.
func (m *metrics) count(e *env, progress *meter, counters []peer.Counters) error {
	pairs, statuses := labels()
	ns := make(map[string][]float64)
	for range m.rounds {
		for _, c := range counters {
			for _, procs := range e.procs {
				l, err := c.New(statuses)
				if err != nil {
					return fmt.Errorf("%s: %w", c.Name, err)
				}
				row := rowOf(c.Name, procs)
				ns[row] = append(ns[row], m.drive(procs, func(i, end int) {
					for ; i < end; i++ {
						l.Inc(&pairs[i&(len(pairs)-1)])
					}
				}))
				handles := make([]func(), len(pairs))
				for i := range pairs {
					handles[i] = l.Handle(&pairs[i])
				}
				row = rowOf(c.Name+handle, procs)
				ns[row] = append(ns[row], m.drive(procs, func(i, end int) {
					for ; i < end; i++ {
						handles[i&(len(handles)-1)]()
					}
				}))
			}
			progress.step(c.Name)
		}
	}
	fmt.Fprintf(e.out, "## Counters with labels\n\n")
	fmt.Fprintf(e.out, "ns to add one to the counter of an endpoint and a status, of %d such pairs in no order, by %s goroutines: looked up each time, and through a handle\n", distinct(pairs), e.procs.words())
	fmt.Fprintf(e.out, "that was looked up once. VictoriaMetrics looks up a name, which its documentation has the user make of the labels; + name: it was made before. Medians of %d rounds.\n\n", m.rounds)
	tab := table{header: []string{"counter"}}
	for _, how := range []string{"looked up", "handle"} {
		for _, procs := range e.procs {
			tab.header = append(tab.header, rowOf(how, procs), "by ours")
		}
	}
	for _, c := range counters {
		row := []string{c.Name}
		for _, procs := range e.procs {
			row = append(row, m.ratio(ns, c.Name, procs)...)
		}
		for _, procs := range e.procs {
			middle, ok := median(ns[rowOf(c.Name+handle, procs)])
			ours, _ := median(ns[rowOf(peer.Ours+handle, procs)])
			row = append(row, figure(middle, ok), fmt.Sprintf("%.2f", middle/ours))
		}
		tab.add(row...)
	}
	tab.print(e.out)
	typical, worst := spread(ns)
	fmt.Fprintf(e.out, "The middle half of the rounds is %.0f %% of the median wide, and %.0f %% where it is widest.\n\n", typical, worst)
	return nil
}

const handle = ", handle"

// labels returns 1,024 times one of the 50 pairs of ten endpoints and five statuses, and the statuses.
func labels() (pairs []peer.Pair, statuses []string) {
	statuses = []string{"200", "301", "404", "429", "500"}
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 1 << 10 {
		if i >= 50 {
			i = random.IntN(50)
		}
		pairs = append(pairs, peer.PairOf(endpointName(i/5), statuses[i%5]))
	}
	return pairs, statuses
}

func distinct(pairs []peer.Pair) int {
	seen := make(map[peer.Pair]bool)
	for _, p := range pairs {
		seen[p] = true
	}
	return len(seen)
}

func endpointName(i int) string { return fmt.Sprintf("GET /api/v1/things%d/{id}", i) }

// read prints what it costs to record a request, and to read what a full service has recorded.
func (m *metrics) read(e *env, progress *meter, monitors []peer.Monitor) error {
	type figures struct{ request, scrape, allocs, allocated, written []float64 }
	results := make(map[string]*figures)
	values := times()
	for range m.rounds {
		for _, monitor := range monitors {
			s, err := fullService(monitor, values)
			if err != nil {
				return fmt.Errorf("%s: %w", monitor.Name, err)
			}
			f := results[monitor.Name]
			if f == nil {
				f = new(figures)
				results[monitor.Name] = f
			}
			var b bytes.Buffer
			var failed error
			scrape := func(int) {
				b.Reset()
				if err := s.Scrape(&b); err != nil {
					failed = err
				}
			}
			names := make([]string, 1<<10)
			for i := range names {
				names[i] = endpointName(i % endpoints)
			}
			f.request = append(f.request, m.drive(1, func(i, end int) {
				for ; i < end; i++ {
					s.Request(names[i&(len(names)-1)], 200, values[i&(len(values)-1)])
				}
			}))
			ns, allocs, allocated := m.timed(scrape)
			f.scrape = append(f.scrape, ns/1e3)
			f.allocs = append(f.allocs, allocs)
			f.allocated = append(f.allocated, allocated)
			f.written = append(f.written, float64(b.Len()))
			if failed != nil {
				return fmt.Errorf("%s: %w", monitor.Name, failed)
			}
			progress.step(monitor.Name)
		}
	}
	fmt.Fprintf(e.out, "## A full service\n\n")
	fmt.Fprintf(e.out, "%d endpoints with their times and classes of status, and %d kinds of error: ns to record a request, the time to write all of it as Prometheus\n", endpoints, kinds)
	fmt.Fprintf(e.out, "text and what that allocates, on one processor. Ours has the totals of all endpoints, the error rate and the memory of the process besides. Medians of %d rounds.\n\n", m.rounds)
	tab := table{header: []string{"monitor", "request, ns", "text, µs", "allocations", "allocated", "text"}}
	for _, monitor := range monitors {
		f := results[monitor.Name]
		allocs, _ := median(f.allocs)
		allocated, _ := median(f.allocated)
		written, _ := median(f.written)
		tab.add(monitor.Name, figure(median(f.request)), figure(median(f.scrape)), humanize.Comma(int64(allocs)), humanize.Bytes(uint64(allocated)), humanize.Bytes(uint64(written)))
	}
	tab.print(e.out)
	return nil
}

const endpoints, kinds = 50, 100

// fullService returns a service that has seen requests of each class of status to each endpoint, and each kind
// of error.
func fullService(monitor peer.Monitor, values []peer.Value) (peer.Service, error) {
	s, err := monitor.New()
	if err != nil {
		return nil, err
	}
	for i := range endpoints {
		for n, v := range values { // more than any of them keeps
			s.Request(endpointName(i), 100*(1+n%5), v)
		}
	}
	for i := range kinds {
		s.Error(fmt.Sprintf("kind %d of error", i))
	}
	return s, nil
}

// timed returns what a call of f takes in ns, allocations and bytes, on one processor.
func (m *metrics) timed(f func(int)) (ns, allocs, allocated float64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	f(0)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, begin := 0, time.Now()
	for ; time.Since(begin) < m.time; n++ {
		f(n)
	}
	ns = float64(time.Since(begin)) / float64(n)
	runtime.ReadMemStats(&after)
	return ns, float64(after.Mallocs-before.Mallocs) / float64(n), float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
}
