package ratelimit

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"
	"time"
)

// A table has the sources of some networks, without a lock and without a clock: now is an argument, in
// nanoseconds, and zero is never. A tracker has several, so that its callers pass each other by; all sources of
// a network are in the same one, so that what is counted of a network is in one place.
//
// An entry keeps the last Failures charges of its source, newest first. A charge is
// of one of three kinds: open, until somebody says how the attempt went; a failure; or
// inherited from the sketch, when the source was not in the table and may have been before.
type table struct {
	// These change with each attempt, and are in one line with the lock of a shard.
	last    int64  // the last charge: each of the table is at a time of its own, which names it
	alarmed uint32 // failures that the alarm has not been told of
	window  uint32 // in which they were
	counts  counts

	*shared
	slots // of the pool

	index   index
	family  [families]kin
	buckets ruler  // of the long window
	windows ruler  // of the alarm
	marked  bool   // there are marks that are not zero
	most    int    // up to this level of suspicion, one of the table's own goes for a newcomer, without a look at other tables
	share   uint32 // of failures that are enough to tell the alarm of

	sequence uint64     // of the last transition
	changed  transition // for the journal, its times still those of the table; kind zero: nothing
}

// shared is what the tables of a tracker have in common.
type shared struct {
	rule     rule
	clock    *clock
	seed     maphash.Seed    // of accounts
	keys     [families]key   // of sources
	widest   [families]*tier // the first of the rule's, or if there is none, one without a limit
	pool     pool
	sketches [families]*sketch
	accounts accounts
	events   events
	alarm    alarm
	refusals refusals
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
	tiers                       [families][]tier // the widest first
}

// kin is what the sources of one family in a table have apart from those of the other.
type kin struct {
	levels []list       // by suspicion; in each the one placed last is first
	tiers  []prefixTier // those of the rule
}

// nearCharges are as many charges as an entry has room for, the default of Failures. If more are allowed, they are all elsewhere.
const nearCharges = 5

// An entry has no pointers, so the collector does not look at it. It is two lines of the processor's cache, which are fetched
// together: what is known of the source, and its charges.
type entry struct {
	source      source
	lockedUntil int64  // zero: was never locked
	forgivenAt  int64  // when the last strike is forgiven; one is for each maxLockout before
	open        uint64 // bit j: charge j is open
	inherited   uint64 // bit j: charge j is inherited
	prev, next  uint32 // in its level, + 1; of one that is free, next is in the pool
	chained     uint32 // the next with the same cell of the index, + 1
	level       uint8
	touched     bool // was charged since it was placed
	struck      bool // was locked while in the table: forgivenAt is not that of another
	pardoned    bool // lockedUntil is not a lock-out: until then the entry keeps the sketch from being asked

	long histogram          // the charges in the long window
	near [nearCharges]int64 // see stampsOf
}

