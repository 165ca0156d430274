package main

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
)

// tail measures how long single operations take while something large goes on beside them.
type tail struct {
	entries int
	time    time.Duration // how long it is measured
	names   []string
}

func newTail() *tail {
	return &tail{entries: 1_000_000, time: 2 * time.Second, names: []string{peer.Ours, "otter", "theine", "phuslu"}}
}

func (t *tail) name() string        { return "tail" }
func (t *tail) flags(*flag.FlagSet) {}

// A disturbance goes on beside the operations that are timed.
type disturbance struct {
	what string
	ttl  time.Duration
	// begin disturbs s until stop is closed. It returns false if s has nothing of the kind.
	begin func(s peer.Store[uint64, uint64], entries int, stop <-chan struct{}) bool
}

// disturbances are given a time to live that ends within the measurement if entries are to
// be swept in it.
func (t *tail) disturbances() []disturbance {
	return []disturbance{
		{"nothing", time.Hour, func(_ peer.Store[uint64, uint64], _ int, stop <-chan struct{}) bool { <-stop; return true }},
		{"expiry and sweep", 0, sweepAgain},
		{"resize", time.Hour, resizeAgain},
		{"collector", time.Hour, collectAgain},
	}
}

// sweepAgain calls for a sweep every 50 ms; phuslu has none to call, nor does theine, which
// has a goroutine for it.
func sweepAgain(s peer.Store[uint64, uint64], _ int, stop <-chan struct{}) bool {
	sweeper, ok := s.(peer.Sweeper)
	if !ok {
		<-stop
		return true
	}
	for {
		select {
		case <-stop:
			return true
		case <-time.After(50 * time.Millisecond):
			sweeper.Expire()
		}
	}
}

// resizeAgain takes the bound to and fro between all and half of the entries.
func resizeAgain(s peer.Store[uint64, uint64], entries int, stop <-chan struct{}) bool {
	resizer, ok := s.(peer.Resizer)
	if !ok {
		return false
	}
	for half := true; ; half = !half {
		select {
		case <-stop:
			return true
		case <-time.After(50 * time.Millisecond):
			if half {
				resizer.Resize(entries / 2)
			} else {
				resizer.Resize(entries)
			}
		}
	}
}

func collectAgain(_ peer.Store[uint64, uint64], _ int, stop <-chan struct{}) bool {
	for {
		select {
		case <-stop:
			return true
		default:
			runtime.GC()
		}
	}
}

func (t *tail) run(e *env) error {
	var peers []peer.Peer[uint64, uint64]
	for _, p := range choose(e, peer.All[uint64, uint64](), peer.ByEntries) {
		if slices.Contains(t.names, p.Name) {
			peers = append(peers, p)
		}
	}
	disturbances := t.disturbances()
	m := e.meter(t.name(), len(peers)*len(disturbances))
	fmt.Fprintf(e.out, "## Tail\n\n")
	fmt.Fprintf(e.out, "Microseconds of one operation in a cache of %s entries uint64 to uint64, timed one by one on one goroutine, Get and Set in\nturn, while another goroutine disturbs it. Taking the time costs some 0.05; what else runs on the machine is in the maximum.\n\n", humanize.Comma(int64(t.entries)))
	room := int(min(t.time/(200*time.Nanosecond), 1<<23)) // neither is as fast as that
	gets, sets := make([]time.Duration, 0, room), make([]time.Duration, 0, room)
	tab := table{header: []string{"disturbance", "cache", "Get p50", "p99", "p99.9", "max", "Set p50", "p99", "p99.9", "max"}}
	for _, d := range disturbances {
		for _, p := range peers {
			gets, sets, ok, err := t.disturbed(p, d, gets, sets)
			if err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			if ok {
				tab.add(append([]string{d.what, p.Name}, append(quantiles(gets), quantiles(sets)...)...)...)
			} else {
				tab.add(d.what, p.Name, "-", "-", "-", "-", "-", "-", "-", "-")
			}
			m.step(d.what + ", " + p.Name)
		}
	}
	tab.print(e.out)
	return nil
}

// disturbed fills a cache and times operations on a twentieth of its keys. The times
// are appended to gets and sets, as far as there is room.
func (t *tail) disturbed(p peer.Peer[uint64, uint64], d disturbance, gets, sets []time.Duration) (_, _ []time.Duration, ok bool, err error) {
	ttl := d.ttl
	if ttl == 0 {
		ttl = max(t.time/2, time.Second) // phuslu counts in seconds
	}
	s, err := p.New(peer.Limits[uint64, uint64]{Entries: t.entries, TTL: ttl})
	if err != nil {
		return nil, nil, false, err
	}
	defer s.Close()
	for i := range t.entries {
		s.Set(mix(uint64(i)), uint64(i))
	}
	s.Settle()
	runtime.GC()

	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() { ok = d.begin(s, t.entries, stop) })
	gets, sets = t.timed(s, gets, sets)
	close(stop)
	group.Wait()
	return gets, sets, ok, nil
}

// timed takes the time of Gets and Sets in turn, until the measurement is over or no
// room is left, so that it allocates nothing.
func (t *tail) timed(s peer.Store[uint64, uint64], gets, sets []time.Duration) (_, _ []time.Duration) {
	hot := uint64(max(t.entries/20, 1))
	now := time.Now()
	for until, i := now.Add(t.time), uint64(0); now.Before(until) && len(sets) < cap(sets); i++ {
		key := mix(mix(i) % hot)
		s.Get(key)
		read := time.Now()
		s.Set(key, i)
		written := time.Now()
		gets, sets = append(gets, read.Sub(now)), append(sets, written.Sub(read))
		now = written
	}
	return gets, sets
}

// quantiles sorts the times and writes the four that the table shows.
func quantiles(times []time.Duration) []string {
	slices.Sort(times)
	var cells []string
	for _, q := range []float64{0.5, 0.99, 0.999, 1} {
		at := min(int(q*float64(len(times))), len(times)-1)
		cells = append(cells, fmt.Sprintf("%.2f", float64(times[at])/1000))
	}
	return cells
}
