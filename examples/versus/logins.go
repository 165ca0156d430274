package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
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
	million   int
	flood     int
	rounds    int
	time      time.Duration // for one figure of one round
	window    time.Duration // of the attacks that wait
	windows   int           // that the drip lasts
}

func newLogins() *logins {
	return &logins{addresses: 1000, million: 1_000_000, flood: 1_000_000, rounds: 7, time: 100 * time.Millisecond, window: 50 * time.Millisecond, windows: 96}
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
	few, all := clients(addresses(10<<24, 7919, l.addresses)), addresses(10<<24, 7919, l.million)
	many, ever := clients(all), clients(addresses(1<<30, 1, 1<<21))
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	again := clients(all) // in another order than they came in first
	loads := []struct {
		name   string
		config peer.GuardConfig
		first  []peer.Client // are known when the clock starts
		from   []peer.Client
	}{
		{"refused", peer.GuardConfig{Failures: 5, Window: 15 * time.Minute, Day: true}, nil, few},
		{"let in", peer.GuardConfig{Failures: 5, Window: letIn}, nil, few},
		{"flood", peer.GuardConfig{Failures: 5, Window: 15 * time.Minute, Day: true}, nil, ever},
		{"a million", peer.GuardConfig{Failures: 5, Window: letIn, Addresses: l.million}, many, again},
		{"in turn", peer.GuardConfig{Failures: 5, Window: letIn, Addresses: l.million}, many, many},
	}
	speed := table{header: []string{"guard"}}
	for _, load := range loads {
		speed.header = append(speed.header, load.name+", 1", load.name+", 2")
	}
	attacks := table{header: []string{"guard", "drip", "at the boundary", "at once", "flood, then again", "memory after the flood"}}
	for _, g := range guards {
		ns := make([][]float64, 2*len(loads))
		for range l.rounds {
			for n, load := range loads {
				for procs := 1; procs <= 2; procs++ {
					t, err := l.speed(g, load.config, procs, load.first, load.from)
					if err != nil {
						return fmt.Errorf("%s: %w", g.Name, err)
					}
					ns[2*n+procs-1] = append(ns[2*n+procs-1], t)
				}
			}
			m.step(g.Name)
		}
		cells := []string{g.Name}
		for _, times := range ns {
			cells = append(cells, figure(median(times)))
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
	fmt.Fprintf(e.out, "ns of an attempt that fails, by processors: the time divided by the attempts of all. Refused: %s addresses in turn, 5 in 15 minutes, so that\n", humanize.Comma(int64(l.addresses)))
	fmt.Fprintf(e.out, "all but the first of each are. Let in: the same, 5 in %v, so that most are. Flood: another address each time. A million: %s,\n", letIn, humanize.Comma(int64(l.million)))
	fmt.Fprintf(e.out, "which are all known, let in, in another order than they came in at first, and in that. The others count requests in one call; bounded begins and ends an attempt, in one call or in two, and keeps networks and lock-outs.\n")
	fmt.Fprintf(e.out, "An address is a netip.Addr for bounded and x/time/rate and text for the others, which all have it before. Medians of %d rounds.\n\n", l.rounds)
	speed.print(e.out)
	fmt.Fprintf(e.out, "Guesses that one address gets of a password where 5 in a window are allowed (the window is %v here, 15 minutes in life): 4 in each of %d\n", l.window, l.windows)
	fmt.Fprintf(e.out, "windows, a day; 5 at the end of a window and 5 in the next; 500 at the same time; 4, a flood of %s addresses, and 4 again:\n\n", humanize.Comma(int64(l.flood)))
	attacks.print(e.out)
	return nil
}

// letIn is a window so short that hardly an address has five attempts in it before its turn is over.
const letIn = 200 * time.Microsecond

func addresses(first, step uint32, n int) []netip.Addr {
	all := make([]netip.Addr, n)
	for i := range all {
		all[i] = address(first + uint32(i)*step)
	}
	return all
}

// clients returns those of addresses, whose texts are in memory in the order in which they come.
func clients(addrs []netip.Addr) []peer.Client {
	all := make([]peer.Client, len(addrs))
	for i, addr := range addrs {
		all[i] = peer.NewClient(addr)
	}
	return all
}

func (l *logins) speed(g peer.Guard, config peer.GuardConfig, procs int, first, from []peer.Client) (float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	attempt, done, err := g.New(config)
	if err != nil {
		return 0, err
	}
	defer done()
	for _, client := range first {
		attempt(client)
	}
	var group sync.WaitGroup
	var ops atomic.Int64
	begin := time.Now()
	for p := range procs {
		group.Go(func() {
			n := 0
			for at := p * len(from) / procs; time.Since(begin) < l.time; n += 256 {
				for range 256 {
					if at++; at >= len(from) {
						at = 0
					}
					attempt(from[at])
				}
			}
			ops.Add(int64(n))
		})
	}
	group.Wait()
	return float64(time.Since(begin)) / float64(ops.Load()), nil
}

// attack returns how many guesses each attack gets, and the memory that a flood leaves.
func (l *logins) attack(g peer.Guard) (row []string, err error) {
	victim := peer.NewClient(address(192<<24 | 2<<8 | 1))
	guess := func(attempt func(peer.Client) bool, n int) (in guesses) {
		for range n {
			if begin := time.Now(); attempt(victim) {
				in = append(in, [2]time.Time{begin, time.Now()})
			}
		}
		return in
	}
	with := func(window time.Duration, attack func(attempt func(peer.Client) bool) string) {
		if err != nil {
			return
		}
		attempt, done, e := g.New(peer.GuardConfig{Failures: 5, Window: window, Day: true})
		if e != nil {
			err = e
			return
		}
		defer done()
		row = append(row, attack(attempt))
	}
	with(l.window, func(attempt func(peer.Client) bool) string {
		in := 0
		for range l.windows {
			in += len(guess(attempt, 4))
			time.Sleep(l.window + l.window/20)
		}
		return humanize.Comma(int64(in))
	})
	with(l.window, func(attempt func(peer.Client) bool) string { // the best that any phase gives
		most := 0
		for phase := range 10 {
			begin := time.Now()
			in := guess(attempt, 1) // begins a window, where windows begin with a request
			time.Sleep(time.Duration(phase)*l.window/11 + l.window/2 - time.Since(begin))
			in = append(in, guess(attempt, 5)...)
			time.Sleep(l.window / 2)
			in = append(in, guess(attempt, 5)...)
			most = max(most, in.within(l.window))
			time.Sleep(2 * l.window)
		}
		return humanize.Comma(int64(most))
	})
	with(15*time.Minute, func(attempt func(peer.Client) bool) string {
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
	with(15*time.Minute, func(attempt func(peer.Client) bool) string {
		before := heap()
		in := len(guess(attempt, 4))
		for n := range uint32(l.flood) {
			attempt(peer.NewClient(address(1<<30 + n)))
		}
		in += len(guess(attempt, 4))
		memory = humanize.Bytes(uint64(max(heap()-before, 0)))
		runtime.KeepAlive(attempt)
		return humanize.Comma(int64(in))
	})
	return append(row, memory), err
}

// guesses are attempts that were let in, in order: when each began and when it had ended.
type guesses [][2]time.Time

// within returns the most that were certainly in one window. On a busy machine they come later than they were
// meant to, so the clock decides and not the plan.
func (g guesses) within(window time.Duration) (most int) {
	for i := range g {
		for j := i; j < len(g) && (j == i || g[j][1].Sub(g[i][0]) < window); j++ {
			most = max(most, j-i+1)
		}
	}
	return most
}

// heap returns what is allocated after a collection: after two, as what has a finalizer is freed by the second.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
