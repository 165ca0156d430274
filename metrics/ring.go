package metrics

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

const (
	defaultRingSize = 1000
	maxRingSize     = 1 << 24
	defaultMaxAge   = 5 * time.Minute
)

// RingConfig configures a [Ring]. Its zero value is usable.
type RingConfig struct {
	// Size is how many observations the ring holds. Zero means 1,000.
	// It must be between 1 and 16,777,216. Each takes 24 bytes.
	Size int

	// MaxAge is how long an observation counts. Zero means 5 minutes, because
	// quantiles that never age would freeze when traffic stops. To keep
	// observations until newer ones displace them, give a very long time.
	MaxAge time.Duration
}

// Validate reports the first field of c that breaks its rule, or nil.
func (c RingConfig) Validate() error {
	if c.Size < 0 || c.Size > maxRingSize {
		return fmt.Errorf("metrics: RingConfig.Size is %d, want 0 to %d", c.Size, maxRingSize)
	}
	if c.MaxAge < 0 {
		return fmt.Errorf("metrics: RingConfig.MaxAge is %v, want zero or more", c.MaxAge)
	}
	return nil
}

// A Ring keeps the last Size observations of a duration, none older than
// MaxAge, and answers exact order statistics over them.
//
// Writers never wait: when two of them meet on one slot, which takes a writer
// that falls a whole lap behind, one observation is dropped and counted in
// [RingSnapshot].Skipped.
type Ring struct {
	slots  []slot
	maxAge time.Duration
	start  time.Time

	next     atomic.Uint64 // observations so far, which is the ticket of the last one
	negative atomic.Uint64
	skipped  atomic.Uint64
}

// NewRing returns an empty ring, or the error of [RingConfig.Validate].
func NewRing(c RingConfig) (*Ring, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Size == 0 {
		c.Size = defaultRingSize
	}
	if c.MaxAge == 0 {
		c.MaxAge = defaultMaxAge
	}
	return newRing(c.Size, c.MaxAge, time.Now()), nil
}

func newRing(size int, maxAge time.Duration, start time.Time) *Ring {
	return &Ring{slots: make([]slot, size), maxAge: maxAge, start: start}
}

// Observe adds d to the ring, in place of the oldest observation once the ring
// is full. A negative d is dropped and counted.
// Observe is wait-free, takes constant time and does not allocate.
func (r *Ring) Observe(d time.Duration) {
	r.observe(time.Since(r.start), d)
}

// observe is Observe at now, a time since r.start.
func (r *Ring) observe(now, d time.Duration) {
	if d < 0 {
		r.negative.Add(1)
		return
	}
	ticket := r.next.Add(1)
	if !r.slots[ticket%uint64(len(r.slots))].write(ticket, now, d) {
		r.skipped.Add(1)
	}
}

// Snapshot returns the observations that count now, sorted.
// It takes O(n log n) time for n observations and one allocation, and delays
// no writer.
func (r *Ring) Snapshot() RingSnapshot {
	return r.snapshot(time.Since(r.start))
}

func (r *Ring) snapshot(now time.Duration) RingSnapshot {
	s := RingSnapshot{
		Observed: r.next.Load(),
		Negative: r.negative.Load(),
	}
	oldest := now
	s.sorted = make([]time.Duration, 0, min(uint64(len(r.slots)), s.Observed))
	var sum float64
	for i := range r.slots {
		at, d, state := r.slots[i].read()
		if state == slotBusy {
			s.Busy++
		}
		if state != slotFull || now-at > r.maxAge {
			continue
		}
		s.sorted = append(s.sorted, d)
		sum += float64(d)
		oldest = min(oldest, at)
	}
	s.Skipped = r.skipped.Load()
	slices.Sort(s.sorted)
	s.Count = len(s.sorted)
	if s.Count > 0 {
		s.Min, s.Max = s.sorted[0], s.sorted[s.Count-1]
		s.Mean = min(max(time.Duration(sum/float64(s.Count)), s.Min), s.Max)
		s.Age = now - oldest
	}
	return s
}

// RingSnapshot is what a [Ring] held at one moment. It does not change any more.
// Its zero value is an empty snapshot.
type RingSnapshot struct {
	Count int           // observations held: what all the figures rest on
	Min   time.Duration // smallest, 0 if there is none
	Max   time.Duration // largest, 0 if there is none
	Mean  time.Duration // arithmetic mean, 0 if there is none
	Age   time.Duration // age of the oldest observation held: the window really covered

	Observed uint64 // observations since the ring was made, negative ones apart
	Negative uint64 // observations dropped because they were negative
	Skipped  uint64 // observations dropped because another writer had their slot
	Busy     int    // slots left out of this snapshot because a writer was in them

	sorted []time.Duration
}

// Quantile returns the q-quantile by nearest rank: the smallest observation
// that at least q of all observations do not exceed. It is always a value that
// was observed, and never decreases with q. Quantile(0) is Min and Quantile(1)
// is Max; a q outside of 0 to 1 counts as the nearer of the two, and NaN as 0.
// Of no observations every quantile is 0.
// It takes constant time.
func (s RingSnapshot) Quantile(q float64) time.Duration {
	n := len(s.sorted)
	if n == 0 {
		return 0
	}
	if !(q > 0) { // NaN too
		return s.sorted[0]
	}
	if q >= 1 {
		return s.sorted[n-1]
	}
	return s.sorted[nearestRank(q, n)-1]
}

// nearestRank returns ceil(q*n) within 1 to n, for q in (0, 1). The product is
// taken down by less than a millionth of a rank, so that 0.07*100, which
// floating point makes 7.000000000000001, is rank 7.
func nearestRank(q float64, n int) int {
	rank := math.Ceil(q*float64(n) - 1e-9*q*float64(n))
	return min(max(int(rank), 1), n)
}
