package monitor

import (
	"sync"
	"time"

	"github.com/ministryfinder/bounded/metrics"
)

// The charts show the last samples, 20 minutes of them.
const (
	sampleEvery = 2 * time.Second
	maxSamples  = int(20 * time.Minute / sampleEvery)
	maxWatchers = 32
)

// A Sample is what the charts show of one moment. What is not known is null.
type Sample struct {
	At         int64    `json:"at"` // milliseconds since 1970
	RSS        *int64   `json:"rss"`
	Heap       *int64   `json:"heap"`
	Limit      *int64   `json:"limit"` // of memory; null: none is known
	CacheBytes int64    `json:"cache_bytes"`
	Entries    int      `json:"entries"`
	HitRatio   *float64 `json:"hit_ratio"` // of the matches asked for since the sample before
	P50        *float64 `json:"p50"`       // milliseconds
	P95        *float64 `json:"p95"`
	P99        *float64 `json:"p99"`
	Rate       float64  `json:"rate"` // requests per second
}

// sample returns the figures of now.
func (m *Monitor) sample() Sample {
	memory := m.watch.State().Memory
	if m.parts.Memory == nil {
		memory = metrics.ReadMemory() // the watch looks less often
	}
	matches, _ := m.parts.Matcher.Stats()
	times := m.recorder.Times()
	s := Sample{
		At: time.Now().UnixMilli(), RSS: known(memory.RSS), Heap: known(memory.GoHeap), Limit: known(m.limit(memory)),
		CacheBytes: matches.Bytes, Entries: matches.Entries,
	}
	if times.Count > 0 {
		s.P50, s.P95, s.P99 = milliseconds(times.Quantile(0.5)), milliseconds(times.Quantile(0.95)), milliseconds(times.Quantile(0.99))
	}
	m.live.rates(&s, matches.Hits, matches.Misses, times.Observed)
	return s
}

// limit is the memory that the process may have: the least of what was set and what is known.
func (m *Monitor) limit(memory metrics.Memory) metrics.Bytes {
	least := metrics.Bytes{}
	for _, b := range []metrics.Bytes{metrics.BytesOf(int64(m.parts.Limits.Limit)), memory.CgroupLimit, memory.GoLimit, memory.SystemTotal} {
		n, ok := b.Get()
		if have, any := least.Get(); ok && n > 0 && (!any || n < have) {
			least = b
		}
	}
	return least
}

func known(b metrics.Bytes) *int64 {
	if n, ok := b.Get(); ok {
		return &n
	}
	return nil
}

func milliseconds(d time.Duration) *float64 {
	ms := float64(d) / float64(time.Millisecond)
	return &ms
}

// A live holds the last samples and those who watch them as they come.
type live struct {
	mu       sync.Mutex // guards what follows
	samples  [maxSamples]Sample
	n        int // ever added
	watchers map[chan Sample]struct{}
	closed   bool

	at                     time.Time // of the sample before
	hits, misses, observed uint64    // then
}

func newLive() *live { return &live{watchers: map[chan Sample]struct{}{}} }

// rates fills in what is the difference between s and the sample before.
func (l *live) rates(s *Sample, hits, misses, observed uint64) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if asked := hits + misses - l.hits - l.misses; asked > 0 && hits >= l.hits {
		ratio := float64(hits-l.hits) / float64(asked)
		s.HitRatio = &ratio
	}
	if took := now.Sub(l.at).Seconds(); !l.at.IsZero() && took > 0 && observed >= l.observed {
		s.Rate = float64(observed-l.observed) / took
	}
	l.at, l.hits, l.misses, l.observed = now, hits, misses, observed
}

// add keeps a sample and hands it to those who watch. Who is not ready for it misses it: nobody makes the
// janitor wait.
func (l *live) add(s Sample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.samples[l.n%maxSamples] = s
	l.n++
	for w := range l.watchers {
		select {
		case w <- s:
		default:
		}
	}
}

// list returns the samples, the oldest first.
func (l *live) list() []Sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := max(0, l.n-maxSamples)
	samples := make([]Sample, 0, l.n-first)
	for i := first; i < l.n; i++ {
		samples = append(samples, l.samples[i%maxSamples])
	}
	return samples
}

// watch returns a channel of the samples to come, which is closed when there are no more, and what ends it. It
// returns false if too many watch already.
func (l *live) watch() (samples <-chan Sample, end func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.watchers) == maxWatchers {
		return nil, nil, false
	}
	w := make(chan Sample, 1)
	l.watchers[w] = struct{}{}
	return w, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, w)
	}, true
}

// close ends all that is watched.
func (l *live) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for w := range l.watchers {
		close(w)
		delete(l.watchers, w)
	}
}

// Samples returns the last samples, the oldest first.
func (m *Monitor) Samples() []Sample { return m.live.list() }

// WatchSamples returns a channel of the samples to come, one each 2 s, which is closed when there are no more,
// and a function that ends it. It returns false if 32 watch already.
func (m *Monitor) WatchSamples() (samples <-chan Sample, end func(), ok bool) { return m.live.watch() }
