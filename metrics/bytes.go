package metrics

import (
	"strconv"

	"github.com/dustin/go-humanize"
)

// Bytes is an amount of memory that may be unknown, which is not the same as
// zero, or, for a limit, unlimited. The zero value is unknown.
type Bytes struct {
	n     int64
	state bytesState
}

type bytesState uint8

const (
	bytesUnknown bytesState = iota
	bytesKnown
	bytesUnlimited
)

// Unlimited is the limit that is known not to exist.
var Unlimited = Bytes{state: bytesUnlimited}

// BytesOf returns a known amount of n bytes.
func BytesOf(n int64) Bytes { return Bytes{n, bytesKnown} }

// Get returns the amount and reports whether there is one: it does not when b is
// unknown or unlimited.
func (b Bytes) Get() (n int64, ok bool) { return b.n, b.state == bytesKnown }

// IsUnknown reports whether nothing is known of the amount.
func (b Bytes) IsUnknown() bool { return b.state == bytesUnknown }

// IsUnlimited reports whether b is a limit that is known not to exist.
func (b Bytes) IsUnlimited() bool { return b.state == bytesUnlimited }

// String returns the amount in words: "55 MB", "unlimited" or "unknown".
func (b Bytes) String() string {
	switch b.state {
	case bytesKnown:
		if b.n < 0 {
			return strconv.FormatInt(b.n, 10) + " B"
		}
		return humanize.Bytes(uint64(b.n))
	case bytesUnlimited:
		return "unlimited"
	}
	return "unknown"
}

// MarshalJSON returns the number of bytes, "unlimited", or null for unknown.
func (b Bytes) MarshalJSON() ([]byte, error) {
	switch b.state {
	case bytesKnown:
		return strconv.AppendInt(nil, b.n, 10), nil
	case bytesUnlimited:
		return []byte(`"unlimited"`), nil
	}
	return []byte("null"), nil
}

// tighter returns the lower of two limits. What is known goes before unlimited,
// and that before unknown.
func (b Bytes) tighter(c Bytes) Bytes {
	switch {
	case b.state == bytesKnown && c.state == bytesKnown:
		return BytesOf(min(b.n, c.n))
	case b.state == bytesKnown || c.state == bytesUnknown:
		return b
	case c.state == bytesKnown || b.state == bytesUnknown:
		return c
	}
	return Unlimited
}
