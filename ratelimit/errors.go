package ratelimit

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
)

// A LockedError is returned by [Tracker.Begin] and [Tracker.Check] while a source is
// locked out. It is the same for all attempts in one lock-out: do not change it.
type LockedError struct {
	Source netip.Prefix
	Until  time.Time // when the lock-out ends
}

// RetryAfter returns how long it is until then, or zero if that has passed.
func (e *LockedError) RetryAfter() time.Duration { return max(0, time.Until(e.Until)) }

// Error names the source and says when it may try again.
func (e *LockedError) Error() string {
	return fmt.Sprintf("ratelimit: %v is locked out for another %v", e.Source, e.RetryAfter().Round(time.Second))
}

// A BusyError is returned by [Tracker.Begin] and [Tracker.Check] when a source is not
// locked out and yet may not be charged.
type BusyError struct {
	Source netip.Prefix
	Reason Reason
	Until  time.Time // when the oldest charge leaves the window; an attempt that ends may make room sooner
}

// RetryAfter returns how long it is until then, or zero if that has passed.
func (e *BusyError) RetryAfter() time.Duration { return max(0, time.Until(e.Until)) }

// Error names the source and says when it may try again at the latest.
func (e *BusyError) Error() string {
	return fmt.Sprintf("ratelimit: %v has %v, want fewer or a wait of %v", e.Source, e.Reason, e.RetryAfter().Round(time.Second))
}

// A Reason says why a source is denied that is not locked out.
type Reason uint8

const (
	TooManyOpen       Reason = iota + 1 // as many charges in the window as are allowed, with attempts that are under way
	TooManyRemembered                   // the same, with charges that may be those of a source that the table had to forget
	TooManyLong                         // Config.LongFailures in Config.LongWindow
	TooManyForAccount                   // Config.AccountFailures, from wherever: see [Tracker.BeginLogin]
	TooManyInPrefix                     // as many charges in a network as its [PrefixLimit]; BusyError.Source is the network
)

// String completes the sentence "the source has ...".
func (r Reason) String() string {
	switch r {
	case TooManyOpen:
		return "too many attempts under way"
	case TooManyRemembered:
		return "too many attempts remembered"
	case TooManyLong:
		return "too many failed attempts in the long window"
	case TooManyForAccount:
		return "too many failed attempts for the account"
	case TooManyInPrefix:
		return "too many failed attempts from its network"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// RetryAfter returns how long to wait after a [*LockedError] or [*BusyError] in err, and
// reports whether there is one.
func RetryAfter(err error) (time.Duration, bool) {
	var locked *LockedError
	var busy *BusyError
	switch {
	case errors.As(err, &locked):
		return locked.RetryAfter(), true
	case errors.As(err, &busy):
		return busy.RetryAfter(), true
	}
	return 0, false
}

// A verdict is what the table says to an attempt.
type verdict struct {
	kind  verdictKind
	bits  uint8 // crowded: the length of the prefix
	until int64 // when it will be another
}

type verdictKind uint8

const (
	allowed   verdictKind = iota
	locked                // out
	busy                  // with charges of its own
	saturated             // with charges that may be those of others
	exhausted             // the long window
	crowded               // a network
	slowed                // an account
	noRoom                // allowed, once another table gives a slot
)

var reasons = [...]Reason{
	busy: TooManyOpen, saturated: TooManyRemembered, exhausted: TooManyLong, crowded: TooManyInPrefix, slowed: TooManyForAccount,
}

// denial returns the error of a verdict on a source, which is not that it is locked out.
func (v verdict) denial(s source, c *clock) *BusyError {
	e := &BusyError{Source: s.prefix(), Reason: reasons[v.kind], Until: c.at(v.until)}
	if v.kind == crowded {
		e.Source = s.network(int(v.bits))
	}
	return e
}

// Refusals keep the errors of those who are locked out, one of each, for whoever is knocks often: a refusal then costs no
// allocation. They are of the first so many slots; those that come after share them.
type refusals []atomic.Pointer[refusal]

type refusal struct {
	LockedError
	source source
}

// mostRefusals are enough for all but the largest trackers, and keep what the collector has to look at small.
const mostRefusals = 1 << 14

func newRefusals(addresses int) refusals { return make(refusals, min(addresses, mostRefusals)) }

// get returns the error for the source in slot i.
func (r refusals) get(i uint32, s source, until int64, c *clock) *LockedError {
	cell := &r[int(i)%len(r)]
	if was := cell.Load(); was != nil && was.source == s && was.Until.Equal(c.at(until)) {
		return &was.LockedError
	}
	now := &refusal{LockedError{s.prefix(), c.at(until)}, s}
	cell.Store(now)
	return &now.LockedError
}
