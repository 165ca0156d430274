package cache

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// A Reason says why an entry left the cache, or why it did not come in.
type Reason uint8

const (
	Evicted  Reason = iota // a newcomer, a [Cache.Resize] or a [Cache.Shrink] needed the room
	Expired                // it had outlived its time
	Deleted                // by [Cache.Delete] or [Cache.DeleteFunc]
	Replaced               // another value was set for its key
	Cleared                // by [Cache.Clear]
	Refused                // the entry alone is larger than the bound, and was not stored
	reasons
)

// String returns the reason in lower case.
func (r Reason) String() string {
	if r >= reasons {
		return fmt.Sprintf("reason %d", uint8(r))
	}
	return [...]string{"evicted", "expired", "deleted", "replaced", "cleared", "refused"}[r]
}

// Stats is what a cache has counted since it was made, and how full it is. Under
// load the numbers are of nearly the same instant; none is ever lost.
type Stats struct {
	Hits   uint64 // reads that returned a value
	Misses uint64 // reads that did not
	Sets   uint64 // values stored

	// Entries that left the cache, by reason, and values that did not come in.
	Evicted, Expired, Deleted, Replaced, Cleared, Refused uint64

	// LastVictimAge is how long the entry that was evicted last had been there since it was set, or since
	// eviction had spared it for being read, to a sixteenth of the time in which the cache turns over, and at
	// most about four times that time. If it is shorter than the TTL by much, the cache is small for what is
	// asked of it.
	LastVictimAge time.Duration

	Loads      uint64 // calls of loaders begun
	LoadErrors uint64 // keys for which one returned an error, panicked or ended its goroutine
	Refreshes  uint64 // of the loads, those that began with nobody waiting
	Loading    int    // loads under way
	Queued     int    // loads that wait for their turn
	Waiting    int    // callers that wait for a load

	StaleHits    uint64 // of the hits, those that returned an expired value while it was loaded anew
	StaleOnError uint64 // reads that returned an expired value because a load failed
	NegativeHits uint64 // reads that returned an error that was remembered

	// A time that half of the loads, nine of ten, and 99 of 100 did not exceed, told to a quarter.
	LoadP50, LoadP90, LoadP99 time.Duration

	Entries    int   // as Len
	MaxEntries int   // zero: not bounded
	Bytes      int64 // as Bytes
	MaxBytes   int64 // zero: not bounded
}

// HitRatio returns the fraction of reads that returned a value; before the first, zero.
func (s Stats) HitRatio() float64 {
	if s.Hits == 0 {
		return 0
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}

// String returns a sentence about the cache.
func (s Stats) String() string {
	return fmt.Sprintf("%s of %s entries in %s of %s; %s hits and %s misses (%.1f %%); %s evicted, %s expired, %s refused",
		count(s.Entries), bound(s.MaxEntries != 0, count(s.MaxEntries)),
		humanize.Bytes(uint64(s.Bytes)), bound(s.MaxBytes != 0, humanize.Bytes(uint64(s.MaxBytes))),
		count(s.Hits), count(s.Misses), 100*s.HitRatio(), count(s.Evicted), count(s.Expired), count(s.Refused))
}

func count[N int | uint64](n N) string { return humanize.Comma(int64(n)) }

func bound(bounded bool, s string) string {
	if !bounded {
		return "any"
	}
	return s
}

// Stats returns the figures of the cache. It takes each shard's lock for a moment.
func (c *Cache[K, V]) Stats() Stats {
	var sum removals
	var sets uint64
	var last, lastAge instant
	for i := range c.engine.mask + 1 {
		s := c.engine.lock(i << 32)
		sets += uint64(s.policy.live())
		for r, n := range s.removed {
			sets, sum[r] = sets+n, sum[r]+n
		}
		if at, age := s.ages.of(s.policy.last, s.policy.tick); at > last {
			last, lastAge = at, age
		}
		s.mu.Unlock()
	}
	hits, misses, replaced := c.reads.sum()
	st := Stats{
		Hits: hits, Misses: misses, Sets: sets + replaced,
		Evicted: sum[Evicted], Expired: sum[Expired], Deleted: sum[Deleted],
		Replaced: sum[Replaced] + replaced, Cleared: sum[Cleared], Refused: c.refused.Load(),
		LastVictimAge: time.Duration(lastAge << instantShift),
		Entries:       c.Len(), MaxEntries: c.MaxEntries(), Bytes: c.Bytes(), MaxBytes: c.MaxBytes(),
	}
	c.loads.stats(&st)
	return st
}
