package ratelimit

import (
	"sync/atomic"
	"time"

	"github.com/ministryfinder/bounded/internal/coarse"
)

// slack is how near the end of a lock-out is decided by the precise clock.
const slack = int64(time.Second)

// A clock tells the time of a tracker, in nanoseconds since its base, by the monotonic clock. To read that
// takes longer than to find a source that is locked out and to say so, and one that is locked out for an hour
// is so whatever millisecond it is: that is decided by the coarse clock. Who trusts it may deny for too long,
// by less than the slack that he allows for, and nobody gets a charge by it, for charges are made by the
// precise clock.
type clock struct {
	*coarse.Clock
	zero  int64        // the time zero, in nanoseconds after origin
	asked atomic.Int64 // when past last read the precise clock
	ahead atomic.Int64 // by how much the wall clock was ahead of the time, at the most: see lead
	_     [32]byte     // a line of its own: all attempts read it, so nothing that is written often may be in it
}

func newClock(base time.Time) *clock {
	return &clock{Clock: coarse.New(base), zero: int64(base.Sub(origin)) - 1} // the base is one
}

// now returns the time, one or later: the table takes zero for never.
func (c *clock) now() int64 { return c.Precise() }

// past returns a time that is not later than the true one. To start the coarse clock allocates a timer, so that
// is only for those who knock often: others get the precise time.
func (c *clock) past() int64 {
	if t := c.Peek(); t != 0 {
		return t
	}
	now := c.now()
	if now-c.asked.Swap(now) < 2*int64(coarse.Period) {
		return c.Now()
	}
	return now
}

// at returns a time of the table as one of the world.
func (c *clock) at(at int64) time.Time { return c.Time(at) }

// told returns a time of the table as a refusal has it.
func (c *clock) told(at int64) int64 { return c.zero + at }

// wall returns what a journal says instead of a time: that of the wall clock, in nanoseconds since 1970, except
// that it never goes back. A wall clock that is set back would otherwise date a later lock-out before an
// earlier one, and whoever reads both would think that the later had ended.
func (c *clock) wall(at, now int64) int64 { return at + c.lead(now) }

// lead returns by how much the wall clock is ahead of the time, or was at the most.
func (c *clock) lead(now int64) int64 {
	ahead := time.Now().UnixNano() - now
	for {
		was := c.ahead.Load()
		if ahead <= was {
			return was
		}
		if c.ahead.CompareAndSwap(was, ahead) {
			return ahead
		}
	}
}
