package ratelimit

import (
	"fmt"
	"math/rand/v2"

	"github.com/dustin/go-humanize"
)

// Stats is what a tracker has counted since it was made, and how full it is.
type Stats struct {
	Addresses    int   // as Len
	MaxAddresses int   // the bound on it
	Bytes        int64 // as Bytes

	// Attempts that were charged, and how they went. Those of which nobody has said how they
	// went, or too late (see [Attempt]), are in none of the last three.
	Begun, Succeeded, Failed, Cancelled uint64

	Lockouts uint64 // lock-outs that began

	// Attempts that were refused: of sources locked out, and for each [Reason].
	DeniedLocked, DeniedBusy, DeniedSaturated, DeniedLong, DeniedPrefix, DeniedAccount uint64

	// Addresses found in Config.Deny and in Config.Allow.
	DeniedList, Exempt uint64

	Known    uint64 // attempts that others would have been denied: see [Tracker.BeginLogin]
	Repeated uint64 // failures that did not count, as the same secret had failed before

	ProxyFailures  uint64 // lock-outs that one of Config.Proxies was spared
	ForgottenProxy uint64 // requests of a peer that looks like a proxy and is none of Config.Proxies

	Observed uint64 // times that a network reached a limit that is only observed

	// Sources that left the table at the bound and were not spent; those of them with charges in the
	// window or locked; those of them that were locked; and those that a sweep removed.
	Evicted, EvictedLive, EvictedLocked, Swept uint64

	// Saturation estimates how many of the sources that are not in the table would be denied
	// for what the sketch remembers of others: 0 is none, 1 all, of the family where it is worse.
	Saturation float64

	JournalErrors uint64 // writes to the [Journal] that failed
	EventsDropped uint64 // because nobody received them
}

// Denied returns how many attempts were refused.
func (s Stats) Denied() uint64 {
	return s.DeniedLocked + s.DeniedBusy + s.DeniedSaturated + s.DeniedLong + s.DeniedPrefix +
		s.DeniedAccount + s.DeniedList
}

// Stats returns the figures of the tracker.
func (t *Tracker) Stats() Stats {
	s := Stats{
		Addresses: t.Len(), MaxAddresses: t.shared.rule.addresses, Bytes: t.Bytes(), Saturation: t.saturation(),
		DeniedList: t.deniedList.Load(), Exempt: t.exempt.Load(), ForgottenProxy: t.forgottenProxy.Load(),
		JournalErrors: t.journalErrors.Load(), EventsDropped: t.shared.events.dropped.Load(),
	}
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		c, often := sh.counts, sh.often
		sh.mu.Unlock()
		s.Begun += often.begun
		s.Succeeded += c.succeeded
		s.Failed += often.failed
		s.Cancelled += c.cancelled
		s.Lockouts += c.lockouts
		s.DeniedLocked += often.deniedLocked
		s.DeniedBusy += c.deniedBusy
		s.DeniedSaturated += often.deniedSketch
		s.DeniedLong += c.deniedLong
		s.DeniedPrefix += c.deniedPrefix
		s.DeniedAccount += c.deniedAccount
		s.Known += c.known
		s.Repeated += c.repeated
		s.ProxyFailures += c.proxyFailures
		s.Observed += c.observed
		s.Evicted += c.evicted
		s.EvictedLive += c.evictedLive
		s.EvictedLocked += c.evictedLocked
		s.Swept += c.swept
	}
	return s
}

// String returns a sentence about the tracker.
func (s Stats) String() string {
	n := func(n uint64) string { return humanize.Comma(int64(n)) }
	return fmt.Sprintf("%s of %s addresses in %s; %s attempts, %s failed, %s lock-outs; %s denied; %s evicted",
		n(uint64(s.Addresses)), n(uint64(s.MaxAddresses)), humanize.Bytes(uint64(s.Bytes)),
		n(s.Begun), n(s.Failed), n(s.Lockouts), n(s.Denied()), n(s.Evicted))
}

// saturation asks the sketch about sources that there are not.
func (t *Tracker) saturation() float64 {
	const asked = 128
	worst := 0
	for f := range families {
		denied := 0
		for range asked {
			if t.shared.sketches[f].judge(rand.Uint64(), t.shared.rule.failures, t.now()).kind != allowed {
				denied++
			}
		}
		worst = max(worst, denied)
	}
	return float64(worst) / asked
}