type counts struct {
	begun, failed, deniedLocked, deniedSketch  uint64 // what a flood counts
	succeeded, cancelled, lockouts, deniedBusy uint64
	deniedLong, deniedPrefix, observed         uint64
	deniedAccount, known, repeated             uint64
	proxyFailures                              uint64
	evicted, evictedLive, evictedLocked        uint64
	swept                                      uint64
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

// newShared returns what so many tables share.
func newShared(c Config, clock *clock) *shared {
	s := &shared{
		rule: rule{
			failures: c.Failures, window: int64(c.Window),
			lockout: int64(c.Lockout), maxLockout: int64(c.MaxLockout), jitter: int64(c.Jitter),
			long: c.LongFailures, longWidth: bucketWidth(int64(c.LongWindow)), addresses: c.MaxAddresses,
			alarm: c.AlarmFailures, proxies: canonical(c.Proxies),
		},
		clock:    clock,
		seed:     maphash.MakeSeed(),
		pool:     pool{slots: newSlots(c.MaxAddresses, c.Failures)},
		accounts: newAccounts(c),
		events:   newEvents(),
		refusals: newRefusals(c.MaxAddresses),
	}
	for _, p := range c.Prefixes {
		if p.Failures > 0 {
			s.rule.tiers[p.family()] = append(s.rule.tiers[p.family()], newTier(p, s.rule.window))
		}
	}
	for f := range families {
		s.keys[f] = newKey()
		s.sketches[f] = newSketch(c.Failures, c.MaxAddresses)
		tiers := s.rule.tiers[f]
		slices.SortFunc(tiers, func(a, b tier) int { return cmp.Compare(a.bits, b.bits) })
		if s.widest[f] = (&tier{key: newKey()}); len(tiers) > 0 {
			s.widest[f] = &tiers[0]
		}
	}
	return s
}

// newTable returns one of so many tables.
func newTable(s *shared, tables int) table {
	addresses := (s.rule.addresses + tables - 1) / tables
	t := table{shared: s, slots: s.pool.slots, index: newIndex(addresses), most: 1}
	t.buckets.width, t.windows.width = s.rule.longWidth, s.rule.window
	t.share = 1 + uint32(max(0, s.rule.alarm)/tables/alarmLate)
	if tables == 1 {
		t.most = s.rule.failures + levels
	}
	for f := range t.family {
		k := &t.family[f]
		k.levels = make([]list, s.rule.failures+levels)
		for n := range s.rule.tiers[f] {
			k.tiers = append(k.tiers, newPrefixTier(&s.rule.tiers[f][n], addresses, tables))
		}
	}
	return t
}

func (s *shared) hash(of source) uint64 { return s.keys[of.family].hash(of.bits) }

// charge charges an attempt, of entry i or of a stranger, if it is allowed, and returns the time that names the charge, and the entry
// in which it is the first. One that is only allowed to an acquaintance is charged to nobody else; its name is negative.
func (t *table) charge(l *login, i uint32, ok bool, now int64) (id int64, at uint32, v verdict) {
	v = t.verdict(l, i, ok, now)
	now = max(now, t.last+1) // the name of the charge; no other of the table has it
	if v.kind != allowed {
		if id, ok := t.accounts.chargeKnown(l, now); ok {
			t.counts.begun++
			t.counts.known++
			return -id, 0, verdict{}
		}
		t.counts.denied(v.kind)
		return 0, 0, v
	}
	if !ok {
		if i, ok = t.insert(l.hash, l.source, now); !ok {
			return 0, 0, verdict{kind: noRoom}
		}
	}
	t.last = now
	t.counts.begun++
	t.push(i, l, now)
	t.entries[i].long.add(t.longBucket(now))
	t.chargePrefixes(l, now)
	if l.account != 0 && t.accounts.charge(l, now) {
		t.emit(Event{Kind: AccountSlowed, Source: l.prefix(), Account: l.account, Wait: time.Duration(t.accounts.pace)}, now)
	}
	t.placeCharged(i)
	return now, i, verdict{}
}

// verdict says whether an attempt of entry i, or of a stranger, may be charged.
func (t *table) verdict(l *login, i uint32, ok bool, now int64) (v verdict) {
	if ok {
		v = t.judge(i, now)
	} else {
		v = t.judgeStranger(l.hash, l.source, now)
	}
	if v.kind == allowed {
		v = t.judgePrefixes(l, now)
	}
	if v.kind == allowed && l.account != 0 {
		v = t.accounts.judge(l, now)
	}
	return v
}

// judge says whether entry i may be charged: that is the lock-out, and the windows.
func (t *table) judge(i uint32, now int64) verdict {
	e := &t.entries[i]
	if e.locked(now) {
		return verdict{kind: locked, until: e.lockedUntil}
	}
	if oldest := t.stampsOf(i)[t.rule.failures-1]; t.inWindow(oldest, now) {
		kind := busy
		if e.inherited != 0 {
			kind = saturated
		}
		return verdict{kind: kind, until: oldest + t.rule.window}
	}
	if h := &e.long; t.rule.long > 0 && int(h.total) >= t.rule.long {
		h.advance(t.longBucket(now))
		if int(h.total) >= t.rule.long {
			return verdict{kind: exhausted, until: int64(h.freeAt(t.rule.long)) * t.rule.longWidth}
		}
	}
	return verdict{}
}

func (t *table) longBucket(at int64) uint32 { return t.buckets.at(at) }

// judgeStranger is judge for a source that is not in the table.
func (t *table) judgeStranger(hash uint64, s source, now int64) verdict {
	return t.sketches[s.family].judge(hash, t.rule.window, now)
}

// entryOf returns the entry in which an attempt was charged, if it is there still, and the place of the charge, if
// nobody has said how it went.
func (t *table) entryOf(l *login, id int64) (i uint32, j int, ok bool) {
	if i, ok = t.find(l.hash, l.source); !ok {
		return 0, 0, false // evicted: what the sketch says of it stays, on the strict side
	}
	j = slices.Index(t.stampsOf(i), id)
	return i, j, j >= 0 && t.entries[i].open>>j&1 != 0 // or settled before, or so long ago that it does not matter
}

// confirm makes a charge a failure if that is all there is to do: if it locks nobody out, and is not compared with
// other failures. It reports whether there is no more to do.
func (t *table) confirm(l *login, id int64) bool {
	if id < 0 || l.secret != 0 {
		return false
	}
	i, j, ok := t.entryOf(l, id)
	return !ok || t.confirmAt(i, j)
}

// confirmAt is confirm for charge j of entry i, which is open. It needs to know no time: as many failures are in the
// window now as were when the last charge was made, or less.
func (t *table) confirmAt(i uint32, j int) bool {
	stamps := t.stampsOf(i)
	if _, _, failures := t.tally(i, stamps[0]); failures+1 >= t.rule.failures {
		return false
	}
	t.entries[i].open &^= 1 << j
	t.counts.failed++
	t.raiseAlarm(stamps[j])
	return true
}

// settle says how the attempt went that was charged by that name.
func (t *table) settle(l *login, id int64, how outcome, now int64) {
	if id < 0 {
		t.settleKnown(l, -id, how, now)
		return
	}
	i, j, ok := t.entryOf(l, id)
	if !ok {
		return
	}
	t.entries[i].open &^= 1 << j
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
		t.accounts.befriend(l, now)
	case cancelled:
		t.counts.cancelled++
		t.refund(i, j, l)
	}
	if t.spent(i, now) {
		t.forget(i, now) // who succeeds leaves nothing behind
		t.pool.put(i)
		return
	}
	t.place(i, now)
}

// settleKnown is settle for a charge to an acquaintance.
func (t *table) settleKnown(l *login, id int64, how outcome, now int64) {
	if !t.accounts.settleKnown(l, id, how) {
		return
	}
	switch how {
	case failed:
		t.counts.failed++
		t.raiseAlarm(now)
	case succeeded:
		t.counts.succeeded++
		t.accounts.befriend(l, now)
	case cancelled:
		t.counts.cancelled++
	}
}
