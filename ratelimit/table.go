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
	// All that most attempts write is in one line of the processor's cache with the lock of a shard. What they
	// read besides is in the next, which all processors can have at a time.
	last    int64  // the last charge: each of the table is at a time of its own, which names it
	alarmed uint32 // failures that the alarm has not been told of
	window  uint32 // in which they were
	*shared
	often often

	index    index
	networks []line // the tallies of all tiers: see tier
	unsaved  bool   // changed has something

	counts counts
	levels [families][]list // by suspicion; in each the one placed last is first
	most   int              // up to this level of suspicion, one of the table's own goes for a newcomer, without a look at other tables
	share  uint32           // of failures that are enough to tell the alarm of
	has    uint32           // entries in the index
	marked bool             // there are marks that are not zero
	far    bool             // the networks of all tables are more than nearBytes

	restored int64      // charges up to then may be of a journal, and were not charged to networks
	sequence uint64     // of the last transition
	changed  transition // for the journal, its times still those of the table
}

// shared is what the tables of a tracker have in common.
type shared struct {
	rule     rule
	clock    *clock
	seed     maphash.Seed   // of accounts
	key      key            // of sources
	widest   [families]tier // the first of the rule's, or if there is none, one without a limit
	lines    uint32         // of all tiers, in one table
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
	unit                        int // see entry
	long                        int // negative: no such limit
	longBuckets                 ruler
	buckets                     ruler // of the window
	addresses                   int
	alarm                       int // negative: none
	alarms                      ruler
	proxies                     []netip.Prefix
	tiers                       [families][]tier // the widest first
	judged                      [families][]tier // of these, those up to the last that is not only observed
}

// Often is what a flood counts, and counts the rest.
type often struct {
	begun, failed, deniedLocked, deniedSketch uint64
}

type counts struct {
	succeeded, cancelled, lockouts, deniedBusy uint64
	deniedLong, deniedPrefix, observed         uint64
	deniedAccount, known, repeated             uint64
	proxyFailures                              uint64
	evicted, evictedLive, evictedLocked        uint64
	swept                                      uint64
}

// denied counts an attempt that was refused.
func (t *table) denied(kind verdictKind) {
	switch kind {
	case locked:
		t.often.deniedLocked++
	case busy:
		t.counts.deniedBusy++
	case saturated:
		t.often.deniedSketch++
	case exhausted:
		t.counts.deniedLong++
	case crowded:
		t.counts.deniedPrefix++
	case slowed:
		t.counts.deniedAccount++
	}
}

type outcome uint8

const (
	succeeded outcome = iota
	failed
	cancelled
)

// newShared returns what so many tables share.
func newShared(c Config, clock *clock, tables int) *shared {
	s := &shared{
		rule: rule{
			failures: c.Failures, window: int64(c.Window),
			lockout: int64(c.Lockout), maxLockout: int64(c.MaxLockout), jitter: int64(c.Jitter),
			unit: unitBits(int64(c.Window)), buckets: newRuler(tallyWidth(int64(c.Window))),
			long: c.LongFailures, longBuckets: newRuler(bucketWidth(int64(c.LongWindow))),
			alarm: c.AlarmFailures, alarms: newRuler(max(int64(c.Window), int64(time.Second))),
			addresses: c.MaxAddresses, proxies: canonical(c.Proxies),
		},
		clock:    clock,
		seed:     maphash.MakeSeed(),
		key:      newKey(),
		pool:     pool{slots: newSlots(c)},
		accounts: newAccounts(c),
		events:   newEvents(),
	}
	for _, p := range c.Prefixes {
		if p.Failures > 0 {
			s.rule.tiers[p.family()] = append(s.rule.tiers[p.family()], newTier(p, c.MaxAddresses, tables))
		}
	}
	for f := range families {
		s.sketches[f] = newSketch(c)
		tiers := s.rule.tiers[f]
		slices.SortFunc(tiers, func(a, b tier) int { return cmp.Compare(a.bits, b.bits) })
		if s.widest[f] = (tier{key: newKey()}); len(tiers) > 0 {
			s.widest[f] = tiers[0]
		}
		for n := range tiers {
			if !tiers[n].observe {
				s.rule.judged[f] = tiers[:n+1]
			}
			tiers[n].first = s.lines
			s.lines += tiers[n].lines
		}
	}
	s.refusals = newRefusals(s)
	return s
}

// newTable returns one of so many tables.
func newTable(s *shared, tables int) table {
	addresses := (s.rule.addresses + tables - 1) / tables
	t := table{shared: s, index: newIndex(addresses), most: 1, networks: make([]line, s.lines)}
	t.far = tables*int(s.lines)*lineBytes > nearBytes
	t.share = 1 + uint32(max(0, s.rule.alarm)/tables/alarmLate)
	if tables == 1 {
		t.most = s.rule.failures + levels
	}
	for f := range t.levels {
		t.levels[f] = make([]list, s.rule.failures+levels)
	}
	return t
}

