package ratelimit

import (
	"slices"
)

// A mark is what is kept of the login that made a charge.
type mark struct {
	account, secret uint32 // zero: none
}

// push puts a charge in front of those of entry i.
func (t *table) push(i uint32, l *login, now int64) {
	e := &t.entries[i]
	stamps := t.stampsOf(i)
	for j := len(stamps) - 1; j > 0; j-- { // copy takes longer for so few
		stamps[j] = stamps[j-1]
	}
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
		t.entries[i].long.sub(t.longBucket(stamps[j]))
		t.refundPrefixes(e.source, stamps[j])
		t.accounts.refund(l, stamps[j])
	}
	copy(stamps[j:], stamps[j+1:])
	stamps[len(stamps)-1] = 0
	e.open = without(e.open, j)
	e.inherited = without(e.inherited, j)
	if t.marked {
		marks := t.marksOf(i)
		copy(marks[j:], marks[j+1:])
		marks[len(marks)-1] = mark{}
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

// stampsOf returns when the charges of entry i were made, newest first; zero is never.
func (t *table) stampsOf(i uint32) []int64 {
	n := t.rule.failures
	if n <= nearCharges {
		return t.entries[i].near[:n]
	}
	return t.stamps[int(i)*n : int(i)*n+n]
}

func (t *table) marksOf(i uint32) []mark {
	n := t.rule.failures
	return t.marks[int(i)*n : int(i)*n+n]
}
