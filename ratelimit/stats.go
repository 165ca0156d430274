package ratelimit

import (
	"fmt"

	"github.com/dustin/go-humanize"
)

// Stats is what a tracker has counted since it was made, and how full it is.
type Stats struct {
	Addresses    int   // as Len
	MaxAddresses int   // the bound on it
	Bytes        int64 // as Bytes

	// Attempts that were charged, and how they went. Those of which nobody has said how they
	// went are in none of the last three.
	Begun, Succeeded, Failed, Cancelled uint64

	Lockouts uint64 // lock-outs that began

	// Attempts that were refused: of sources locked out, of sources with as many charges as are
	// allowed, and of sources that may have as many, for all that the sketch can tell.
	DeniedLocked, DeniedBusy, DeniedSaturated uint64

	// Sources that left the table at the bound, those of them that were locked, and those that a sweep removed.
	Evicted, EvictedLocked, Swept uint64
}

// Stats returns the figures of the tracker.
func (t *Tracker) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &t.table.counts
	return Stats{
		Addresses: t.table.len, MaxAddresses: t.table.rule.addresses, Bytes: t.table.bytes(),
		Begun: c.begun, Succeeded: c.succeeded, Failed: c.failed, Cancelled: c.cancelled, Lockouts: c.lockouts,
		DeniedLocked: c.deniedLocked, DeniedBusy: c.deniedBusy, DeniedSaturated: c.deniedSketch,
		Evicted: c.evicted, EvictedLocked: c.evictedLocked, Swept: c.swept,
	}
}

// String returns a sentence about the tracker.
func (s Stats) String() string {
	n := func(n uint64) string { return humanize.Comma(int64(n)) }
	return fmt.Sprintf("%s of %s addresses in %s; %s attempts, %s failed, %s lock-outs; %s denied; %s evicted",
		n(uint64(s.Addresses)), n(uint64(s.MaxAddresses)), humanize.Bytes(uint64(s.Bytes)),
		n(s.Begun), n(s.Failed), n(s.Lockouts), n(s.DeniedLocked+s.DeniedBusy+s.DeniedSaturated), n(s.Evicted))
}
