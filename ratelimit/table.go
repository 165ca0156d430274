package ratelimit

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"time"
)

// A table is a tracker without its lock and its clock: now is an argument, in
// nanoseconds, and zero is never. It is as large when it is made as it ever gets.
//
// An entry keeps the last Failures charges of its source, newest first. A charge is
// of one of three kinds: open, until somebody says how the attempt went; a failure; or
// inherited from the sketch, when the source was not in the table and may have been before.
type table struct {
	rule    rule
	base    time.Time    // of now, for events
	seed    maphash.Seed // of accounts; a family and a tier have their own
	entries []entry      // grows to MaxAddresses, for which there is room
	stamps  []int64      // rule.failures to an entry: when each charge was made, newest first
	marks   []mark       // as many: the accounts and secrets of the charges
	long    []histogram  // one to an entry: the charges in the long window
	index   index
	free    uint32 // the first of the unused entries, + 1, linked through next
	len     int
	family  [families]kin
	last    int64 // the last charge: each is at a time of its own, which names it
	marked  bool  // there are marks that are not zero
	events  chan Event
	alarm   alarm
	counts  counts

	sequence uint64     // of the last transition
	changed  transition // for the journal, its times still those of the table; kind zero: nothing

	accounts accounts
}

// A rule is a Config in nanoseconds.
type rule struct {
	failures                    int
	window, lockout, maxLockout int64
	jitter                      int64
	long                        int   // negative: no such limit
	longWidth                   int64 // of a bucket
	addresses                   int
	alarm                       int // negative: none
	proxies                     []netip.Prefix
}

// kin is what the sources of one family have apart from those of the other.
type kin struct {
	len    int
	seed   maphash.Seed // of sources
	levels []list       // by suspicion; in each the one charged last is first
	sketch sketch
	tiers  []prefixTier
}

// An entry has no pointers: the collector does not look at the table.
type entry struct {
	source      source
	lockedUntil int64  // zero: was never locked
	forgivenAt  int64  // when the last strike is forgiven; one is for each maxLockout before
	open        uint64 // bit j: charge j is open
	inherited   uint64 // bit j: charge j is inherited
	prev, next  uint32 // in its level, + 1
	level       uint8
	used        bool
	struck      bool // was locked while in the table: forgivenAt is not that of another
	pardoned    bool // lockedUntil is not a lock-out: until then the entry keeps the sketch from being asked
}

type counts struct {
	begun, failed, deniedLocked, deniedSketch  uint64 // what a flood counts
	succeeded, cancelled, lockouts, deniedBusy uint64
	deniedLong, deniedPrefix, observed         uint64
	deniedAccount, deniedList, exempt          uint64
	known, repeated, journalErrors             uint64
	proxyFailures, forgottenProxy              uint64
	evicted, evictedLive, evictedLocked        uint64
	swept                                      uint64
	eventsDropped                              uint64
}

// denied counts an attempt that was refused.
func (c *counts) denied(kind verdictKind) {
	switch kind {
	case locked:
		c.deniedLocked++
	case busy:
		c.deniedBusy++
	case saturated:
		c.deniedSketch++
	case exhausted:
		c.deniedLong++
	case crowded:
		c.deniedPrefix++
	case slowed:
		c.deniedAccount++
	}
}

type outcome uint8

const (
	succeeded outcome = iota
	failed
	cancelled
)

func newTable(c Config) table {
	t := table{
		rule: rule{
			failures: c.Failures, window: int64(c.Window),
			lockout: int64(c.Lockout), maxLockout: int64(c.MaxLockout), jitter: int64(c.Jitter),
			long: c.LongFailures, longWidth: bucketWidth(int64(c.LongWindow)), addresses: c.MaxAddresses,
			alarm: c.AlarmFailures, proxies: canonical(c.Proxies),
		},
		seed:    maphash.MakeSeed(),
		entries: make([]entry, 0, c.MaxAddresses),
		stamps:  make([]int64, c.MaxAddresses*c.Failures),
		marks:   make([]mark, c.MaxAddresses*c.Failures),
		long:    make([]histogram, c.MaxAddresses),
		index:   newIndex(c.MaxAddresses),
		events:  make(chan Event, queuedEvents),

		accounts: newAccounts(c),
	}
	for f := range t.family {
		k := &t.family[f]
		k.seed = maphash.MakeSeed()
		k.levels = make([]list, c.Failures+3)
		k.sketch = newSketch(c.Failures, c.MaxAddresses)
		for _, p := range c.Prefixes {
			if p.Failures > 0 && p.IPv4 == (family(f) == ipv4) {
				k.tiers = append(k.tiers, newPrefixTier(p, t.rule.window, c.MaxAddresses))
			}
		}
	}
	return t
}

// charged says where an attempt was charged.
type charged struct {
	id    int64  // the time that names it
	entry uint32 // where it was; another source may have moved in
	known bool   // to an acquaintance
}

