package ratelimit

import (
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
	"unsafe"
)

// A table is a tracker without its lock and its clock: now is an argument, in
// nanoseconds, and zero is never. It is as large when it is made as it ever gets.
//
// An entry keeps the last Failures charges of its source, newest first. A charge is
// of one of three kinds: open, until somebody says how the attempt went; a failure; or
// inherited from the sketch, when the source was not in the table and may have been before.
type table struct {
	rule    rule
	base    time.Time // of now, for events
	seed    maphash.Seed
	entries []entry     // grows to MaxAddresses, for which there is room
	stamps  []int64     // rule.failures to an entry: when each charge was made, newest first
	marks   []mark      // as many: the accounts and secrets of the charges
	long    []histogram // one to an entry: the charges in the long window
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

// A mark is what is kept of the login that made a charge.
type mark struct {
	account, secret uint32 // zero: none
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
	levels []list // by suspicion; in each the one charged last is first
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
	begun, succeeded, failed, cancelled    uint64
	lockouts                               uint64
	deniedLocked, deniedBusy, deniedSketch uint64
	deniedLong, deniedPrefix, observed     uint64
	deniedAccount, deniedList, exempt      uint64
	known, repeated, journalErrors         uint64
	proxyFailures, forgottenProxy          uint64
	evicted, evictedLive, evictedLocked    uint64
	swept                                  uint64
	eventsDropped                          uint64
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

// charge charges an attempt, and returns the time that names it if it is allowed. One
// that is only allowed to an acquaintance is charged to nobody else.
func (t *table) charge(l *login, now int64) (id int64, asKnown bool, v verdict) {
	i, ok := t.find(l.source)
	hashes, v := t.verdict(l, i, ok, now)
	name := max(now, t.last+1) // of the charge; no other has it
	if v.kind != allowed && t.accounts.known.charge(l, name) {
		t.last = name
		t.counts.begun++
		t.counts.known++
		return name, true, verdict{}
	}
	if v.kind != allowed {
		t.counts.denied(v.kind)
		return 0, false, v
	}
	if !ok {
		i = t.insert(l.source, now)
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
	return now, false, verdict{}
}

// push puts a charge in front of those of entry i.
func (t *table) push(i uint32, l *login, now int64) {
	e := &t.entries[i]
	stamps := t.stampsOf(i)
	copy(stamps[1:], stamps)
	stamps[0] = now
	all := uint64(1)<<t.rule.failures - 1 // for 64 it overflows to all bits
	e.open = (e.open<<1 | 1) & all
	e.inherited = e.inherited << 1 & all
	t.marked = t.marked || l.account != 0
	if !t.marked {
		return
	}
	marks := t.marksOf(i)
	copy(marks[1:], marks)
	marks[0] = mark{l.mark(), l.secret}
}

// check returns what charge would say, but for what acquaintances are allowed.
func (t *table) check(l *login, now int64) verdict {
	i, ok := t.find(l.source)
	_, v := t.verdict(l, i, ok, now)
	return v
}

// verdict says whether an attempt of entry i, or of a stranger, may be charged.
func (t *table) verdict(l *login, i uint32, ok bool, now int64) (hashes prefixHashes, v verdict) {
	if ok {
		v = t.judge(i, now)
	} else {
		v = t.judgeStranger(l.source, now)
	}
	if v.kind == allowed {
		hashes, v = t.judgePrefixes(l.source, now)
	}
	if v.kind == allowed {
		v = t.accounts.judge(l, now)
	}
	return hashes, v
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
func (t *table) judgeStranger(s source, now int64) verdict {
	return t.family[s.family].sketch.judge(t.hash(s), t.rule.window, now)
}

// settle says how the attempt went that was charged at id.
func (t *table) settle(l *login, id int64, how outcome, now int64) {
	i, ok := t.find(l.source)
	if !ok {
		return // evicted: what the sketch says of it stays, on the strict side
	}
	e := &t.entries[i]
	j := slices.Index(t.stampsOf(i), id)
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

// repeats reports whether charge j of entry i is a failure with the same account and
// secret as another in the window.
func (t *table) repeats(i uint32, j int, now int64) bool {
	marks := t.marksOf(i)
	if marks[j].secret == 0 {
		return false
	}
	for k, stamp := range t.stampsOf(i) {
		if k != j && t.inWindow(stamp, now) && t.entries[i].open>>k&1 == 0 && marks[k] == marks[j] {
			return true
		}
	}
	return false
}

// forgive gives back the failures of entry i against the account of a login.
func (t *table) forgive(i uint32, l *login) {
	if l.account == 0 {
		return
	}
	for j := t.rule.failures - 1; j >= 0; j-- {
		if t.entries[i].open>>j&1 == 0 && t.marksOf(i)[j].account == l.mark() {
			t.refund(i, j, l)
		}
	}
}

// refund takes charge j away, from the long window, the networks and the account as
// well.
func (t *table) refund(i uint32, j int, l *login) {
	e := &t.entries[i]
	stamps := t.stampsOf(i)
	if e.inherited>>j&1 == 0 && stamps[j] != 0 {
		t.long[i].sub(t.longBucket(stamps[j]))
		t.refundPrefixes(e.source, stamps[j])
		t.accounts.refund(l, stamps[j])
	}
	copy(stamps[j:], stamps[j+1:])
	stamps[len(stamps)-1] = 0
	e.open = without(e.open, j)
	e.inherited = without(e.inherited, j)
	marks := t.marksOf(i)
	copy(marks[j:], marks[j+1:])
	marks[len(marks)-1] = mark{}
}

// without takes bit j out of a word; those above move down.
func without(bits uint64, j int) uint64 {
	below := uint64(1)<<j - 1
	return bits&below | bits>>1&^below
}

// lock begins a lock-out of entry i, unless there is one.
func (t *table) lock(i uint32, now int64) {
	e := &t.entries[i]
	if e.locked(now) {
		return
	}
	if t.rule.isProxy(e.source) {
		t.counts.proxyFailures++
		t.emit(Event{Kind: ProxyFailing, Source: e.source.prefix()}, now)
		return
	}
	strikes := t.strikes(e, now)
	span := t.rule.span(strikes)
	if t.rule.jitter > 0 {
		span += rand.Int64N(t.rule.jitter + 1)
	}
	t.lockUntil(e, now+span, strikes+1)
	t.counts.lockouts++
	t.change(lockout, e)
	t.emit(Event{Kind: LockedOut, Source: e.source.prefix(), Wait: time.Duration(span), Strikes: strikes + 1, Accounts: t.spread(i)}, now)
}

// lockUntil locks a source that then has so many strikes.
func (t *table) lockUntil(e *entry, until int64, strikes int) {
	for strikes > 1 && t.rule.span(strikes-1) == t.rule.maxLockout {
		strikes-- // with one less the next is as long
	}
	e.lockedUntil = until
	e.forgivenAt = until + int64(strikes)*t.rule.maxLockout
	e.struck, e.pardoned = true, false
}

// locked reports whether an entry is locked out.
func (e *entry) locked(now int64) bool { return e.lockedUntil > now && !e.pardoned }

// isProxy reports whether a source is a proxy that must not be locked.
func (r *rule) isProxy(s source) bool {
	for _, p := range r.proxies {
		if p.Overlaps(s.prefix()) {
			return true
		}
	}
	return false
}

// change remembers for the journal that an entry was locked or unlocked.
func (t *table) change(kind transitionKind, e *entry) {
	t.sequence++
	t.changed = transition{sequence: t.sequence, source: e.source, kind: kind, at: e.lockedUntil, more: e.forgivenAt}
}

// mostStrikes returns how many strikes make the longest lock-out.
func (r *rule) mostStrikes() int64 {
	n := 1
	for r.span(n) < r.maxLockout {
		n++
	}
	return int64(n)
}

// span returns how long the lock-out is of a source with so many strikes before.
func (r *rule) span(strikes int) int64 {
	span := r.lockout
	for range strikes {
		if span > r.maxLockout/2 {
			return r.maxLockout
		}
		span *= 2
	}
	return span
}

// strikes returns the lock-outs of a source that are not forgiven.
func (t *table) strikes(e *entry, now int64) int {
	left := e.forgivenAt - max(now, e.lockedUntil)
	return int(max(0, left+t.rule.maxLockout-1) / t.rule.maxLockout)
}

// pardon forgets the failures of a source.
func (t *table) pardon(s source, now int64) {
	i, ok := t.find(s)
	if !ok {
		return
	}
	e := &t.entries[i]
	for j := t.rule.failures - 1; j >= 0; j-- {
		if e.open>>j&1 == 0 {
			t.refund(i, j, &login{source: s})
		}
	}
	t.place(i, now)
}

// unlock forgets a source and reports whether it was locked, for all that is known.
// Where the sketch would deny it, an entry that is empty stays in the table for as long.
func (t *table) unlock(s source, now int64) (wasLocked bool) {
	i, ok := t.find(s)
	pardoned := false
	if ok {
		wasLocked, pardoned = t.entries[i].locked(now), t.entries[i].pardoned
		t.remove(i)
	}
	if v := t.judgeStranger(s, now); v.kind != allowed {
		wasLocked = wasLocked || !ok || !pardoned
		i = t.insert(s, now)
		e := &t.entries[i]
		clear(t.stampsOf(i))
		e.inherited, e.forgivenAt = 0, 0
		t.long[i] = histogram{}
		e.lockedUntil, e.pardoned = now+v.wait+t.rule.window, true
		t.place(i, now)
	}
	if wasLocked {
		t.change(unlocked, &entry{source: s})
		t.emit(Event{Kind: Unlocked, Source: s.prefix()}, now)
	}
	return wasLocked
}

// lockNow locks a source for a span, without a strike, and never for less than it is.
func (t *table) lockNow(s source, span, now int64) {
	i, ok := t.find(s)
	if !ok {
		i = t.insert(s, now)
	}
	e := &t.entries[i]
	strikes := t.strikes(e, now)
	if e.pardoned {
		e.lockedUntil = 0
	}
	t.lockUntil(e, max(e.lockedUntil, now+span), strikes)
	t.place(i, now)
	t.counts.lockouts++
	t.change(lockout, e)
	t.emit(Event{Kind: LockedOut, Source: s.prefix(), Wait: time.Duration(e.lockedUntil - now), Strikes: strikes}, now)
}

// spread returns how many accounts the charges of entry i were made against.
func (t *table) spread(i uint32) (n int) {
	marks := t.marksOf(i)
	for j, m := range marks {
		if m.account != 0 && !slices.ContainsFunc(marks[:j], func(other mark) bool { return other.account == m.account }) {
			n++
		}
	}
	return n
}

// tally counts the charges in the window, by kind.
func (t *table) tally(i uint32, now int64) (open, inherited, failures int) {
	e := &t.entries[i]
	for j, stamp := range t.stampsOf(i) {
		switch {
		case !t.inWindow(stamp, now):
			return open, inherited, failures
		case e.open>>j&1 != 0:
			open++
		case e.inherited>>j&1 != 0:
			inherited++
		default:
			failures++
		}
	}
	return open, inherited, failures
}

// inWindow reports whether a charge made at that time counts.
func (t *table) inWindow(stamp, now int64) bool { return stamp != 0 && stamp+t.rule.window > now }

func (t *table) stampsOf(i uint32) []int64 {
	n := t.rule.failures
	return t.stamps[int(i)*n : int(i)*n+n]
}

func (t *table) marksOf(i uint32) []mark {
	n := t.rule.failures
	return t.marks[int(i)*n : int(i)*n+n]
}

func (t *table) hash(s source) uint64 { return maphash.Comparable(t.seed, s) }

func (t *table) find(s source) (uint32, bool) {
	return t.index.find(t.hash(s), func(i uint32) bool { return t.entries[i].source == s })
}

// insert enters a source, with what the sketch says at least of it. There must be
// less than a full window of that.
func (t *table) insert(s source, now int64) uint32 {
	if t.len == t.rule.addresses {
		t.evict(s.family, now)
	}
	i := t.free
	if i != 0 {
		i--
		t.free = t.entries[i].next
	} else {
		i = uint32(len(t.entries))
		t.entries = append(t.entries, entry{})
	}
	k := &t.family[s.family]
	e := &t.entries[i]
	*e = entry{source: s, used: true}
	hash := t.hash(s)
	for j, stamps := 0, t.stampsOf(i); j < len(stamps); j++ {
		stamps[j] = k.sketch.least(hash, j)
		if stamps[j] != 0 {
			e.inherited |= 1 << j
		}
	}
	e.forgivenAt = k.sketch.least(hash, k.sketch.forgivenAt())
	t.long[i] = k.sketch.leastLong(hash)
	if t.rule.long > 0 {
		t.long[i].trim(t.rule.long - t.rule.failures)
	}
	t.index.insert(hash, i)
	t.len++
	k.len++
	k.levels[0].push(t.entries, i)
	return i
}

func (t *table) hashAt(i uint32) uint64 { return t.hash(t.entries[i].source) }

// forget takes an entry out, and remembers in the sketch what it did.
func (t *table) forget(i uint32, now int64) {
	e := &t.entries[i]
	if e.pardoned {
		e.lockedUntil = 0
	}
	t.long[i].advance(t.longBucket(now))
	t.family[e.source.family].sketch.fold(t.hash(e.source), t.stampsOf(i), e.lockedUntil, e.forgivenAt, t.long[i])
	t.remove(i)
}

// remove takes an entry out.
func (t *table) remove(i uint32) {
	e := &t.entries[i]
	k := &t.family[e.source.family]
	k.levels[e.level].remove(t.entries, i)
	t.index.remove(t.hash(e.source), i, t.hashAt)
	clear(t.stampsOf(i))
	t.long[i] = histogram{}
	clear(t.marksOf(i))
	t.len--
	k.len--
	*e = entry{next: t.free}
	t.free = i + 1
}

// place puts an entry first in the level of its suspicion.
func (t *table) place(i uint32, now int64) {
	e := &t.entries[i]
	levels := t.family[e.source.family].levels
	levels[e.level].remove(t.entries, i)
	e.level = uint8(t.suspicion(i, now))
	levels[e.level].push(t.entries, i)
}

// suspicion ranks entries for eviction: by charges of their own in the window, then
// those with strikes or much of the long window used, then those that are locked. Inherited
// charges do not count, for in a flood everybody has them.
func (t *table) suspicion(i uint32, now int64) int {
	e := &t.entries[i]
	switch {
	case e.lockedUntil > now:
		return t.rule.failures + 2
	case e.struck && e.forgivenAt > now:
		return t.rule.failures + 1
	case t.rule.long > 0 && 2*int(t.long[i].total) > t.rule.long && 2*int(t.longNow(i, now)) > t.rule.long:
		return t.rule.failures + 1
	}
	open, _, failures := t.tally(i, now)
	return open + failures
}

// longNow returns the charges of entry i in the long window.
func (t *table) longNow(i uint32, now int64) int {
	t.long[i].advance(t.longBucket(now))
	return int(t.long[i].total)
}

// spent reports whether the sketch can be trusted with all that needs to be known of
// an entry: nothing in the window, and little in the long one.
func (t *table) spent(i uint32, now int64) bool {
	return t.suspicion(i, now) == 0 && !t.inWindow(t.stampsOf(i)[0], now) &&
		(t.rule.long <= 0 || t.longNow(i, now) <= t.rule.failures)
}

// evict makes room for a source of a family: at the cost of its own, unless the
// other has more than its half.
func (t *table) evict(f family, now int64) {
	if k := &t.family[f]; k.len == 0 || k.len < t.rule.addresses/2 {
		f = 1 - f
	}
	k := &t.family[f]
	for level := range k.levels {
		if i, ok := k.levels[level].last(); ok && t.spent(i, now) {
			t.forget(i, now)
			return
		}
	}
	for level := range k.levels {
		i, ok := k.levels[level].last()
		if !ok {
			continue
		}
		e := &t.entries[i]
		t.counts.evicted++
		if t.inWindow(t.stampsOf(i)[0], now) || e.locked(now) {
			t.counts.evictedLive++
		}
		if e.locked(now) {
			t.counts.evictedLocked++
		}
		t.forget(i, now)
		return
	}
}

// sweep removes what is spent of the entries from one number to another.
func (t *table) sweep(from, to int, now int64) (removed int) {
	for i := from; i < min(to, len(t.entries)); i++ {
		if t.entries[i].used && t.spent(uint32(i), now) {
			t.forget(uint32(i), now)
			removed++
		}
	}
	t.counts.swept += uint64(removed)
	return removed
}

// bytes returns what the table takes of the heap.
func (t *table) bytes() int64 {
	n := sliceBytes(t.entries) + sliceBytes(t.stamps) + sliceBytes(t.long) + sliceBytes(t.index.cells) + sliceBytes(t.marks)
	n += sliceBytes(t.accounts.tier.cells) + sliceBytes(t.accounts.last) + sliceBytes(t.accounts.known.sets)
	n += allocated(int64(unsafe.Sizeof(Tracker{}))) + allocated(queuedEvents*int64(unsafe.Sizeof(Event{}))+128)
	for f := range t.family {
		k := &t.family[f]
		n += sliceBytes(k.levels) + sliceBytes(k.sketch.cells) + sliceBytes(k.sketch.long) + sliceBytes(k.tiers)
		for i := range k.tiers {
			n += sliceBytes(k.tiers[i].cells)
		}
	}
	return n
}

// sliceBytes returns what the array behind a slice takes.
func sliceBytes[T any](s []T) int64 {
	var element T
	return allocated(int64(cap(s)) * int64(unsafe.Sizeof(element)))
}

// allocated returns no less than the allocator takes for n bytes: its size classes
// waste an eighth at the most, and pages less.
func allocated(n int64) int64 {
	if n == 0 {
		return 0
	}
	return n + n/8 + 16
}
