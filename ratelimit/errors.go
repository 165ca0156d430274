package ratelimit

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// A LockedError is returned by [Tracker.Begin] and [Tracker.Check] while a source is
// locked out. It is the same for all attempts in one lock-out, and stays as it is, whatever becomes of the source.
type LockedError refusal

// Source returns who is locked out.
func (e *LockedError) Source() netip.Prefix { return source(e.what).prefix() }

// Until returns when the lock-out ends.
func (e *LockedError) Until() time.Time { return (*refusal)(e).end() }

// RetryAfter returns how long it is until then, or zero if that has passed.
func (e *LockedError) RetryAfter() time.Duration { return (*refusal)(e).wait() }

// Error names the source and says when it may try again.
func (e *LockedError) Error() string {
	return fmt.Sprintf("ratelimit: %v is locked out for another %v", e.Source(), e.RetryAfter().Round(time.Second))
}

// A BusyError is returned by [Tracker.Begin] and [Tracker.Check] when a source is not locked out and yet may
// not be charged. It does not say which source that is: all who are denied for the same reason until the same
// time may get the same error.
type BusyError refusal

// Reason returns why the source is denied.
func (e *BusyError) Reason() Reason { return Reason(e.what) }

// Bits returns the length of the prefix of the network that has too many charges, if the reason is
// [TooManyInPrefix], and otherwise zero. It is one of Config.Prefixes.
func (e *BusyError) Bits() int { return int(e.what >> 8) }

// Until returns when the reason has passed at the latest: when enough charges have left the window. An attempt
// that ends may make room sooner, and another reason may hold by then. Where strangers share an error, with
// [TooManyRemembered] and [TooManyForAccount], it is rounded up: by less than a twenty-fifth of the window, if
// that is a minute or more, or of the time between two attempts at an account, and where more than these is
// left, by about a sixteenth of what is left.
func (e *BusyError) Until() time.Time { return (*refusal)(e).end() }

// RetryAfter returns how long it is until then, or zero if that has passed.
func (e *BusyError) RetryAfter() time.Duration { return (*refusal)(e).wait() }

// Error says why the source is denied, and when it may try again at the latest.
func (e *BusyError) Error() string { return "ratelimit: the source " + e.sentence() }

// sentence says of a source why it is denied.
func (e *BusyError) sentence() string {
	return fmt.Sprintf("has %v, want fewer or a wait of %v", e.Reason(), e.RetryAfter().Round(time.Second))
}

// A Reason says why a source is denied that is not locked out.
type Reason uint8

const (
	TooManyOpen       Reason = iota + 1 // as many charges in the window as are allowed, with attempts that are under way
	TooManyRemembered                   // the same, with charges that may be those of a source that the table had to forget
	TooManyLong                         // Config.LongFailures in Config.LongWindow
	TooManyForAccount                   // Config.AccountFailures, from wherever: see [Tracker.BeginLogin]
	TooManyInPrefix                     // as many charges in a network as its [PrefixLimit]: see [BusyError.Bits]
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
	switch e := err.(type) { // errors.As allocates
	case *LockedError:
		return e.RetryAfter(), true
	case *BusyError:
		return e.RetryAfter(), true
	}
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
