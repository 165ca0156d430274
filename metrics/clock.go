package metrics

import (
	"sync/atomic"
	"time"
)

// A clock tells the time since it was made, as a number of nanoseconds that is
// never 0. Reading the system's clock takes
// longer than counting something, so that whoever counts often reads a copy,
// which a timer sets once in a period for as long as somebody looks at it. After
// a period in which nobody did, the timer is not armed again: what is idle costs
// nothing, and what is dropped is collected, for the timer knows the clock alone.
//
// The timer belongs to whoever made the clock run. In a synctest bubble that is
// the bubble, whose clock is then the one that is read.
type clock struct {
	base   time.Time
	period time.Duration // 0: always precise

	// coarse is the copy: negative until somebody looks at it, 0 when the clock is
	// not running.
	coarse atomic.Int64
	last   atomic.Int64 // the time at the last look at a clock that was not running
	timer  atomic.Pointer[time.Timer]
}

// The bounds of a clock's period. Timers are late by as much as 10 ms when all
// processors are busy, so that a shorter one would promise too much.
const (
	minClockPeriod = 10 * time.Millisecond
	maxClockPeriod = 100 * time.Millisecond
)

// newClock returns a clock whose coarse time is behind by accuracy at most, as
// long as timers fire in time.
func newClock(accuracy time.Duration) *clock {
	c := &clock{base: time.Now(), period: min(accuracy, maxClockPeriod)}
	if c.period < minClockPeriod {
		c.period = 0
	}
	return c
}

// precise returns the time since a nanosecond before the clock was made: 1 at
// least.
func (c *clock) precise() time.Duration { return max(time.Since(c.base), 0) + 1 }

// now returns a time that is not later than precise and not much before it.
func (c *clock) now() time.Duration {
	if t := c.coarse.Load(); t > 0 {
		return time.Duration(t)
	}
	return c.look()
}

// look is now for the first who looks in a period, and for a clock that is not
// running. Whoever looks a second time within a period makes it run; who looks seldom
// gets the precise time, and no timer.
func (c *clock) look() time.Duration {
	if t := c.coarse.Load(); t != 0 {
		if t < 0 {
			c.coarse.CompareAndSwap(t, -t) // another has looked, if not
		}
		return time.Duration(max(t, -t))
	}
	t := c.precise()
	if t-time.Duration(c.last.Swap(int64(t))) < c.period && c.coarse.CompareAndSwap(0, int64(t)) {
		timer := time.AfterFunc(1<<62, c.tick) // armed once tick can find it
		c.timer.Store(timer)
		timer.Reset(c.period)
	}
	return t
}

func (c *clock) tick() {
	if c.coarse.Swap(-int64(c.precise())) < 0 {
		c.coarse.Store(0) // nobody looked
		return
	}
	c.timer.Load().Reset(c.period)
}
