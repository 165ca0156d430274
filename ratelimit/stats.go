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

	// Attempts that were refused: of sources locked out, and for each [Reason].
	DeniedLocked, DeniedBusy, DeniedSaturated, DeniedLong, DeniedPrefix uint64

	Observed uint64 // times that a network reached a limit that is only observed

	// Sources that left the table at the bound and were not spent; those of them with charges in the
	// window or locked; those of them that were locked; and those that a sweep removed.
	Evicted, EvictedLive, EvictedLocked, Swept uint64

	EventsDropped uint64 // because nobody received them
}

// Denied returns how many attempts were refused.
func (s Stats) Denied() uint64 {
	return s.DeniedLocked + s.DeniedBusy + s.DeniedSaturated + s.DeniedLong + s.DeniedPrefix
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
		DeniedLong: c.deniedLong, DeniedPrefix: c.deniedPrefix, Observed: c.observed, EventsDropped: c.eventsDropped,
		Evicted: c.evicted, EvictedLive: c.evictedLive, EvictedLocked: c.evictedLocked, Swept: c.swept,
	}
}

// String returns a sentence about the tracker.
func (s Stats) String() string {
	n := func(n uint64) string { return humanize.Comma(int64(n)) }
	return fmt.Sprintf("%s of %s addresses in %s; %s attempts, %s failed, %s lock-outs; %s denied; %s evicted",
		n(uint64(s.Addresses)), n(uint64(s.MaxAddresses)), humanize.Bytes(uint64(s.Bytes)),
		n(s.Begun), n(s.Failed), n(s.Lockouts), n(s.Denied()), n(s.Evicted))
}
