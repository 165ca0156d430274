package main

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A storm is what all clients do together, and what they are told.
type storm struct {
	requests atomic.Uint64
	guesses  atomic.Uint64 // of passwords, each from the next address
	marks    atomic.Uint64 // submissions that programs sent
	over     atomic.Bool   // the finder has been told to end

	mu       sync.Mutex // guards what follows
	promised promises
	troubles []trouble
}

// A trouble is a request that was not answered as when all is well.
type trouble struct {
	kind         kind
	began, ended time.Time
	status       int    // 0: none came
	text         string // of the answer, or why none came
	always       bool   // it would be wrong while the database is away, too
}

func newStorm() *storm { return &storm{promised: make(promises)} }

// nextMark returns a key of a ministry that was never used before.
func (s *storm) nextMark() string { return markPrefix + strconv.FormatUint(s.marks.Add(1), 10) }

// kept notes that the finder has said that it keeps a submission, and with which mark.
func (s *storm) kept(id, mark string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.promised.add(id, mark)
}

// maxTroubleText bounds what is kept of an answer, in bytes.
const maxTroubleText = 300

func (s *storm) trouble(t trouble) {
	t.text = t.text[:min(len(t.text), maxTroubleText)]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubles = append(s.troubles, t)
}

func (s *storm) ending() bool { return s.over.Load() }

// A tally is how requests of one kind were answered.
type tally struct {
	times    []time.Duration
	statuses [6]int // by class; 0: none came
}

func (t *tally) add(a answered) {
	t.times = append(t.times, a.ended.Sub(a.began))
	t.statuses[a.status/100]++
}

func (t *tally) merge(other tally) {
	t.times = append(t.times, other.times...)
	for i, n := range other.statuses {
		t.statuses[i] += n
	}
}

// quantile returns the time that a share of the requests took at most. The times must be sorted.
func (t *tally) quantile(share float64) time.Duration {
	if len(t.times) == 0 {
		return 0
	}
	return t.times[int(share*float64(len(t.times)-1))]
}

// A blast is a storm that blows, from start to stop.
type blast struct {
	clients []*client
	calm    atomic.Bool
	blowing sync.WaitGroup
	began   time.Time
}

// guessers says that each third client guesses passwords.
const guessers = 3

// start has n clients visit the finder at base, again and again.
func (s *storm) start(ctx context.Context, base string, n int) *blast {
	b := &blast{began: time.Now()}
	for i := range n {
		c := newClient(base, s, s.requests.Load()+uint64(i))
		b.clients = append(b.clients, c)
		visit := c.visit
		if i%guessers == 0 {
			visit = c.guess
		}
		b.blowing.Go(func() {
			defer c.http.CloseIdleConnections()
			for !b.calm.Load() && !c.gone && ctx.Err() == nil {
				visit(ctx)
			}
		})
	}
	return b
}

// stop lets the clients end what they have begun, and returns what they saw, by kind.
func (b *blast) stop() (seen [kinds]tally, took time.Duration) {
	b.calm.Store(true)
	b.blowing.Wait()
	for _, c := range b.clients {
		for k := range seen {
			seen[k].merge(c.tallies[k])
		}
	}
	for k := range seen {
		slices.Sort(seen[k].times)
	}
	return seen, time.Since(b.began)
}
