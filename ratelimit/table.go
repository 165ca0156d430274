package ratelimit

import (
	"hash/maphash"
	"slices"
	"unsafe"
)

// A table is a tracker without its lock and its clock: now is an argument, in
// nanoseconds, and zero is never.
//
// An entry keeps the last Failures charges of its source, newest first. A charge is
// of one of three kinds: open, until somebody says how the attempt went; a failure; or
// inherited from the sketch, when the source was not in the table and may have been before.
type table struct {
	rule    rule
	seed    maphash.Seed
	entries []entry // grows to MaxAddresses
	stamps  []int64 // rule.failures to an entry: when each charge was made, newest first
	index   index
	free    uint32 // the first of the unused entries, + 1, linked through next
	len     int
	family  [families]kin
	last    int64 // the last charge: each is at a time of its own, which names it
	counts  counts
}

// A rule is a Config in nanoseconds.
type rule struct {
	failures                    int
	window, lockout, maxLockout int64
	addresses                   int
}

// kin is what the sources of one family have apart from those of the other.
type kin struct {
	len    int
	levels []list // by suspicion; in each the one charged last is first
	sketch sketch
}

// An entry has no pointers: the collector does not look at the table.
type entry struct {
	source      source
	lockedUntil int64  // zero: was never locked
	open        uint64 // bit j: charge j is open
	inherited   uint64 // bit j: charge j is inherited
	prev, next  uint32 // in its level, + 1
	strikes     uint8
	level       uint8
	used        bool
}

type counts struct {
	begun, succeeded, failed, cancelled    uint64
	lockouts                               uint64
	deniedLocked, deniedBusy, deniedSketch uint64
	evicted, evictedLocked, swept          uint64
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
			lockout: int64(c.Lockout), maxLockout: int64(c.MaxLockout), addresses: c.MaxAddresses,
		},
		seed: maphash.MakeSeed(),
	}
	for f := range t.family {
		t.family[f].levels = make([]list, c.Failures+3)
	}
	return t
}

// charge charges an attempt, and returns the time that names it if it is allowed.
func (t *table) charge(s source, now int64) (id int64, v verdict) {
	now = max(now, t.last+1)
	i, ok := t.find(s)
	if ok {
		v = t.judge(i, now)
	} else if v = t.judgeStranger(s, now); v.kind == allowed {
		i = t.insert(s, now)
	}
	switch v.kind {
	case allowed:
	case locked:
		t.counts.deniedLocked++
		return 0, v
	case busy:
		t.counts.deniedBusy++
		return 0, v
	default:
		t.counts.deniedSketch++
		return 0, v
	}
	t.counts.begun++
	t.last = now
	e := &t.entries[i]
	stamps := t.stampsOf(i)
	copy(stamps[1:], stamps)
	stamps[0] = now
	all := uint64(1)<<t.rule.failures - 1 // for 64 it overflows to all bits
	e.open = (e.open<<1 | 1) & all
	e.inherited = e.inherited << 1 & all
	t.place(i, now)
	return now, verdict{}
}

// check returns what charge would say.
func (t *table) check(s source, now int64) verdict {
	if i, ok := t.find(s); ok {
		return t.judge(i, now)
	}
	return t.judgeStranger(s, now)
}

// judge says whether entry i may be charged: that is the window, and the lock-out.
func (t *table) judge(i uint32, now int64) verdict {
	e := &t.entries[i]
	if e.lockedUntil > now {
		return verdict{locked, e.lockedUntil - now}
	}
	oldest := t.stampsOf(i)[t.rule.failures-1]
	if !t.inWindow(oldest, now) {
		return verdict{}
	}
	kind := busy
	if e.inherited != 0 {
		kind = saturated
	}
	return verdict{kind, oldest + t.rule.window - now}
}

// judgeStranger is judge for a source that is not in the table.
func (t *table) judgeStranger(s source, now int64) verdict {
	sk := &t.family[s.family].sketch
	hash := t.hash(s)
	if until := sk.least(hash, t.rule.failures); until > now {
		return verdict{saturated, until - now}
	}
	if oldest := sk.least(hash, t.rule.failures-1); t.inWindow(oldest, now) {
		return verdict{saturated, oldest + t.rule.window - now}
	}
	return verdict{}
}

// settle says how the attempt went that was charged at id.
func (t *table) settle(s source, id int64, how outcome, now int64) {
	i, ok := t.find(s)
	if !ok {
		return // evicted: what the sketch says of it stays, on the strict side
	}
	e := &t.entries[i]
	j := slices.Index(t.stampsOf(i), id)
	if j < 0 || e.open>>j&1 == 0 {
		return // settled before, or so long ago that it does not matter
	}
	switch how {
	case failed:
		t.counts.failed++
		e.open &^= 1 << j
		if _, _, failures := t.tally(i, now); failures >= t.rule.failures {
			t.lock(e, now)
		}
	case succeeded:
		t.counts.succeeded++
		t.refund(i, j)
	case cancelled:
		t.counts.cancelled++
		t.refund(i, j)
	}
	if t.spent(i, now) {
		t.remove(i) // who succeeds leaves nothing behind
		return
	}
	t.place(i, now)
}

