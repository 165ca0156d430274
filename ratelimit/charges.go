package ratelimit

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// nearCharges are as many charges as an entry has room for, the default of Failures. If more are allowed, they
// are all elsewhere.
const nearCharges = 5

// An entry is what a charge needs to know of its source, in one line of the processor's cache. It has no
// pointers, so the collector does not look at it.
//
// Its charges are newest first. The first is kept as a time, and each of the others as how much earlier it was
// than that, in ages of 40 bits: by default these are nanoseconds, and for a window of more than 18 minutes the
// nearest larger power of two that suffices.
type entry struct {
	source source // set by sync/atomic: see holds
	state
}

// A state is what an entry knows of its source. That of a free slot is zero.
type state struct {
	lockedUntil int64 // zero: was never locked. See strikes
	newest      int64 // the last charge; zero: none

	older [nearCharges - 1]uint32 // the upper 32 bits of the ages
	finer [nearCharges - 1]uint8  // the lower eight

	longLast  uint32 // as in a histogram: the newest bucket of the long window
	chained   uint32 // the next with the same cell of the index, + 1
	longTotal uint8  // as in a histogram
	longNow   uint8  // the charges in the newest bucket; the others are in slots.long

	own     uint8 // charges that were made while the source was in the table: those behind them are inherited
	open    uint8 // bit j: charge j is open. See openOf
	level   uint8
	strikes uint8 // the last of them is forgiven as many times maxLockout after lockedUntil

	touched  bool // was charged since it was placed
	struck   bool // was locked while in the table: strikes are not those of another
	pardoned bool // lockedUntil is not a lock-out: until then the entry keeps the sketch from being asked
	_        [3]byte
}

// holds reports whether entry i is that of a source of this table, which is then spared a look into the index.
// Another table may have the slot by now, and set its source at the same time; but it never sets one of this
// table, whose lock is held. Zero, which is that of a free slot too, is held by none.
func (t *table) holds(i uint32, s source) bool {
	return s != 0 && atomic.LoadUint64((*uint64)(&t.pool.entries[i].source)) == uint64(s)
}

func (e *entry) setSource(s source) { atomic.StoreUint64((*uint64)(&e.source), uint64(s)) }

// A mark is what is kept of the login that made a charge: 20 bits of the account, and above them 12 of the
// secret; zero: none. Two secrets of one account are taken for the same once in 4,096 times, which gives back
// one guess in as many; two accounts once in a million times, which lets who succeeds at one clear what he
// failed at the other.
type mark uint32

const (
	accountBits = 20
	secretBits  = 32 - accountBits
)

// mark returns that of a login.
func (l *login) mark() mark {
	if l.account == 0 {
		return 0
	}
	return mark(max(1, l.account&(1<<accountBits-1)) | uint64(l.secret)<<accountBits)
}

func (m mark) account() uint32 { return uint32(m) & (1<<accountBits - 1) }
func (m mark) secret() uint32  { return uint32(m) >> accountBits }

// never is the age of a charge that was not made, or so long ago that it does not matter.
const never = 1<<40 - 1

// unitBits returns by how many bits ages are shifted for a window.
func unitBits(window int64) int { return max(0, bits.Len64(uint64(window))-40) }

// age returns how much earlier charge j+1 was than the first.
func (e *entry) age(j int) uint64 { return uint64(e.older[j])<<8 | uint64(e.finer[j]) }

func (e *entry) setAge(j int, age uint64) { e.older[j], e.finer[j] = uint32(age>>8), uint8(age) }

// stamp returns when charge j was made, or zero.
func (e *entry) stamp(j, unit int) int64 {
	if j == 0 {
		return e.newest
	}
	if age := e.age(j - 1); age < never {
		return e.newest - int64(age<<unit)
	}
	return 0
}

// stamp returns when charge j of entry i was made; zero is never.
func (t *table) stamp(i uint32, j int) int64 {
	if n := t.rule.failures; n > nearCharges {
		return t.pool.stamps[int(i)*n+j]
	}
	return t.pool.entries[i].stamp(j, t.rule.unit)
}

// stampsOf returns when the charges of entry i were made, newest first; zero is never. It may use the room of near.
func (t *table) stampsOf(i uint32, near *[nearCharges]int64) []int64 {
	n := t.rule.failures
	if n > nearCharges {
		return t.pool.stamps[int(i)*n : int(i)*n+n]
	}
	for j := range n {
		near[j] = t.pool.entries[i].stamp(j, t.rule.unit)
	}
	return near[:n]
}

// setStamps sets when the charges of entry i were made: those that stampsOf returned may be among them. What is
// no multiple of the unit is rounded up.
func (t *table) setStamps(i uint32, stamps []int64) {
	e := &t.pool.entries[i]
	e.newest = t.roundUp(stamps[0])
	if n := t.rule.failures; n > nearCharges {
		copy(t.pool.stamps[int(i)*n:int(i)*n+n], stamps)
		t.pool.stamps[int(i)*n] = e.newest
		return
	}
	for j := range e.older {
		age := uint64(never)
		if j+1 < len(stamps) && stamps[j+1] != 0 {
			age = min(age, uint64(e.newest-stamps[j+1])>>t.rule.unit)
		}
		e.setAge(j, age)
	}
}

