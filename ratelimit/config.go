package ratelimit

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"
)

// A Config says what is allowed. The zero Config allows 5 failures in 15 minutes and 100
// in a day, locks for an hour, and tracks 1,000 addresses.
type Config struct {
	// Failures is how many charges a source may have in a window; as many failures
	// lock it. Zero means 5. It must be at most 64.
	Failures int

	// Window is the time in which failures are counted. Zero means 15 minutes.
	Window time.Duration

	// Lockout is how long the first lock-out lasts. Zero means an hour.
	Lockout time.Duration

	// MaxLockout is the longest lock-out: each is twice as long as the one before. It is
	// also how long a source must be quiet after one for a strike to be forgiven, which makes the next
	// half as long. Zero means a day, or Lockout if that is longer. It must not be less than Lockout.
	MaxLockout time.Duration

	// Jitter is the most that a lock-out is longer than it would be, by chance, so that
	// those who were locked together do not come back together. Zero means none.
	Jitter time.Duration

	// LongFailures is how many charges a source may have in a LongWindow, for those who
	// fail slowly enough never to be locked. Zero means 100, or Failures if that is more, and a
	// negative number no such limit. It must be at most 255 and not less than Failures.
	LongFailures int

	// LongWindow is the time in which LongFailures are counted, exact to a fifteenth on the strict side, and
	// for a source that the table had to forget to a third. Zero means a day, or Window if that is longer. It
	// must not be less than Window.
	LongWindow time.Duration

	// Prefixes limit the charges of whole networks in a Window. Nil means
	// [DefaultPrefixes]; a slice that is empty and not nil means none.
	Prefixes []PrefixLimit

	// AccountFailures is how many charges an account may have in a Window, exact to an eleventh of it, or to
	// twelve seconds, on the strict side, until strangers are slowed down: see [Tracker.BeginLogin]. Zero means
	// 10, and a negative number no limit. It must be at most 255.
	AccountFailures int

	// AlarmFailures is how many failures there are in a Window, of all sources, for an event of the kind
	// [Alarm]. Zero means MaxAddresses, and a negative number never. These windows follow each other, do not
	// slide, and are a second long at least. The alarm may come late, by an eighth of the number and by no
	// more: the tables tell it of several failures at a time, for else all attempts would wait for its word.
	// It does not know of attempts whose source the table forgot before they ended.
	AlarmFailures int

	// Allow are addresses that are never charged and never denied, and Deny some that
	// always are, exempt or not. IPv4 prefixes go for IPv4 inside IPv6 as well, but those of Allow for mapped
	// addresses only: into others anybody may write what he likes.
	Allow, Deny []netip.Prefix

	// Proxies are the proxies in front of the server that are trusted to name their
	// clients: see [ClientIP]. Their own addresses are limited, but never locked out, for that would lock out
	// all who come through a proxy that does not do as it should.
	Proxies []netip.Prefix

	// MaxAddresses is how many sources are tracked at the most. Zero means 1,000. It
	// must be at most a million.
	MaxAddresses int
}

// A PrefixLimit limits the charges of all sources of one network together. Reaching it
// denies them all until the oldest charges leave the window, and locks nobody.
type PrefixLimit struct {
	// IPv4 says that the limit is one for IPv4, and otherwise for IPv6.
	IPv4 bool

	// Bits is the length of the prefix: 1 to 31 for IPv4, 1 to 63 for IPv6.
	Bits int

	// Failures is how many charges the sources of one prefix may have in a window, exact to an
	// eleventh of it, or to twelve seconds, on the strict side. Zero means no limit. It must be at most 255.
	Failures int

	// Observe says that nobody is denied: that the limit was reached is only counted
	// and reported, as an [Event].
	Observe bool
}

// DefaultPrefixes returns the limits on networks that hold by default: 20 failures for
// an IPv6 /56 and 80 for a /48, which are what one customer can have, and 50 for an IPv4
// /24, which is only observed, for it may be a village behind one provider.
func DefaultPrefixes() []PrefixLimit {
	return []PrefixLimit{
		{Bits: 56, Failures: 20},
		{Bits: 48, Failures: 80},
		{IPv4: true, Bits: 24, Failures: 50, Observe: true},
	}
}

