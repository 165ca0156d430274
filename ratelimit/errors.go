package ratelimit

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// A LockedError is returned by [Tracker.Begin] and [Tracker.Check] while a source is
// locked out.
type LockedError struct {
	Source     netip.Prefix
	RetryAfter time.Duration // until the lock-out ends
}

// Error names the source and says when it may try again.
func (e *LockedError) Error() string {
	return fmt.Sprintf("ratelimit: %v is locked out for another %v", e.Source, e.RetryAfter.Round(time.Second))
}

// A BusyError is returned by [Tracker.Begin] and [Tracker.Check] when a source is not
// locked out and yet may not be charged: see [Reason].
type BusyError struct {
	Source     netip.Prefix
	RetryAfter time.Duration // until the oldest charge leaves the window; an attempt that ends may make room sooner
	Saturated  bool          // Reason is TooManyRemembered: some of the charges may be those of another source
	Reason     Reason
}

// Error names the source and says when it may try again at the latest.
func (e *BusyError) Error() string {
	return fmt.Sprintf("ratelimit: %v has %v, want fewer or a wait of %v", e.Source, e.Reason, e.RetryAfter.Round(time.Second))
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
		return locked.RetryAfter, true
	case errors.As(err, &busy):
		return busy.RetryAfter, true
	}
	return 0, false
}

// A verdict is what the table says to an attempt.
type verdict struct {
	kind verdictKind
	bits uint8 // crowded: the length of the prefix
	wait int64 // nanoseconds
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
)

func (v verdict) err(s source) error {
	wait := time.Duration(v.wait)
	switch v.kind {
	case allowed:
		return nil
	case locked:
		return &LockedError{Source: s.prefix(), RetryAfter: wait}
	case saturated:
		return &BusyError{Source: s.prefix(), RetryAfter: wait, Saturated: true, Reason: TooManyRemembered}
	case exhausted:
		return &BusyError{Source: s.prefix(), RetryAfter: wait, Reason: TooManyLong}
	case slowed:
		return &BusyError{Source: s.prefix(), RetryAfter: wait, Reason: TooManyForAccount}
	case crowded:
		return &BusyError{Source: s.network(int(v.bits)), RetryAfter: wait, Reason: TooManyInPrefix}
	}
	return &BusyError{Source: s.prefix(), RetryAfter: wait, Reason: TooManyOpen}
}