// clearStamps takes all charges of entry i away.
func (t *table) clearStamps(i uint32) {
	var none [mostFailures]int64
	t.setStamps(i, none[:t.rule.failures])
	t.setOpen(i, 0)
}

// roundUp rounds a time up to the unit of ages.
func (t *table) roundUp(at int64) int64 {
	mask := int64(1)<<t.rule.unit - 1
	return (at + mask) &^ mask
}

// openOf returns which charges of entry i are open, by bits.
func (t *table) openOf(i uint32) uint64 {
	if t.rule.failures > nearCharges {
		return t.pool.opens[i]
	}
	return uint64(t.pool.entries[i].open)
}

func (t *table) setOpen(i uint32, open uint64) {
	if t.rule.failures > nearCharges {
		t.pool.opens[i] = open
		return
	}
	t.pool.entries[i].open = uint8(open)
}

// push puts a charge in front of those of entry i.
func (t *table) push(i uint32, l *login, now int64) {
	e := &t.pool.entries[i]
	now = max(now, e.newest)
	n := t.rule.failures
	if n > nearCharges {
		stamps := t.pool.stamps[int(i)*n : int(i)*n+n]
		copy(stamps[1:], stamps)
		stamps[0] = now
	} else {
		e.pushAge(uint64(now-e.newest) >> t.rule.unit)
	}
	e.newest = now
	all := uint64(1)<<n - 1 // for 64 it overflows to all bits
	t.setOpen(i, (t.openOf(i)<<1|1)&all)
	e.own = uint8(min(int(e.own)+1, n))
	t.marked = t.marked || l.account != 0
	if !t.marked {
		return
	}
	marks := t.marksOf(i)
	copy(marks[1:], marks)
	marks[0] = l.mark()
}

// pushAge makes the first charge the second, so much older than the one that comes, and all others older by
// that. If there was no first, the second is of the time zero, which is never.
func (e *entry) pushAge(by uint64) {
	second, third, fourth := e.age(0)+by, e.age(1)+by, e.age(2)+by
	e.setAge(0, min(by, never))
	e.setAge(1, min(second, never))
	e.setAge(2, min(third, never))
	e.setAge(3, min(fourth, never))
}

// repeats reports whether charge j of entry i is a failure with the same account and
// secret as another in the window.
func (t *table) repeats(i uint32, j int, now int64) bool {
	marks := t.marksOf(i)
	if marks[j].secret() == 0 {
		return false
	}
	var near [nearCharges]int64
	for k, stamp := range t.stampsOf(i, &near) {
		if k != j && t.inWindow(stamp, now) && t.openOf(i)>>k&1 == 0 && marks[k] == marks[j] {
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
		if t.openOf(i)>>j&1 == 0 && t.marksOf(i)[j].account() == l.mark().account() {
			t.refund(i, j, l)
		}
	}
}

// refund takes charge j away, from the long window, the networks and the account as
// well.
func (t *table) refund(i uint32, j int, l *login) {
	e := &t.pool.entries[i]
	var near [nearCharges]int64
	stamps := t.stampsOf(i, &near)
	if stamp := stamps[j]; j < int(e.own) && stamp != 0 {
		t.refundLong(i, stamp)
		if stamp > t.restored {
			t.refundPrefixes(l, stamp)
		}
		t.accounts.refund(l, stamp)
		e.own--
	}
	copy(stamps[j:], stamps[j+1:])
	stamps[len(stamps)-1] = 0
	t.setStamps(i, stamps)
	t.setOpen(i, without(t.openOf(i), j))
	if t.marked {
		marks := t.marksOf(i)
		copy(marks[j:], marks[j+1:])
		marks[len(marks)-1] = 0
	}
}

// without takes bit j out of a word; those above move down.
func without(bits uint64, j int) uint64 {
	below := uint64(1)<<j - 1
	return bits&below | bits>>1&^below
}

// spread returns how many accounts the charges of entry i were made against.
func (t *table) spread(i uint32) (n int) {
	marks := t.marksOf(i)
	for j, m := range marks {
		if m.account() != 0 && !slices.ContainsFunc(marks[:j], func(other mark) bool { return other.account() == m.account() }) {
			n++
		}
	}
	return n
}

// tally counts the charges in the window, by kind.
func (t *table) tally(i uint32, now int64) (open, inherited, failures int) {
	var near [nearCharges]int64
	own, isOpen := int(t.pool.entries[i].own), t.openOf(i)
	for j, stamp := range t.stampsOf(i, &near) {
		switch {
		case !t.inWindow(stamp, now):
			return open, inherited, failures
		case isOpen>>j&1 != 0:
			open++
		case j >= own:
			inherited++
		default:
			failures++
		}
	}
	return open, inherited, failures
}

// inWindow reports whether a charge made at that time counts.
func (t *table) inWindow(stamp, now int64) bool { return stamp != 0 && stamp+t.rule.window > now }

func (t *table) marksOf(i uint32) []mark {
	n := t.rule.failures
	return t.pool.marks[int(i)*n : int(i)*n+n]
}
