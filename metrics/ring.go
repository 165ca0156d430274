package metrics

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	defaultRingSize = 1000
	maxRingSize     = 1 << 24
	defaultMaxAge   = 5 * time.Minute
	defaultCacheFor = time.Second
)

// RingConfig configures a [Ring]. Its zero value is usable.
type RingConfig struct {
	// Size is how many observations the ring holds. Zero means 1,000. It must be
	// at most 16,777,216. Each takes 8 bytes; the next power of two is allocated. Bytes
	// says what a ring takes in all.
	Size int

	// MaxAge is how long an observation counts, or less by up to 1/30. Zero means 5 minutes,
	// because quantiles that never age would freeze when traffic stops. To keep
	// observations until newer ones displace them, give a very long time. What nobody
	// has displaced, read or swept in 114,688 times MaxAge looks young again.
	MaxAge time.Duration

	// CacheFor is how old the snapshot may be that Cached returns. Zero means 1
	// second.
	CacheFor time.Duration
}

// Validate reports the first field of c that breaks its rule, or nil.
func (c RingConfig) Validate() error {
	if c.Size < 0 || c.Size > maxRingSize {
		return fmt.Errorf("metrics: RingConfig.Size is %d, want 0 to %d", c.Size, maxRingSize)
	}
	if c.MaxAge < 0 {
		return fmt.Errorf("metrics: RingConfig.MaxAge is %v, want zero or more", c.MaxAge)
	}
	if c.CacheFor < 0 {
		return fmt.Errorf("metrics: RingConfig.CacheFor is %v, want zero or more", c.CacheFor)
	}
	return nil
}

func (c RingConfig) withDefaults() RingConfig {
	c.Size = orDefault(c.Size, defaultRingSize)
	c.MaxAge = orDefault(c.MaxAge, defaultMaxAge)
	c.CacheFor = orDefault(c.CacheFor, defaultCacheFor)
	return c
}

// A Ring keeps the last Size observations, none older than MaxAge, and answers
// exact order statistics over them.
//
// With several writers at work, a snapshot may lack the observations that they are
// just making and have as many older ones instead. Once writers have competed for a
// ring of more than 64, each takes eight places at a time, so that a part of the
// observations, an eighth of 1,000 and a quarter of 65 at most, may be older than
// the last Size, by up to twice that.
//
// [NewRing] makes one for durations, the usual case, and [NewRingOf] one for any
// other figure.
type Ring[T Number] struct {
	config  RingConfig // with defaults filled in
	clock   *clock
	words   []atomic.Uint64 // a power of two of them
	shift   uint            // a tick is 1<<shift nanoseconds
	places  places
	dropped atomic.Uint64
	cached  cached[T]
	scratch scratch // of Quantiles
}

// NewRing returns an empty ring of durations, or the error of
// [RingConfig.Validate].
func NewRing(c RingConfig) (*Ring[time.Duration], error) { return NewRingOf[time.Duration](c) }

// NewRingOf returns an empty ring, or the error of [RingConfig.Validate]. It
// starts no goroutine and needs no Close.
func NewRingOf[T Number](c RingConfig) (*Ring[T], error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	return newRing[T](c, newClock(c.MaxAge/512)), nil
}

// newRing returns a ring that reads the time from a clock that others may share.
func newRing[T Number](c RingConfig, clock *clock) *Ring[T] {
	r := &Ring[T]{config: c, clock: clock}
	r.words = make([]atomic.Uint64, 1<<bits.Len(uint(c.Size-1)))
	r.places.size(len(r.words))
	r.shift = uint(max(bits.Len64(uint64(c.MaxAge))-7, 0)) // 64 to 127 ticks to MaxAge
	return r
}

// Observe adds v to the ring, in place of the oldest observation once the ring
// is full. An integer of 2^36 and more, which is a duration of 68 seconds and
// more, is kept to a billionth, and a fraction to two, a little too small. What is
// negative, infinite or not a number is dropped and counted; there is no other
// value that a ring cannot hold.
// Observe is wait-free, takes constant time and allocates only when writers that
// compete have to be spread.
func (r *Ring[T]) Observe(v T) { r.observe(r.clock.now(), v) }

// observe is Observe at now, a time of r.clock.
func (r *Ring[T]) observe(now time.Duration, v T) {
	code, ok := encode(v)
	if !ok {
		r.dropped.Add(1)
		return
	}
	w := uint64(newWord(code, int64(now)>>r.shift))
	if many := r.places.many.Load(); many != nil {
		r.write(many.mine(), w)
		return
	}
	n := r.places.single.Add(1)
	r.at(n).Store(w)
	if n%probeEvery == 0 && r.places.single.Load() != n {
		r.places.meet()
	}
}

// write writes w at the next place of a turn.
func (r *Ring[T]) write(t *turn, w uint64) {
	n := t.count.Add(1)
	r.at(r.places.placeOf(t, n)).Store(w)
	if n%probeEvery == 0 && t.count.Load() != n {
		r.places.meet()
	}
}

// at returns place n, which is also that of each number a multiple of the places later.
func (r *Ring[T]) at(n uint64) *atomic.Uint64 { return &r.words[n&uint64(len(r.words)-1)] }

// Sweep forgets the observations that are older than MaxAge, which count no more
// in any case, and returns how many there were. It takes time in proportion to
// Size and gives no memory back.
func (r *Ring[T]) Sweep() (removed int) {
	now, last := int64(r.clock.precise())>>r.shift, r.places.end()
	for n := range uint64(len(r.words)) {
		place := r.at(last - 1 - n)
		if w := place.Load(); w != 0 && r.old(word(w), now) && place.CompareAndSwap(w, 0) && n < uint64(r.config.Size) {
			removed++ // the others had been displaced
		}
	}
	return removed
}

// old reports whether an observation is, or by the end of a tick may be, older
// than MaxAge.
func (r *Ring[T]) old(w word, now int64) bool {
	return w.age(now) >= max(int64(r.config.MaxAge)>>r.shift, 1)
}
