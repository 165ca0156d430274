package metrics

import "sync"

// A Counter counts. It is nearly as cheap as an atomic word while one goroutine
// counts at a time (3.6 ns against 2.2, EPYC), and when several do, it spreads over
// so many cache lines that they hardly hinder each other: 64 bytes each, four for
// each processor and 64 at most.
// Its zero value is ready. A Counter must not be copied.
type Counter struct{ s stripes }

// Inc adds 1.
func (c *Counter) Inc() { c.Add(1) }

// Add adds n. It is lock-free and allocates only to spread.
func (c *Counter) Add(n uint64) {
	if w := &c.s.mine()[0]; !addAlone(w, n) {
		c.s.meet(w, n)
	}
}

// Value returns the sum of all that was added. Of additions that go on meanwhile,
// it may have some and lack others.
func (c *Counter) Value() uint64 { return c.s.sum(0) }

// A Gauge is a number that rises and falls, such as of requests under way. Add is
// as cheap as that of a [Counter].
// Its zero value is ready and 0. A Gauge must not be copied.
type Gauge struct {
	s  stripes
	mu sync.Mutex // held by Set, so that two of them do not add up
}

// Add adds n, which may be negative. It is lock-free and allocates only to
// spread.
func (g *Gauge) Add(n int64) {
	if w := &g.s.mine()[0]; !addAlone(w, uint64(n)) {
		g.s.meet(w, uint64(n))
	}
}

// Set makes the value n. What is added meanwhile may count before or after it.
// It takes a lock that is shared with other calls of Set only.
func (g *Gauge) Set(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.s.first[0].Add(uint64(n) - g.s.sum(0))
}

// Value returns the value. Of additions that go on meanwhile, it may have some and
// lack others.
func (g *Gauge) Value() int64 { return int64(g.s.sum(0)) }
