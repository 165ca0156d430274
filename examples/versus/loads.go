package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
)

// loads measures caches that load what they lack: what a hit and a miss cost when the loader takes no
// time, and what a herd that asks for one key costs.
type loads struct {
	entries int
	rounds  int
	time    time.Duration // for one figure of one round
	herd    int
}

func newLoads() *loads {
	return &loads{entries: 10_000, rounds: 5, time: 100 * time.Millisecond, herd: 10_000}
}

func (l *loads) name() string { return "loads" }

func (l *loads) flags(set *flag.FlagSet) {
	set.IntVar(&l.herd, "herd", l.herd, "loads: `number` of goroutines that ask for one key")
}

func (l *loads) run(e *env) error {
	var peers []peer.Loading
	for _, p := range peer.Loadings() {
		if e.wants(p.Name) {
			peers = append(peers, p)
		}
	}
	m := e.meter(l.name(), len(peers)*l.rounds)
	type figures struct {
		ns    map[string][]float64 // by column
		calls int
	}
	columns := []string{"hit, 1", "hit, 2", "miss, 1", "miss, 2", "herd, ms"}
	results := make(map[string]*figures)
	for range l.rounds {
		for _, p := range peers {
			f := results[p.Name]
			if f == nil {
				f = &figures{ns: make(map[string][]float64)}
				results[p.Name] = f
			}
			for _, procs := range []int{1, 2} {
				hit, miss, err := l.measure(p, procs)
				if err != nil {
					return fmt.Errorf("%s: %w", p.Name, err)
				}
				suffix := ", " + strconv.Itoa(procs)
				f.ns["hit"+suffix] = append(f.ns["hit"+suffix], hit)
				f.ns["miss"+suffix] = append(f.ns["miss"+suffix], miss)
			}
			ms, calls, err := l.stampede(p)
			if err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			f.ns["herd, ms"] = append(f.ns["herd, ms"], ms)
			f.calls = max(f.calls, calls)
			m.step(p.Name)
		}
	}
	fmt.Fprintf(e.out, "## Loads\n\n")
	fmt.Fprintf(e.out, "ns of a call that finds its key, and of one that calls a loader that takes no time and has to evict, in a cache of %s entries with a\n", humanize.Comma(int64(l.entries)))
	fmt.Fprintf(e.out, "time to live, on 1 and 2 processors; and the time until %s goroutines have a key that takes 1 ms to load, with the\n", humanize.Comma(int64(l.herd)))
	fmt.Fprintf(e.out, "most calls of the loader for it. Medians of %d rounds.\n\n", l.rounds)
	tab := table{header: append(append([]string{"cache"}, columns...), "calls")}
	for _, p := range peers {
		f := results[p.Name]
		row := []string{p.Name}
		for _, c := range columns {
			row = append(row, figure(median(f.ns[c])))
		}
		tab.add(append(row, strconv.Itoa(f.calls))...)
	}
	tab.print(e.out)
	return nil
}

// measure returns the ns of a hit and of a miss.
func (l *loads) measure(p peer.Loading, procs int) (hit, miss float64, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	get, done, err := p.New(l.entries, time.Hour, func(context.Context, string) (uint64, error) { return 1, nil })
	if err != nil {
		return 0, 0, err
	}
	defer done()
	keys := make([]string, 64*l.entries)
	for i := range keys {
		keys[i] = "key " + strconv.Itoa(i)
	}
	hot := keys[:l.entries/100]
	if hit, err = l.ask(get, hot, procs); err != nil {
		return 0, 0, err
	}
	miss, err = l.ask(get, keys[l.entries/100:], procs)
	return hit, miss, err
}

// ask asks for the keys in turn until the time is over.
func (l *loads) ask(get peer.Load, keys []string, procs int) (float64, error) {
	var group sync.WaitGroup
	var ops atomic.Int64
	var failed atomic.Pointer[error]
	ctx := context.Background()
	begin := time.Now()
	for g := range procs {
		group.Go(func() {
			n := 0
			for at := len(keys) / procs * g; time.Since(begin) < l.time; {
				for range 256 {
					if at++; at >= len(keys) {
						at = 0
					}
					if _, err := get(ctx, keys[at]); err != nil {
						failed.Store(&err)
						return
					}
				}
				n += 256
			}
			ops.Add(int64(n))
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(time.Since(begin)) / float64(ops.Load()), nil
}

// stampede returns how many milliseconds a herd takes, and how often the loader was called.
func (l *loads) stampede(p peer.Loading) (ms float64, calls int, err error) {
	var n atomic.Int64
	get, done, err := p.New(l.entries, time.Hour, func(context.Context, string) (uint64, error) {
		n.Add(1)
		time.Sleep(time.Millisecond)
		return 1, nil
	})
	if err != nil {
		return 0, 0, err
	}
	defer done()
	var group sync.WaitGroup
	start := make(chan struct{})
	for range l.herd {
		group.Go(func() {
			<-start
			_, _ = get(context.Background(), "key")
		})
	}
	begin := time.Now()
	close(start)
	group.Wait()
	return float64(time.Since(begin)) / 1e6, int(n.Load()), nil
}
