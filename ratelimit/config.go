package ratelimit

import (
	"cmp"
	"fmt"
	"time"
)

// A Config says what is allowed. The zero Config allows 5 failures in 15 minutes,
// locks for an hour, and tracks 1,000 addresses.
type Config struct {
	// Failures is how many charges a source may have in a window; as many failures
	// lock it. Zero means 5. It must be at most 64.
	Failures int

	// Window is the time in which failures are counted. Zero means 15 minutes.
	Window time.Duration

	// Lockout is how long the first lock-out lasts. Zero means an hour.
	Lockout time.Duration

	// MaxLockout is the longest lock-out, and how long after the end of one the source
	// must be quiet to be locked for Lockout again and not for twice as long as
	// the last time. Zero means a day, or Lockout if that is longer. It must not be less than Lockout.
	MaxLockout time.Duration

	// MaxAddresses is how many sources are tracked at the most. Zero means 1,000. It
	// must be at most a million.
	MaxAddresses int
}

const (
	mostFailures  = 64 // the flags of an entry are bits of a word
	mostAddresses = 1_000_000
)

// Validate returns an error that names the first field that is wrong, its value and
// what was wanted.
func (c Config) Validate() error {
	switch d := c.withDefaults(); {
	case c.Failures < 0 || c.Failures > mostFailures:
		return fmt.Errorf("ratelimit: Config.Failures is %d, want 1 to %d, or 0 for the default", c.Failures, mostFailures)
	case c.Window < 0:
		return fmt.Errorf("ratelimit: Config.Window is %v, want zero or more", c.Window)
	case c.Lockout < 0:
		return fmt.Errorf("ratelimit: Config.Lockout is %v, want zero or more", c.Lockout)
	case d.MaxLockout < d.Lockout:
		return fmt.Errorf("ratelimit: Config.MaxLockout is %v, want at least the Lockout of %v", c.MaxLockout, d.Lockout)
	case c.MaxAddresses < 0 || c.MaxAddresses > mostAddresses:
		return fmt.Errorf("ratelimit: Config.MaxAddresses is %d, want 1 to %d, or 0 for the default", c.MaxAddresses, mostAddresses)
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Failures = cmp.Or(c.Failures, 5)
	c.Window = cmp.Or(c.Window, 15*time.Minute)
	c.Lockout = cmp.Or(c.Lockout, time.Hour)
	c.MaxLockout = cmp.Or(c.MaxLockout, max(24*time.Hour, c.Lockout))
	c.MaxAddresses = cmp.Or(c.MaxAddresses, 1000)
	return c
}
