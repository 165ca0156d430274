package cache

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A Config says what a cache may hold, and for how long. At least one of the two
// bounds must be given; the zero of every other field is its default.
type Config[K comparable, V any] struct {
	// MaxEntries is the largest number of entries. Zero: bounded by bytes alone.
	MaxEntries int

	// MaxBytes is the most memory that the cache takes, in bytes: keys, values and
	// everything that the cache itself is made of. Zero: bounded by entries alone.
	// New refuses a bound that has no room for a single small entry.
	MaxBytes int64

	// TTL is how long an entry lives after it was set. Zero: for ever.
	TTL time.Duration

	// Idle is how long an entry lives after it was last read or set, within its TTL. Zero: that does not
	// matter. It costs eight bytes for each entry. A read that meets the cache while it moves the entry,
	// because it grows or shrinks, may not count. A time of more than an eighth of a second is kept to a
	// millisecond, as a TTL of a minute is.
	Idle time.Duration

	// Jitter is the largest fraction by which the life of an entry is shortened at
	// random, so that what was set together does not expire together. It must be at
	// least zero and less than one.
	Jitter float64

	// MaxLoads is how many loads may run at a time. Further ones wait for their turn. Zero: 1,000.
	MaxLoads int

	// StaleFor is for how long after its end an entry is still returned by GetOrLoad, while it is
	// loaded anew behind. Get does not return it. Zero: not at all.
	StaleFor time.Duration

	// StaleIfError is for how long after its end an entry is returned by GetOrLoad if it cannot be
	// loaded anew, whatever the error is. What counts is when GetOrLoad was called. Zero: not at all.
	StaleIfError time.Duration

	// RefreshAhead is the fraction of TTL after which an entry that GetOrLoad returns is loaded anew behind. It
	// must be at least zero and less than one. Zero: it is not before its end. It goes by TTL: an entry with a
	// time to live of its own, shorter than the last part of TTL, is loaded anew whenever it is returned, one
	// load at a time.
	RefreshAhead float64

	// RefreshTimeout ends a load that began with nobody waiting; who has come to wait for it loads anew. Zero:
	// one minute.
	RefreshTimeout time.Duration

	// NegativeTTL is for how long an error of a loader is returned to all who ask for the key,
	// without a load. Zero: each asks anew. Set and Delete end it sooner; DeleteFunc and Clear do so for all keys.
	NegativeTTL time.Duration

	// NegativeIf says which errors NegativeTTL is for, as those that say that there is no such thing.
	// Nil: all but panics. It is called with no lock held.
	NegativeIf func(error) bool

	// Backoff is for how long a key is not loaded after a load of it failed with any other error, and twice
	// as long after each further failure, up to 64 times: its error, or an entry that StaleIfError
	// allows, is returned meanwhile. Zero: each asks anew.
	//
	// At most 1,000 failures are remembered, in at most a sixteenth of MaxBytes, but 16 to 256 KiB, or 48 at
	// least with Groups, which is part of Bytes from the beginning; an error counts as its text and 256 bytes,
	// and a key as by [SizeOf], though if Size is given nothing counts that a pointer in a key points to.
	Backoff time.Duration

	// Size returns how many bytes of the heap a key and its value hold beside their own
	// words: the length of a string, the capacity of a slice times the size of an
	// element, what a pointer points to. Nil: it is measured as [SizeOf] does,
	// which costs nothing to speak of for strings, byte slices and types without pointers. It is asked
	// for when the entry is set, and not again. A negative size counts as zero.
	Size func(key K, value V) int64

	// Groups allows [Cache.Group]. It costs eight bytes for each entry, and 16 KiB.
	Groups bool

	// KeyCodec and ValueCodec say how WriteTo encodes. Nil: strings and slices of bytes as they are, what has a
	// fixed size in binary, what implements [encoding.BinaryMarshaler] and its counterpart as that says, and
	// all else as JSON.
	KeyCodec   Codec[K]
	ValueCodec Codec[V]

	// OnRemove is called for each entry that leaves the cache and for each value that
	// is refused, on the goroutine whose call was the cause, before that call returns and
	// after the entry is gone. It is called with no lock held and may use the cache. Calls of one
	// goroutine come in the order of the removals; between goroutines there is no order. If it
	// panics, the caller gets that when all that it removed has been told; further panics meanwhile are dropped.
	OnRemove func(key K, value V, reason Reason)
}

// Validate returns an error that names the first field that is wrong, its value and
// what was wanted.
func (c Config[K, V]) Validate() error {
	switch {
	case c.TTL < 0:
		return fmt.Errorf("cache: Config.TTL is %v, want zero or more", c.TTL)
	case c.Idle < 0:
		return fmt.Errorf("cache: Config.Idle is %v, want zero or more", c.Idle)
	case !(c.Jitter >= 0 && c.Jitter < 1):
		return fmt.Errorf("cache: Config.Jitter is %v, want at least 0 and less than 1", c.Jitter)
	case c.MaxLoads < 0:
		return fmt.Errorf("cache: Config.MaxLoads is %d, want zero or more", c.MaxLoads)
	case c.StaleFor < 0:
		return fmt.Errorf("cache: Config.StaleFor is %v, want zero or more", c.StaleFor)
	case c.StaleIfError < 0:
		return fmt.Errorf("cache: Config.StaleIfError is %v, want zero or more", c.StaleIfError)
	case !(c.RefreshAhead >= 0 && c.RefreshAhead < 1):
		return fmt.Errorf("cache: Config.RefreshAhead is %v, want at least 0 and less than 1", c.RefreshAhead)
	case c.RefreshAhead > 0 && c.TTL == 0:
		return fmt.Errorf("cache: Config.RefreshAhead is %v of a TTL of 0, want a TTL", c.RefreshAhead)
	case c.RefreshTimeout < 0:
		return fmt.Errorf("cache: Config.RefreshTimeout is %v, want zero or more", c.RefreshTimeout)
	case c.NegativeTTL < 0:
		return fmt.Errorf("cache: Config.NegativeTTL is %v, want zero or more", c.NegativeTTL)
	case c.Backoff < 0:
		return fmt.Errorf("cache: Config.Backoff is %v, want zero or more", c.Backoff)
	case c.MaxEntries < 0 || c.MaxBytes < 0:
		return validateBounds("Config.", c.MaxEntries, c.MaxBytes, 0)
	}
	minimum := newEngine(&c).minimum
	return validateBounds("Config.", c.MaxEntries, c.MaxBytes, minimum)
}

// maxSlots is the most entries that a cache can hold: slots have 32-bit numbers.
const maxSlots = 1 << 30

func validateBounds(where string, maxEntries int, maxBytes, minimum int64) error {
	switch {
	case maxEntries < 0 || int64(maxEntries) > maxSlots:
		return fmt.Errorf("cache: %sMaxEntries is %d, want 0 to %d", where, maxEntries, maxSlots)
	case maxBytes < 0:
		return fmt.Errorf("cache: %sMaxBytes is %d, want zero or more", where, maxBytes)
	case maxEntries == 0 && maxBytes == 0:
		return fmt.Errorf("cache: %sMaxEntries and MaxBytes are both 0, want at least one bound", where)
	case maxBytes > 0 && maxBytes < minimum:
		return fmt.Errorf("cache: %sMaxBytes is %d, want at least %d, or nothing fits", where, maxBytes, minimum)
	}
	return nil
}

// shorten returns ttl less a random part of it, up to the fraction jitter.
func shorten(ttl time.Duration, jitter float64) time.Duration {
	return ttl - time.Duration(float64(ttl)*jitter*rand.Float64())
}