const (
	mostPrefixes  = 8
	mostFailures  = 64 // the flags of an entry are bits of a word
	mostAddresses = 1_000_000

	// longest is the longest time in a Config: sums of a few of them do not overflow.
	longest = 10 * 365 * 24 * time.Hour
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
	case c.Jitter < 0:
		return fmt.Errorf("ratelimit: Config.Jitter is %v, want zero or more", c.Jitter)
	case d.LongFailures > mostInBucket || d.LongFailures > 0 && d.LongFailures < d.Failures:
		return fmt.Errorf("ratelimit: Config.LongFailures is %d, want the Failures of %d to %d, 0 for the default, or less for no limit", c.LongFailures, d.Failures, mostInBucket)
	case d.LongWindow < d.Window:
		return fmt.Errorf("ratelimit: Config.LongWindow is %v, want at least the Window of %v", c.LongWindow, d.Window)
	case d.Window > longest || d.MaxLockout > longest || c.Jitter > longest || d.LongWindow > longest:
		return fmt.Errorf("ratelimit: a time of Config is %v, want at most %v", max(d.Window, d.MaxLockout, c.Jitter, d.LongWindow), longest)
	case c.AccountFailures > mostInBucket:
		return fmt.Errorf("ratelimit: Config.AccountFailures is %d, want 1 to %d, 0 for the default, or less for no limit", c.AccountFailures, mostInBucket)
	case len(c.Prefixes) > mostPrefixes:
		return fmt.Errorf("ratelimit: Config.Prefixes has %d limits, want at most %d", len(c.Prefixes), mostPrefixes)
	case c.MaxAddresses < 0 || c.MaxAddresses > mostAddresses:
		return fmt.Errorf("ratelimit: Config.MaxAddresses is %d, want 1 to %d, or 0 for the default", c.MaxAddresses, mostAddresses)
	}
	for n, list := range [...][]netip.Prefix{c.Allow, c.Deny, c.Proxies} {
		for _, p := range list {
			if !p.IsValid() {
				return fmt.Errorf("ratelimit: Config.%s has %v, want valid prefixes", [...]string{"Allow", "Deny", "Proxies"}[n], p)
			}
		}
	}
	for _, p := range c.Prefixes {
		switch longest := p.longest(); {
		case p.Bits < 1 || p.Bits > longest:
			return fmt.Errorf("ratelimit: Config.Prefixes has Bits of %d, want 1 to %d", p.Bits, longest)
		case p.Failures < 0 || p.Failures > mostInBucket:
			return fmt.Errorf("ratelimit: Config.Prefixes has Failures of %d, want 0 to %d", p.Failures, mostInBucket)
		}
	}
	return nil
}

// family returns that of the sources.
func (p PrefixLimit) family() family {
	if p.IPv4 {
		return ipv4
	}
	return ipv6
}

// longest returns the length of the longest prefix that has more than one source.
func (p PrefixLimit) longest() int {
	if p.IPv4 {
		return 31
	}
	return 63
}

func (c Config) withDefaults() Config {
	c.Failures = cmp.Or(c.Failures, 5)
	c.Window = cmp.Or(c.Window, 15*time.Minute)
	c.Lockout = cmp.Or(c.Lockout, time.Hour)
	c.MaxLockout = cmp.Or(c.MaxLockout, max(24*time.Hour, c.Lockout))
	c.LongFailures = cmp.Or(c.LongFailures, max(100, c.Failures))
	c.LongWindow = cmp.Or(c.LongWindow, max(24*time.Hour, c.Window))
	if c.Prefixes == nil {
		c.Prefixes = DefaultPrefixes()
	}
	c.AccountFailures = cmp.Or(c.AccountFailures, 10)
	c.MaxAddresses = cmp.Or(c.MaxAddresses, 1000)
	c.AlarmFailures = cmp.Or(c.AlarmFailures, c.MaxAddresses)
	return c
}