// charge charges an attempt if it is allowed. One that is only allowed to an acquaintance is charged
// to nobody else.
func (t *table) charge(l *login, now int64) (c charged, v verdict) {
	i, ok := t.find(l.hash, l.source)
	var hashes prefixHashes
	v = t.verdict(l, i, ok, &hashes, now)
	name := max(now, t.last+1) // of the charge; no other has it
	if v.kind != allowed && t.accounts.known.charge(l, name) {
		t.last = name
		t.counts.begun++
		t.counts.known++
		return charged{id: name, known: true}, verdict{}
	}
	if v.kind != allowed {
		t.counts.denied(v.kind)
		return charged{}, v
	}
	if !ok {
		i = t.insert(l.hash, l.source, now)
	}
	now, t.last = name, name
	t.counts.begun++
	t.push(i, l, now)
	t.long[i].add(t.longBucket(now))
	t.chargePrefixes(l.source, &hashes, now)
	if t.accounts.charge(l, now) {
		t.emit(Event{Kind: AccountSlowed, Source: l.prefix(), Account: l.account, Wait: time.Duration(t.accounts.pace)}, now)
	}
	t.place(i, now)
	return charged{id: now, entry: i}, verdict{}
}

// check returns what charge would say, but for what acquaintances are allowed.
func (t *table) check(l *login, now int64) verdict {
	i, ok := t.find(l.hash, l.source)
	return t.verdict(l, i, ok, new(prefixHashes), now)
}

// verdict says whether an attempt of entry i, or of a stranger, may be charged. It sets hashes if
// the source may be.
func (t *table) verdict(l *login, i uint32, ok bool, hashes *prefixHashes, now int64) (v verdict) {
	if ok {
		v = t.judge(i, now)
	} else {
		v = t.judgeStranger(l.hash, l.source, now)
	}
	if v.kind == allowed {
		v = t.judgePrefixes(l.source, hashes, now)
	}
	if v.kind == allowed {
		v = t.accounts.judge(l, now)
	}
	return v
}

// judge says whether entry i may be charged: that is the lock-out, and the windows.
func (t *table) judge(i uint32, now int64) verdict {
	e := &t.entries[i]
	if e.locked(now) {
		return verdict{kind: locked, wait: e.lockedUntil - now}
	}
	if oldest := t.stampsOf(i)[t.rule.failures-1]; t.inWindow(oldest, now) {
		kind := busy
		if e.inherited != 0 {
			kind = saturated
		}
		return verdict{kind: kind, wait: oldest + t.rule.window - now}
	}
	if t.rule.long > 0 {
		h := &t.long[i]
		h.advance(t.longBucket(now))
		if int(h.total) >= t.rule.long {
			return verdict{kind: exhausted, wait: int64(h.freeAt(t.rule.long))*t.rule.longWidth - now}
		}
	}
	return verdict{}
}

func (t *table) longBucket(at int64) uint32 { return uint32(at / t.rule.longWidth) }

// judgeStranger is judge for a source that is not in the table.
func (t *table) judgeStranger(hash uint64, s source, now int64) verdict {
	return t.family[s.family].sketch.judge(hash, t.rule.window, now)
}

// settle says how the attempt went that was charged there.
func (t *table) settle(l *login, c charged, how outcome, now int64) {
	if c.known {
		t.settleKnown(l, c.id, how, now)
		return
	}
	i := c.entry
	e := &t.entries[i]
	if !e.used || e.source != l.source {
		var ok bool
		if i, ok = t.find(l.hash, l.source); !ok {
			return // evicted: what the sketch says of it stays, on the strict side
		}
		e = &t.entries[i]
	}
	j := slices.Index(t.stampsOf(i), c.id)
	if j < 0 || e.open>>j&1 == 0 {
		return // settled before, or so long ago that it does not matter
	}
	e.open &^= 1 << j
	switch how {
	case failed:
		t.counts.failed++
		if t.repeats(i, j, now) {
			t.counts.repeated++
			t.refund(i, j, l)
			break
		}
		t.raiseAlarm(now)
		if _, _, failures := t.tally(i, now); failures >= t.rule.failures {
			t.lock(i, now)
		}
	case succeeded:
		t.counts.succeeded++
		t.refund(i, j, l)
		t.forgive(i, l)
		t.accounts.known.add(l, now)
	case cancelled:
		t.counts.cancelled++
		t.refund(i, j, l)
	}
	if t.spent(i, now) {
		t.forget(i, now) // who succeeds leaves nothing behind
		return
	}
	t.place(i, now)
}

// settleKnown is settle for a charge to an acquaintance.
func (t *table) settleKnown(l *login, id int64, how outcome, now int64) {
	if !t.accounts.known.settle(l, id, how) {
		return
	}
	switch how {
	case failed:
		t.counts.failed++
		t.raiseAlarm(now)
	case succeeded:
		t.counts.succeeded++
		t.accounts.known.add(l, now)
	case cancelled:
		t.counts.cancelled++
	}
}