func (s *shared) hash(of source) uint64 { return s.key.hash(uint64(of)) }

// charge charges an attempt, of entry i or of a stranger, if it is allowed, and returns the time that names the
// charge, and the entry in which it is the first. One that is only allowed to an acquaintance is charged to
// nobody else; its name is negative.
func (t *table) charge(l *login, i uint32, ok bool, now int64) (id int64, at uint32, v verdict) {
	v = t.verdict(l, i, ok, now)
	now = t.roundUp(max(now, t.last+1)) // the name of the charge; no other of the table has it
	if v.kind != allowed {
		if id, ok := t.accounts.chargeKnown(l, now); ok {
			t.often.begun++
			t.counts.known++
			return -id, 0, verdict{}
		}
		t.denied(v.kind)
		return 0, 0, v
	}
	if !ok {
		if i, ok = t.insert(l.hash, l.source, now); !ok {
			return 0, 0, verdict{kind: noRoom}
		}
	}
	t.last = now
	t.often.begun++
	t.push(i, l, now)
	t.chargeLong(i, now)
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
	if v.kind == allowed && !l.roomy {
		v = t.judgePrefixes(l, now)
	}
	if v.kind == allowed && l.account != 0 {
		v = t.accounts.judge(l, now)
	}
	return v
}

// judge says whether entry i may be charged: that is the lock-out, and the windows.
func (t *table) judge(i uint32, now int64) verdict {
	e := &t.pool.entries[i]
	if e.locked(now) {
		return verdict{kind: locked, until: e.lockedUntil}
	}
	if oldest := t.stamp(i, t.rule.failures-1); t.inWindow(oldest, now) {
		kind := busy
		if int(e.own) < t.rule.failures {
			kind = saturated
		}
		return verdict{kind: kind, until: oldest + t.rule.window}
	}
	if t.rule.long > 0 && int(e.longTotal) >= t.rule.long && t.longNow(i, now) >= t.rule.long {
		h := t.longOf(i)
		return verdict{kind: exhausted, until: t.rule.longBuckets.start(h.freeAt(t.rule.long))}
	}
	return verdict{}
}

// judgeStranger is judge for a source that is not in the table.
func (t *table) judgeStranger(hash uint64, s source, now int64) verdict {
	return t.sketches[s.family()].judge(hash, t.rule.failures, now)
}

// entryOf returns the entry in which an attempt was charged, if it is there still, and the place of the charge, if
// nobody has said how it went.
func (t *table) entryOf(l *login, id int64) (i uint32, j int, ok bool) {
	if i, ok = t.find(l.hash, l.source); !ok {
		return 0, 0, false // evicted: what the sketch says of it stays, on the strict side
	}
	if t.pool.entries[i].newest != id {
		var near [nearCharges]int64
		j = slices.Index(t.stampsOf(i, &near), id)
	}
	return i, j, j >= 0 && t.openOf(i)>>j&1 != 0 // or settled before, or so long ago that it does not matter
}

// confirm makes a charge of a source a failure, which entry i had when it was made, if that is all there is to
// do: if it locks nobody out, and is not compared with other failures. It reports whether it has done so.
func (t *table) confirm(i uint32, s source, id int64) bool {
	if id < 0 || !t.holds(i, s) {
		return false
	}
	j := 0
	if t.pool.entries[i].newest != id {
		var near [nearCharges]int64
		j = slices.Index(t.stampsOf(i, &near), id)
	}
	return j >= 0 && t.openOf(i)>>j&1 != 0 && t.confirmAt(i, j)
}

// confirmAt is confirm for charge j of entry i, which is open. It needs to know no time: as many failures are in the
// window now as were when the last charge was made, or less.
func (t *table) confirmAt(i uint32, j int) bool {
	newest := t.pool.entries[i].newest
	if t.inWindow(t.stamp(i, t.rule.failures-1), newest) {
		if _, _, failures := t.tally(i, newest); failures+1 >= t.rule.failures {
			return false
		}
	}
	t.setOpen(i, t.openOf(i)&^(1<<j))
	t.often.failed++
	t.raiseAlarm(newest)
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
	t.setOpen(i, t.openOf(i)&^(1<<j))
	switch how {
	case failed:
		t.often.failed++
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
		t.accounts.befriend(l)
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
		t.often.failed++
		t.raiseAlarm(now)
	case succeeded:
		t.counts.succeeded++
		t.accounts.befriend(l)
	case cancelled:
		t.counts.cancelled++
	}
}
