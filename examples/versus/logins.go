package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
)

// logins measures guards of sign-ins: what an attempt that fails costs, and how many guesses an attacker gets.
type logins struct {
	addresses int
	flood     int
	rounds    int
	time      time.Duration // for one figure of one round
	window    time.Duration // of the attacks that wait
	windows   int           // that the drip lasts
}

func newLogins() *logins {
	return &logins{addresses: 1000, flood: 1_000_000, rounds: 7, time: 100 * time.Millisecond, window: 50 * time.Millisecond, windows: 96}
}

func (l *logins) name() string { return "logins" }

func (l *logins) flags(set *flag.FlagSet) {
	set.IntVar(&l.flood, "flood", l.flood, "logins: `number` of addresses of a flood")
}

func address(n uint32) netip.Addr {
	var four [4]byte
	binary.BigEndian.PutUint32(four[:], n)
	return netip.AddrFrom4(four)
}

func (l *logins) run(e *env) error {
	var guards []peer.Guard
	for _, g := range peer.Guards() {
		if e.wants(g.Name) {
			guards = append(guards, g)
		}
	}
	m := e.meter(l.name(), len(guards)*(l.rounds+1))
	speed := table{header: []string{"guard", "refused, 1", "refused, 2", "let in, 1", "let in, 2", "flood"}}
	attacks := table{header: []string{"guard", "drip", "at the boundary", "at once", "flood, then again", "memory after the flood"}}
	for _, g := range guards {
		ns := make(map[string][]float64)
		for range l.rounds {
			for _, window := range []time.Duration{15 * time.Minute, letIn} {
				for _, procs := range []int{1, 2} {
					t, err := l.speed(g, window, procs)
					if err != nil {
						return fmt.Errorf("%s: %w", g.Name, err)
					}
					row := fmt.Sprint(window, procs)
					ns[row] = append(ns[row], t)
				}
			}
			t, err := l.floodSpeed(g)
			if err != nil {
				return fmt.Errorf("%s: %w", g.Name, err)
			}
			ns["flood"] = append(ns["flood"], t)
			m.step(g.Name)
		}
		cells := []string{g.Name}
		for _, row := range []string{fmt.Sprint(15*time.Minute, 1), fmt.Sprint(15*time.Minute, 2), fmt.Sprint(letIn, 1), fmt.Sprint(letIn, 2), "flood"} {
			cells = append(cells, figure(median(ns[row])))
		}
		speed.add(cells...)
		row, err := l.attack(g)
		if err != nil {
			return fmt.Errorf("%s: %w", g.Name, err)
		}
		attacks.add(append([]string{g.Name}, row...)...)
		m.step(g.Name + ", attacked")
	}
	fmt.Fprintf(e.out, "## Sign-ins\n\n")
	fmt.Fprintf(e.out, "ns of an attempt, by processors. Refused: %s addresses in turn, 5 in 15 minutes, so that all but the first of each are. Let in: the same, 5 in\n", humanize.Comma(int64(l.addresses)))
	fmt.Fprintf(e.out, "%v, so that most fail. Flood: another address each time. The others count requests; bounded begins and ends an attempt, and keeps a\n", letIn)
	fmt.Fprintf(e.out, "long window, networks and lock-outs. Medians of %d rounds.\n\n", l.rounds)
	speed.print(e.out)
	fmt.Fprintf(e.out, "Guesses that one address gets of a password where 5 in a window are allowed (the window is %v here, 15 minutes in life): 4 in each of %d\n", l.window, l.windows)
	fmt.Fprintf(e.out, "windows, a day; 5 at the end of a window and 5 in the next; 500 at the same time; 4, a flood of %s addresses, and 4 again:\n\n", humanize.Comma(int64(l.flood)))
	attacks.print(e.out)
	return nil
}

// letIn is a window so short that an address is out of it before its turn comes again.
const letIn = 200 * time.Microsecond

func (l *logins) speed(g peer.Guard, window time.Duration, procs int) (float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	attempt, done, err := g.New(5, window)
	if err != nil {
		return 0, err
	}
	defer done()
	var group sync.WaitGroup
	var ops atomic.Int64
	begin := time.Now()
	for p := range procs {
		group.Go(func() {
			n := 0
			for at := uint32(p * l.addresses / procs); time.Since(begin) < l.time; {
				for range 256 {
					at++
					attempt(address(10<<24 + at%uint32(l.addresses)*7919))
				}
				n += 256
			}
			ops.Add(int64(n))
		})
	}
	group.Wait()
	return float64(time.Since(begin)) / float64(ops.Load()), nil
}

func (l *logins) floodSpeed(g peer.Guard) (float64, error) {
	attempt, done, err := g.New(5, 15*time.Minute)
	if err != nil {
		return 0, err
	}
	defer done()
	n := uint32(0)
	begin := time.Now()
	for time.Since(begin) < l.time {
		for range 256 {
			n++
			attempt(address(1<<30 + n))
		}
	}
	return float64(time.Since(begin)) / float64(n), nil
}

// attack returns how many guesses each attack gets, and the memory that a flood leaves.
func (l *logins) attack(g peer.Guard) (row []string, err error) {
	victim := address(192<<24 | 2<<8 | 1)
	guess := func(attempt func(netip.Addr) bool, n int) (in int) {
		for range n {
			if attempt(victim) {
				in++
			}
		}
		return in
	}
	with := func(window time.Duration, attack func(attempt func(netip.Addr) bool) string) {
		if err != nil {
			return
		}
		attempt, done, e := g.New(5, window)
		if e != nil {
			err = e
			return
		}
		defer done()
		row = append(row, attack(attempt))
	}
	with(l.window, func(attempt func(netip.Addr) bool) string {
		in := 0
		for range l.windows {
			in += guess(attempt, 4)
			time.Sleep(l.window + l.window/20)
		}
		return humanize.Comma(int64(in))
	})
	with(l.window, func(attempt func(netip.Addr) bool) string { // the best that any phase gives
		most := 0
		for phase := range 10 {
			begin := time.Now()
			in := guess(attempt, 1) // begins a window, where windows begin with a request
			time.Sleep(time.Duration(phase)*l.window/11 + l.window/2 - time.Since(begin))
			in += guess(attempt, 5)
			time.Sleep(l.window / 2)
			in += guess(attempt, 5)
			most = max(most, in)
			time.Sleep(2 * l.window)
		}
		return humanize.Comma(int64(most))
	})
	with(15*time.Minute, func(attempt func(netip.Addr) bool) string {
		var group sync.WaitGroup
		var in atomic.Int64
		for range 500 {
			group.Go(func() {
				if attempt(victim) {
					in.Add(1)
				}
			})
		}
		group.Wait()
		return humanize.Comma(in.Load())
	})
	var memory string
	with(15*time.Minute, func(attempt func(netip.Addr) bool) string {
		before := heap()
		in := guess(attempt, 4)
		for n := range uint32(l.flood) {
			attempt(address(1<<30 + n))
		}
		in += guess(attempt, 4)
		memory = humanize.Bytes(uint64(max(heap()-before, 0)))
		runtime.KeepAlive(attempt)
		return humanize.Comma(int64(in))
	})
	return append(row, memory), err
}

// heap returns what is allocated after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