// refund takes charge j away.
func (t *table) refund(i uint32, j int) {
	e := &t.entries[i]
	stamps := t.stampsOf(i)
	copy(stamps[j:], stamps[j+1:])
	stamps[len(stamps)-1] = 0
	e.open = without(e.open, j)
	e.inherited = without(e.inherited, j)
}

// without takes bit j out of a word; those above move down.
func without(bits uint64, j int) uint64 {
	below := uint64(1)<<j - 1
	return bits&below | bits>>1&^below
}

// lock begins a lock-out, unless there is one.
func (t *table) lock(e *entry, now int64) {
	if e.lockedUntil > now {
		return
	}
	if t.forgiven(e, now) {
		e.strikes = 0
	}
	span := t.rule.lockout
	for range e.strikes {
		if span > t.rule.maxLockout/2 {
			span = t.rule.maxLockout
			break
		}
		span *= 2
	}
	e.strikes = min(e.strikes, 62) + 1
	e.lockedUntil = now + span
	t.counts.lockouts++
}

// forgiven reports whether a source has been quiet long enough for its strikes not
// to count any more.
func (t *table) forgiven(e *entry, now int64) bool { return e.lockedUntil+t.rule.maxLockout <= now }

// pardon forgets the failures of a source.
func (t *table) pardon(s source, now int64) {
	i, ok := t.find(s)
	if !ok {
		return
	}
	e := &t.entries[i]
	for j := t.rule.failures - 1; j >= 0; j-- {
		if e.open>>j&1 == 0 {
			t.refund(i, j)
		}
	}
	t.place(i, now)
}

// unlock forgets a source and reports whether it was locked.
func (t *table) unlock(s source, now int64) (wasLocked bool) {
	i, ok := t.find(s)
	if !ok {
		return false
	}
	wasLocked = t.entries[i].lockedUntil > now
	t.remove(i)
	return wasLocked
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
		t.stamps = append(t.stamps, make([]int64, t.rule.failures)...)
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
	t.index.insert(hash, i, t.hashAt)
	t.len++
	k.len++
	k.levels[0].push(t.entries, i)
	return i
}

func (t *table) hashAt(i uint32) uint64 { return t.hash(t.entries[i].source) }

// remove takes an entry out.
func (t *table) remove(i uint32) {
	e := &t.entries[i]
	k := &t.family[e.source.family]
	k.levels[e.level].remove(t.entries, i)
	t.index.remove(t.hash(e.source), i, t.hashAt)
	clear(t.stampsOf(i))
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
// those with strikes, then those that are locked. Inherited charges do not count, for
// in a flood everybody has them.
func (t *table) suspicion(i uint32, now int64) int {
	e := &t.entries[i]
	switch {
	case e.lockedUntil > now:
		return t.rule.failures + 2
	case e.strikes > 0 && !t.forgiven(e, now):
		return t.rule.failures + 1
	}
	open, _, failures := t.tally(i, now)
	return open + failures
}

// spent reports whether nothing needs to be known of an entry any more.
func (t *table) spent(i uint32, now int64) bool {
	return t.suspicion(i, now) == 0 && !t.inWindow(t.stampsOf(i)[0], now)
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
			t.remove(i)
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
		if e.lockedUntil > now {
			t.counts.evictedLocked++
		}
		k.sketch.fold(t.hash(e.source), t.stampsOf(i), e.lockedUntil, t.rule.addresses)
		t.remove(i)
		return
	}
}

// sweep removes what is spent of the entries from one number to another.
func (t *table) sweep(from, to int, now int64) (removed int) {
	for i := from; i < min(to, len(t.entries)); i++ {
		if t.entries[i].used && t.spent(uint32(i), now) {
			t.remove(uint32(i))
			removed++
		}
	}
	t.counts.swept += uint64(removed)
	return removed
}

// bytes returns what the table takes of the heap.
func (t *table) bytes() int64 {
	n := allocated(int64(unsafe.Sizeof(Tracker{}))) + allocated(int64(cap(t.entries))*int64(unsafe.Sizeof(entry{}))) +
		allocated(int64(cap(t.stamps))*8) + allocated(int64(cap(t.index.cells))*4)
	for f := range t.family {
		n += allocated(int64(cap(t.family[f].levels))*int64(unsafe.Sizeof(list{}))) + allocated(int64(cap(t.family[f].sketch.cells))*8)
	}
	return n
}

// allocated returns no less than the allocator takes for n bytes: its size classes
// waste an eighth at the most, and pages less.
func allocated(n int64) int64 {
	if n == 0 {
		return 0
	}
	return n + n/8 + 16
}
