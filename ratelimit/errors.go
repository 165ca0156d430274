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

// A BusyError is returned by [Tracker.Begin] and [Tracker.Check] when a source has as
// many charges in its window as are allowed, and is not locked out: attempts are open, or it may be one that the
// table had to forget.
type BusyError struct {
	Source     netip.Prefix
	RetryAfter time.Duration // until the oldest charge leaves the window; an attempt that ends may make room sooner
	Saturated  bool          // some of the charges may be those of another source
}

// Error names the source and says when it may try again at the latest.
func (e *BusyError) Error() string {
	return fmt.Sprintf("ratelimit: %v has too many attempts under way, want fewer or a wait of %v", e.Source, e.RetryAfter.Round(time.Second))
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
	wait int64 // nanoseconds
}

type verdictKind uint8

const (
	allowed   verdictKind = iota
	locked                // out
	busy                  // with charges of its own
	saturated             // with charges that may be those of others
)

func (v verdict) err(s source) error {
	switch v.kind {
	case allowed:
		return nil
	case locked:
		return &LockedError{Source: s.prefix(), RetryAfter: time.Duration(v.wait)}
	}
	return &BusyError{Source: s.prefix(), RetryAfter: time.Duration(v.wait), Saturated: v.kind == saturated}
}
