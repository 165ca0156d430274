package cache

import (
	"time"

	"github.com/ministryfinder/bounded/internal/coarse"
)

// An instant is a time on a cache's own scale: units of 65.536 µs since the cache
// was made, by the monotonic clock. Setting the wall clock moves nothing.
type instant = int64

const (
	instantShift = 16 // a unit is 1<<16 ns

	// never is the deadline of an entry that does not expire. It is the largest
	// that a slot can hold; a TTL that would reach it, 36 years, is none.
	never instant = 1<<deadlineBits - 1

	// slack is how far the coarse clock is trusted: a deadline nearer than this is
	// decided by the precise one. See [coarse.Clock] for how late it may be.
	slack instant = int64(128*time.Millisecond) >> instantShift
)

// A clock tells the time of a cache. Reading the system's clock costs as much as
// the rest of a Get, so that most calls read the coarse one.
type clock struct{ *coarse.Clock }

// clockBytes is what a clock and its timer cost.
const clockBytes = 256

func newClock() clock { return clock{coarse.New(time.Now())} }

func instantOf(t int64) instant { return (t-1)>>instantShift + 1 }

// precise returns the time, one or later.
func (c clock) precise() instant { return instantOf(c.Precise()) }

// now returns a time that is not later than the true one, and behind it by a
// millisecond at most while timers fire when they should.
func (c clock) now() instant { return instantOf(c.Now()) }

// passed reports whether deadline has passed.
func (c clock) passed(deadline instant) bool {
	if deadline == never {
		return false
	}
	t := c.Peek()
	return (t == 0 || deadline-instantOf(t) <= slack) && c.passedNow(deadline)
}

// far reports whether deadline is so far away that the coarse clock can tell. If not, ask passed.
func (c clock) far(deadline instant) bool {
	t := c.Peek()
	return deadline-instantOf(t) > slack && (t != 0 || deadline == never)
}

// passedNow is passed for a clock that is stopped or about to be, and for a deadline that is near.
func (c clock) passedNow(deadline instant) bool {
	t := c.now()
	return deadline <= t || deadline-t <= slack && deadline <= c.precise()
}

// longTTL is the time to live from which a coarse start is good enough: a
// millisecond in a minute.
const longTTL = time.Minute

// after returns the deadline of what is to live for ttl from now; zero or less
// is for ever. See endOf.
func (c clock) after(ttl time.Duration) instant {
	switch {
	case ttl <= 0:
		return never
	case ttl < longTTL:
		return endOf(c.Precise(), ttl)
	}
	t := c.Peek() // which is inlined
	if t == 0 {
		t = c.Now()
	}
	return endOf(t, ttl)
}

// endOf returns the deadline of what is to live for ttl from t. The sum is rounded down, so that nothing lives
// too long, and not both of its parts, which might take two units.
func endOf(t int64, ttl time.Duration) instant {
	return min(int64((uint64(t)+uint64(ttl)-1)>>instantShift)+1, never)
}
