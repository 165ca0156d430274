package config

import (
	"fmt"
	"log/slog"
	"math"

	"github.com/dustin/go-humanize"
)

// A Size is a number of bytes, which the environment gives as 50MB, 64MiB or 1000000.
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil {
		return err
	}
	if n > math.MaxInt64 {
		return fmt.Errorf("%d is too large", n)
	}
	*s = Size(n)
	return nil
}

// String returns the size in words, "50 MB".
func (s Size) String() string { return humanize.Bytes(uint64(max(s, 0))) }

// A Secret is not for logs: what prints it prints how long it is.
type Secret string

// String returns the secret's length in words.
func (s Secret) String() string { return fmt.Sprintf("(%d bytes)", len(s)) }

// GoString does what String does.
func (s Secret) GoString() string { return s.String() }

// LogValue does what String does.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
