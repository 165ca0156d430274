package cache

import (
	"sync/atomic"
	"time"
)

// An instant is a time on a cache's own scale: units of 65.536 µs since the cache
// was made, by the monotonic clock. Setting the wall clock moves nothing.
type instant = int64

const (
	instantShift = 16 // a unit is 1<<16 ns

	// never is the deadline of an entry that does not expire. It is the largest
	// that a slot can hold; a TTL that would reach it, 36 years, is none.
	never instant = 1<<deadlineBits - 1

	// coarsePeriod is how often the coarse clock is set while it is in use.
	coarsePeriod = time.Millisecond

	// slack is how far the coarse clock is trusted: a deadline nearer than this is
	// decided by the precise one. The runtime fires a timer late by about 10 ms when every
	// processor is kept by a goroutine that does not yield.
	slack instant = int64(128*time.Millisecond) >> instantShift
)

// A clock tells the time of a cache. Reading the system's clock costs as much as
// the rest of a Get, so that most calls read a coarse copy instead, which a timer sets
// every millisecond for as long as somebody looks at it. After a millisecond in
// which nobody did, the timer is not armed again and the copy is marked stopped: an idle
// cache costs nothing, and a dropped one is collected, for the timer knows the
// clock alone.
//
// The timer belongs to whoever read a stopped clock first. In a synctest bubble
// that is the bubble, whose clock is then the one that is read.
type clock struct {
	base   time.Time
	coarse atomic.Int64 // zero: stopped
	looked atomic.Uint32
	timer  atomic.Pointer[time.Timer]
}

// clockBytes is what a clock and its timer cost.
const clockBytes = 256

func newClock() *clock { return &clock{base: time.Now()} }

// precise returns the time, one or later.
func (c *clock) precise() instant {
	return max(0, int64(time.Since(c.base))>>instantShift) + 1
}

// now returns a time that is not later than the true one, and behind it by a
// millisecond at most while timers fire when they should.
func (c *clock) now() instant {
	if t := c.coarse.Load(); t != 0 {
		if c.looked.Load() == 0 {
			c.looked.Store(1)
		}
		return t
	}
	return c.start()
}

func (c *clock) start() instant {
	t := c.precise()
	if c.coarse.CompareAndSwap(0, t) {
		c.looked.Store(1)
		timer := time.AfterFunc(1<<62, c.tick) // armed once tick can find it
		c.timer.Store(timer)
		timer.Reset(coarsePeriod)
	}
	return t
}

func (c *clock) tick() {
	if c.looked.Swap(0) == 0 {
		c.coarse.Store(0)
		return
	}
	c.coarse.Store(c.precise())
	c.timer.Load().Reset(coarsePeriod)
}

// passed reports whether deadline has passed.
func (c *clock) passed(deadline instant) bool {
	if deadline == never {
		return false
	}
	t := c.coarse.Load()
	return (t == 0 || deadline-t <= slack || c.looked.Load() == 0) && c.passedNow(deadline)
}

// passedNow is passed for a clock that is stopped or about to be, and for a deadline that is near.
func (c *clock) passedNow(deadline instant) bool {
	t := c.now()
	return deadline <= t || deadline-t <= slack && deadline <= c.precise()
}

// longTTL is the time to live from which a coarse start is good enough: a
// millisecond in a minute.
const longTTL = time.Minute

// after returns the deadline of what is to live for ttl from now; zero or less
// is for ever. It is rounded down, so that nothing lives too long.
func (c *clock) after(ttl time.Duration) instant {
	if ttl <= 0 {
		return never
	}
	now := c.now()
	if ttl < longTTL {
		now = c.precise()
	}
	return min(now+int64(ttl)>>instantShift, never)
}
