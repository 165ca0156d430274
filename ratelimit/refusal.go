package ratelimit

import (
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// origin is what the times of errors are counted from. It is one for all trackers, so an error needs no pointer
// to a clock, and keeps no tracker in memory. A bubble of testing/synctest, whose clock is not that of origin,
// finds it some decades ahead, and a difference of two times is right there as well.
var origin = time.Now()

// A refusal is what a [LockedError] and a [BusyError] consist of: two words, which nobody writes once they are
// made. So two refusals with the same words may be one, whoever is told and for whatever reason, and nobody who
// keeps one sees another's.
type refusal struct {
	what  uint64 // of a LockedError the source; of a BusyError the reason, and above it the length of the prefix
	until int64  // nanoseconds after origin; zero: nobody has said
}

func (r *refusal) end() time.Time {
	if r.until == 0 {
		return time.Time{}
	}
	now := time.Now() // the wall clock may have been set since origin
	return now.Add(time.Duration(r.until) - now.Sub(origin))
}

func (r *refusal) wait() time.Duration {
	if r.until == 0 {
		return 0
	}
	return max(0, time.Duration(r.until)-time.Since(origin))
}

// Kept is a place for a refusal, where whoever is told the same finds it.
type kept struct{ atomic.Pointer[refusal] }

// get returns a refusal, the one that is there if it is the same.
func (k *kept) get(what uint64, until int64) *refusal {
	if was := k.Load(); was != nil && was.what == what && was.until == until {
		return was
	}
	now := &refusal{what, until}
	k.Store(now)
	return now
}

// Refusals keep the errors of attempts that are refused, for whoever is refused knocks often: it then costs no
// allocation. What is said of a source for its own charges is kept for its slot, until something else is said
// of that; what is said of networks, of accounts and of those whom the table does not have is shared by all who
// are told it.
type refusals struct {
	slots     []kept // of the first so many; those that come after share them
	crowded   []kept // for each tier as many as it has buckets
	slowed    board
	saturated board
}

// mostRefusals are enough for all but the largest trackers, and keep what the collector has to look at small.
const mostRefusals = 1 << 14

// newRefusals returns those for what s says.
func newRefusals(s *shared) refusals {
	r := refusals{
		slots:     make([]kept, min(s.rule.addresses, mostRefusals)),
		crowded:   make([]kept, tallyBuckets*(len(s.rule.tiers[ipv4])+len(s.rule.tiers[ipv6]))),
		saturated: newBoard(s.rule.window+s.sketches[0].ticks.width, int64(longest)),
	}
	if a := &s.accounts; a.tier.limit > 0 {
		r.slowed = newBoard(a.pace+a.ticks.width, a.pace+a.buckets.width) // the latter if the newest charge was given back
	}
	return r
}

// all returns all places.
func (r *refusals) all() [][]kept {
	return [][]kept{r.slots, r.crowded, r.slowed.cells, r.saturated.cells}
}

func (r *refusals) slot(i uint32) *kept {
	if int(i) >= len(r.slots) {
		i %= uint32(len(r.slots))
	}
	return &r.slots[i]
}

// lockedOut returns the error for a source in slot i that is locked out until a time.
func (s *shared) lockedOut(i uint32, of source, until int64) *LockedError {
	return (*LockedError)(s.refusals.slot(i).get(uint64(of), s.clock.told(until)))
}

// refuse returns the error of a verdict on a source that may not be charged now. If it is tracked, slot i is its own.
func (s *shared) refuse(v verdict, of source, i uint32, tracked bool, now int64) error {
	if v.kind == locked {
		return s.lockedOut(i, of, v.until)
	}
	var k *kept
	switch {
	case v.kind == crowded:
		k = &s.refusals.crowded[s.rule.buckets.at(v.until)%tallyBuckets+tallyBuckets*s.rule.tierNumber(of.family(), v.bits)]
	case v.kind == slowed:
		k, v.until = s.refusals.slowed.place(v.until, now)
	case tracked:
		k = s.refusals.slot(i)
	default:
		k, v.until = s.refusals.saturated.place(v.until, now)
	}
	return (*BusyError)(k.get(uint64(reasons[v.kind])|uint64(v.bits)<<8, s.clock.told(v.until)))
}

// tierNumber returns the number of the tier for networks of a family with prefixes of a length, of those of
// both families.
func (r *rule) tierNumber(f family, length uint8) uint32 {
	n := slices.IndexFunc(r.tiers[f], func(t tier) bool { return t.bits == int(length) })
	if f == ipv6 {
		n += len(r.tiers[ipv4])
	}
	return uint32(n)
}

// A board has the refusals of strangers, who come in any number, by the time when they end. That is rounded up,
// so that each time at which one of them may end has a cell of its own: to units of a power of two nanoseconds,
// of which a span has 31 to 62, and if it is 64 of these or more from now, by up to a sixteenth of what is
// left. So no crowd allocates, however far apart its sources were charged.
type board struct {
	unit  int   // 2 to the power of it nanoseconds
	rows  int64 // of cells for ends that are far
	cells []kept
}

const (
	near = 64 // cells for ends that are less than 64 units away

	// Ends from 64 units on, from 128 on, from 256 on and so on have a row each, and units of their own, of
	// which 16 to 32 are left: so there are 18 of them at the most. Eight rows are for all within 264 spans:
	// two days, if a span is a quarter of an hour.
	far         = 20
	mostFarRows = 8
)

// newBoard returns one for refusals that mostly end within a span, and some as late as latest.
func newBoard(span, latest int64) board {
	unit := bits.Len64(uint64(span-1) / (near - 2))
	rows := max(1, min(bits.Len64(uint64(latest>>unit))-bits.Len(near-1), mostFarRows))
	return board{unit: unit, rows: int64(rows), cells: make([]kept, near+rows*far)}
}

// place returns the cell for a refusal that ends at a time, and the time that it is to say: no earlier one.
func (b *board) place(until, now int64) (k *kept, said int64) {
	unit := b.unit
	at := ceil(until, unit)
	if left := at - now>>unit; left < near {
		at, until = at%near, at<<unit
	} else {
		double := bits.Len64(uint64(left)) - 5 // 16 to 32 are left of as many times the unit
		unit += double
		at = ceil(until, unit)
		at, until = near+int64(double-2)%b.rows*far+at%far, at<<unit
	}
	return &b.cells[at], until
}

// ceil returns a time in units of 2^bits nanoseconds, rounded up.
func ceil(at int64, bits int) int64 { return (at + 1<<bits - 1) >> bits }
