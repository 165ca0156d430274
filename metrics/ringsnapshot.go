package metrics

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// RingSnapshot is what a [Ring] held at one moment. It does not change any more.
// Its zero value is an empty snapshot.
type RingSnapshot[T Number] struct {
	Count int           // observations held: what all the figures rest on
	Min   T             // smallest, 0 if there is none
	Max   T             // largest, 0 if there is none
	Mean  T             // arithmetic mean, 0 if there is none
	Age   time.Duration // of the oldest observation held, to 1/50 of MaxAge: the window really covered

	Observed uint64 // observations since the ring was made
	Dropped  uint64 // further ones that were negative, infinite or not a number

	codes []uint64 // sorted
}

// Snapshot returns the observations that count now.
// It takes O(n log n) time for n observations and one allocation, and delays
// no writer and no other reader.
func (r *Ring[T]) Snapshot() RingSnapshot[T] { return r.snapshot(r.clock.precise(), nil) }

// snapshot is Snapshot at a time of r.clock, in the room that codes has behind it if that
// is enough.
func (r *Ring[T]) snapshot(at time.Duration, codes []uint64) RingSnapshot[T] {
	last := r.places.end()
	s := RingSnapshot[T]{Observed: r.places.taken(), Dropped: r.dropped.Load()}
	n := min(uint64(r.config.Size), last)
	if s.codes = codes[len(codes):]; uint64(cap(s.codes)) < n {
		s.codes = make([]uint64, 0, n)
	}
	now := int64(at) >> r.shift
	oldest, sum := int64(0), 0.0
	for i := last - n; i < last; i++ {
		place := r.at(i)
		w := word(place.Load())
		if w == 0 {
			continue // its writer is at work, or it was too old
		}
		if r.old(w, now) {
			place.CompareAndSwap(uint64(w), 0) // before it looks young again; see word.age
			continue
		}
		s.codes = append(s.codes, w.code())
		sum += float64(decode[T](w.code()))
		oldest = max(oldest, w.age(now))
	}
	s.Count = len(s.codes)
	if s.Count > 0 {
		slices.Sort(s.codes)
		s.Min, s.Max = decode[T](s.codes[0]), decode[T](s.codes[s.Count-1])
		s.Mean = mean(sum, s.Count, s.Min, s.Max)
		s.Age = time.Duration(oldest << r.shift)
	}
	return s
}

// most returns how many observations there may be at most by now.
func (r *Ring[T]) most() int { return int(min(uint64(r.config.Size), r.places.end())) }

// mean returns sum/n within least and most, which rounding could leave.
func mean[T Number](sum float64, n int, least, most T) T {
	switch m := sum / float64(n); {
	case m <= float64(least):
		return least
	case m >= float64(most): // also when the sum is infinite
		return most
	default:
		return T(m)
	}
}

// Quantile returns the q-quantile by nearest rank: the smallest observation
// that at least q of all observations do not exceed. It is always a value that
// was observed, and never decreases with q. Quantile(0) is Min and Quantile(1)
// is Max; a q outside of 0 to 1 counts as the nearer of the two, and NaN as 0.
// Of no observations every quantile is 0.
// It takes constant time.
func (s RingSnapshot[T]) Quantile(q float64) T {
	n := len(s.codes)
	switch {
	case n == 0:
		return 0
	case !(q > 0): // NaN too
		return s.Min
	case q >= 1:
		return s.Max
	}
	return decode[T](s.codes[nearestRank(q, n)-1])
}

// Enough reports whether Quantile(q) rests on enough observations to be taken
// for more than chance: whether ten at least are expected on either side of it.
// That takes 20 for the median, 200 for q = 0.95 and 1,000 for q = 0.99.
func (s RingSnapshot[T]) Enough(q float64) bool {
	const enough = 10 - 1e-9 // 1000*(1-0.99) is a little less than 10
	return float64(s.Count)*min(q, 1-q) >= enough
}

// nearestRank returns ceil(q*n) within 1 to n, for q in (0, 1). The product is
// taken down by what rounding may have added, so that 0.07*100, which
// floating point makes 7.000000000000001, is rank 7.
func nearestRank(q float64, n int) int {
	product := q * float64(n)
	return min(max(int(math.Ceil(product-product*0x1p-51)), 1), n)
}

// cached is the snapshot that [Ring.Cached] returns.
type cached[T Number] struct {
	latest atomic.Pointer[agingSnapshot[T]]
	mu     sync.Mutex // held by the one who takes the next
}

type agingSnapshot[T Number] struct {
	RingSnapshot[T]
	at time.Duration
}

// Cached returns a snapshot that is no older than CacheFor: for code that asks for
// a quantile with each request. One of the callers that find it too old takes a
// new one, which is as dear as Snapshot; the others meanwhile get the old one and
// wait for nothing, unless it is the first.
func (r *Ring[T]) Cached() RingSnapshot[T] {
	c := &r.cached
	now := r.clock.precise()
	s := c.latest.Load()
	if s != nil && now-s.at < r.config.CacheFor {
		return s.RingSnapshot
	}
	if s == nil {
		c.mu.Lock()
	} else if !c.mu.TryLock() {
		return s.RingSnapshot
	}
	defer c.mu.Unlock()
	if s = c.latest.Load(); s == nil || now-s.at >= r.config.CacheFor {
		now = r.clock.precise()
		s = &agingSnapshot[T]{r.snapshot(now, nil), now}
		c.latest.Store(s)
	}
	return s.RingSnapshot
}
