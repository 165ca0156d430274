package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/ratelimit"
)

const (
	answerBytes = 16 << 10            // how long an answer is
	cacheBytes  = 50 * humanize.MByte // what the cache of "after" may have
)

// A request is one of the traffic.
type request struct {
	key      string // of its answer
	endpoint string
	error    string // what goes wrong; empty: nothing
	addr     netip.Addr
	signIn   bool // with a wrong password
}

// A generator makes traffic: half of it asks for the same two hundred answers, the other half for ones that
// nobody asked for before; one in twenty signs in with a wrong password, each time from another address; one in
// fifty hits an endpoint that nobody knew of, and one in a hundred an error with a text of its own.
type generator struct {
	r *rand.Rand
	n int
}

func (g *generator) next() request {
	g.n++
	q := request{key: fmt.Sprint("answers-", g.n), endpoint: "/results"}
	if g.r.IntN(2) == 0 {
		q.key = fmt.Sprint("popular-", g.r.IntN(200))
	}
	var four [4]byte
	binary.BigEndian.PutUint32(four[:], g.r.Uint32())
	q.addr = netip.AddrFrom4(four)
	q.signIn = g.r.IntN(20) == 0
	if g.r.IntN(50) == 0 {
		q.endpoint = fmt.Sprint("/no-such-page/", g.n)
	}
	if g.r.IntN(100) == 0 {
		q.error = fmt.Sprint("cannot parse \"", g.n, "\"")
	}
	return q
}

// A sample is what an app looks like after so many requests.
type sample struct {
	Seconds                      float64
	Requests, Hits               int
	RSS                          uint64
	Cached                       int
	CacheBytes                   uint64
	Addresses, Endpoints, Errors int
}

// An app answers requests and remembers what it likes.
type app interface {
	serve(request) (hit bool)
	fill(*sample)
}

// serve drives an app, and prints a sample every few hundred requests until the memory or the requests are up.
func (p plan) serve(ctx context.Context, role string, out io.Writer) error {
	var a app
	var err error
	switch role {
	case "before":
		a = newBefore()
	case "after":
		a, err = newAfter()
	default:
		err = fmt.Errorf("-role is %q, want before or after", role)
	}
	if err != nil {
		return err
	}
	g := generator{r: rand.New(rand.NewPCG(p.seed, p.seed))}
	enc := json.NewEncoder(out)
	var s sample
	for {
		begin := time.Now()
		for range min(500, p.requests-s.Requests) {
			if a.serve(g.next()) {
				s.Hits++
			}
			s.Requests++
		}
		s.Seconds += time.Since(begin).Seconds()
		rss, known := metrics.ReadMemory().RSS.Get()
		if !known {
			return fmt.Errorf("the resident memory is unknown on this system")
		}
		s.RSS = uint64(rss)
		a.fill(&s)
		if err := enc.Encode(s); err != nil {
			return err
		}
		if s.Requests >= p.requests || s.RSS > p.limit || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// answer makes what a request asks for.
func answer(r request) []byte {
	b := make([]byte, answerBytes)
	copy(b, r.key)
	for i := len(r.key); i < len(b); i += 64 { // so that the pages are really there
		b[i] = byte(i)
	}
	return b
}

// before keeps all it ever saw, as the app of the incident did.
type before struct {
	cache     map[string][]byte
	attempts  map[netip.Addr][]time.Time
	requests  map[string]int
	durations map[string][]time.Duration
	errors    map[string]int
}

func newBefore() *before {
	return &before{
		cache: make(map[string][]byte), attempts: make(map[netip.Addr][]time.Time), requests: make(map[string]int),
		durations: make(map[string][]time.Duration), errors: make(map[string]int),
	}
}

func (b *before) serve(r request) bool {
	begin := time.Now()
	_, hit := b.cache[r.key]
	if !hit {
		b.cache[r.key] = answer(r)
	}
	if r.signIn {
		b.attempts[r.addr] = append(b.attempts[r.addr], begin)
	}
	if r.error != "" {
		b.errors[r.error]++
	}
	b.requests[r.endpoint]++
	b.durations[r.endpoint] = append(b.durations[r.endpoint], time.Since(begin))
	return hit
}

func (b *before) fill(s *sample) {
	s.Cached, s.CacheBytes = len(b.cache), uint64(len(b.cache))*answerBytes
	s.Addresses, s.Endpoints, s.Errors = len(b.attempts), len(b.requests), len(b.errors)
}

// after does the same with containers that have bounds.
type after struct {
	cache    *cache.Cache[string, []byte]
	attempts *ratelimit.Tracker
	recorder *metrics.Recorder
}

func newAfter() (*after, error) {
	answers, err := cache.New(cache.Config[string, []byte]{MaxEntries: 500, MaxBytes: cacheBytes, TTL: 5 * time.Minute})
	if err != nil {
		return nil, err
	}
	attempts, err := ratelimit.NewTracker(ratelimit.Config{})
	if err != nil {
		return nil, err
	}
	recorder, err := metrics.NewRecorder(metrics.RecorderConfig{})
	return &after{answers, attempts, recorder}, err
}

func (a *after) serve(r request) bool {
	begin := time.Now()
	_, hit := a.cache.Get(r.key)
	if !hit {
		a.cache.Set(r.key, answer(r))
	}
	if r.signIn {
		_ = a.attempts.Fail(r.addr)
	}
	if r.error != "" {
		a.recorder.Error(r.error)
	}
	a.recorder.Record(r.endpoint, 200, time.Since(begin))
	return hit
}

func (a *after) fill(s *sample) {
	shot := a.recorder.Snapshot()
	s.Cached, s.CacheBytes = a.cache.Len(), uint64(a.cache.Bytes())
	s.Addresses, s.Endpoints, s.Errors = a.attempts.Len(), len(shot.Endpoints), len(shot.Errors)
}
