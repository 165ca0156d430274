// Package coarse provides a clock that costs no more than a load to read, for those who look often and
// need no more than a millisecond.
package coarse

import (
	"sync/atomic"
	"time"
)

// Period is how often a clock in use is set.
const Period = time.Millisecond

// A Clock tells the time since its base, by the monotonic clock: setting the wall clock moves nothing. To read
// that costs as much as a look into a map, so there is a copy, which a timer sets once in a Period for as long
// as somebody looks at it. After a Period in which nobody did, the timer is not armed again and the copy is
// marked as stopped: a clock that nobody looks at costs nothing, and one that is dropped is collected, for the
// timer knows the clock alone.
//
// The copy is never ahead of the true time. It is behind by a Period at most while timers fire when they
// should; the runtime fires them late by about 10 ms when every processor is kept by a goroutine that does not
// yield.
//
// The timer belongs to whoever looked at a stopped clock first. In a synctest bubble that is the bubble,
// whose clock is then the one that is read. All methods may be called from any goroutine.
type Clock struct {
	base    time.Time
	copy    atomic.Int64 // zero: stopped
	looked  atomic.Uint32
	running atomic.Uint32 // zero: whoever makes it one starts the clock
	timer   atomic.Pointer[time.Timer]
	_       [16]byte // a line of its own: all read it, so nothing that is written often may be in it
}

// New returns a clock that is stopped. Its base must have a reading of the monotonic clock, as that of time.Now has.
func New(base time.Time) *Clock { return &Clock{base: base} }

// Precise returns the nanoseconds since the base, and one: so that it is never zero.
func (c *Clock) Precise() int64 { return max(0, int64(time.Since(c.base))) + 1 }

// Now returns a time that is not later than Precise. Who finds the clock stopped while another starts it gets
// the precise time, which may be a little later than what he gets next.
func (c *Clock) Now() int64 {
	if t := c.copy.Load(); t != 0 {
		if c.looked.Load() == 0 {
			c.looked.Store(1)
		}
		return t
	}
	return c.start()
}

// Peek is Now without a trace, or zero if the clock is stopped or about to be: then ask Now.
func (c *Clock) Peek() int64 {
	if c.looked.Load() == 0 {
		return 0
	}
	return c.copy.Load()
}

// Time returns a time of the clock as one of the world, by the wall clock as it is set now.
func (c *Clock) Time(t int64) time.Time {
	now := time.Now()
	return now.Add(time.Duration(t-1) - now.Sub(c.base))
}

// start starts the clock, unless somebody else does. The time is taken after it is known who does: if he had it
// before, and then lost his processor, it would be old.
func (c *Clock) start() int64 {
	if !c.running.CompareAndSwap(0, 1) {
		return c.Precise()
	}
	t := c.Precise()
	c.copy.Store(t)
	c.looked.Store(1)
	timer := time.AfterFunc(1<<62, c.tick) // armed once tick can find it
	c.timer.Store(timer)
	timer.Reset(Period)
	return t
}

func (c *Clock) tick() {
	if c.looked.Swap(0) == 0 {
		c.copy.Store(0)
		c.running.Store(0)
		return
	}
	c.copy.Store(c.Precise())
	c.timer.Load().Reset(Period)
}
