package ratelimit

import (
	"sync/atomic"
	"time"
)

// coarsePeriod is how often the coarse clock is set while it is in use.
const coarsePeriod = time.Millisecond

// slack is how near the end of a lock-out is decided by the precise clock.
const slack = int64(time.Second)

// A clock tells the time of a tracker, in nanoseconds since its base, by the monotonic clock. To read that
// takes longer than to find a source that is locked out and to say so, and one that is locked out for an hour is so
// whatever millisecond it is. So there is a coarse copy, which a timer sets every millisecond for as long as
// somebody looks at it. It is never ahead of the true time: who trusts it may deny for too long, by less than the slack that he
// allows for, and nobody gets a charge by it, for charges are made by the precise clock.
//
// An idle clock has no timer, and one that is dropped is collected, for the timer knows the clock alone. The timer
// belongs to whoever looked at an idle clock first; in a synctest bubble that is the bubble.
type clock struct {
	base   time.Time
	ahead  atomic.Int64 // by how much the wall clock was ahead of the time, at the most: see wall
	coarse atomic.Int64 // zero: idle
	looked atomic.Uint32
	timer  atomic.Pointer[time.Timer]
}

// now returns the time, one or later: the table takes zero for never.
func (c *clock) now() int64 { return int64(time.Since(c.base)) + 1 }

// wall returns what a journal says instead of a time: that of the wall clock, in nanoseconds since 1970, except that it
// never goes back. A wall clock that is set back would otherwise date a later lock-out before an earlier one, and
// whoever reads both would think that the later had ended.
func (c *clock) wall(at, now int64) int64 {
	ahead := time.Now().UnixNano() - now
	for {
		was := c.ahead.Load()
		if ahead <= was {
			return at + was
		}
		if c.ahead.CompareAndSwap(was, ahead) {
			return at + ahead
		}
	}
}

// past returns a time that is not later than the true one.
func (c *clock) past() int64 {
	if at := c.coarse.Load(); at != 0 {
		if c.looked.Load() == 0 {
			c.looked.Store(1)
		}
		return at
	}
	return c.start()
}

func (c *clock) start() int64 {
	now := c.now()
	if c.coarse.CompareAndSwap(0, now) {
		c.looked.Store(1)
		timer := time.AfterFunc(1<<62, c.tick) // armed once tick can find it
		c.timer.Store(timer)
		timer.Reset(coarsePeriod)
	}
	return now
}

func (c *clock) tick() {
	if c.looked.Swap(0) == 0 {
		c.coarse.Store(0)
		return
	}
	c.coarse.Store(c.now())
	c.timer.Load().Reset(coarsePeriod)
}

// at returns a time of the table as one of the world.
func (c *clock) at(at int64) time.Time { return c.base.Add(time.Duration(at - 1)) }
