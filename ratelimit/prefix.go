package ratelimit

import (
	"math"
	"time"
)

// A tier counts the charges of networks, in a sketch: a network has one tally in
// each of two rows, and a tally counts the charges of all networks that share it. Each of its two counts is no less than what a network was
// charged, or than the limit, so no network gets more than that,
// and nothing is ever evicted that a flood could make the tier forget (Cormode and
// Muthukrishnan, LATIN 2004). A flood can only make it err on the strict side, and needs about limit charges
// for each tally to do so.
//
// A tier is the same for all tables, and each has lines of its own.
type tier struct {
	tallies // of a row
	key     key
	bits    int
	shift   uint // of a source
	limit   int
	observe bool
	first   int // of the lines of a table, the first of the tier
}

// newTier returns one for tables that have so many addresses together.
func newTier(p PrefixLimit, addresses, tables int) tier {
	shift := uint(64 - p.Bits)
	if p.IPv4 {
		shift -= sixToFourBits
	}
	row := newTallies(tierRow(p.Failures, (addresses+tables-1)/tables, mostCells/tables), p.Failures)
	return tier{tallies: row, key: newKey(), bits: p.Bits, shift: shift, limit: p.Failures, observe: p.Observe}
}

// tierRow returns how many tallies a row is to have at least with a limit: as many as a flood of ten strangers for each address, five of a window and five
// of that before, which are in the oldest bucket yet if they came at once, fills to half of the limit, or to what is 1.6 standard deviations
// less than that. So with a limit of ten or more less than one newcomer in a hundred finds both of his tallies full.
func tierRow(limit, addresses, most int) int {
	fill := max(float64(limit)/2, float64(limit)-1.6*math.Sqrt(float64(limit)))
	return max(4, min(int(math.Ceil(float64(10*addresses)/fill)), most))
}

// size returns how many lines the tier has in a table.
func (t *tier) size() int { return sketchRows * int(t.lines) }

// hash returns that of the network that a source is in.
func (t *tier) hash(s source) uint64 { return t.key.hash(uint64(s) >> t.shift) }

// tally returns that of a network in a row, and its line. It looks at none of the bits that have chosen the table.
func (t *tier) tally(lines []line, hash uint64, row int) (*line, tally) {
	at, word := t.at(uint32(hash >> (26 * row)))
	l := &lines[t.first+row*int(t.lines)+int(at)]
	return l, t.of(l, word)
}

// number returns that of the tally of a network in a row: the first of the tier has zero.
func (t *tier) number(hash uint64, row int) uint32 {
	at, word := t.at(uint32(hash >> (26 * row)))
	return (uint32(row)*t.lines+at)*t.cells + word/t.width
}

// most returns how many charges a network may have had at the most, whatever the time is.
func (t *tier) most(lines []line, hash uint64) int {
	_, a := t.tally(lines, hash, 0)
	_, b := t.tally(lines, hash, 1)
	return min(a.count(), b.count())
}

// fullUntil returns when a network may be charged again: zero if it may be now.
func (t *tier) fullUntil(lines []line, hash uint64, now int64, r *ruler) int64 {
	if t.count(lines, hash, r.at(now)) < t.limit {
		return 0
	}
	l, a := t.tally(lines, hash, 0)
	m, b := t.tally(lines, hash, 1)
	return r.start(min(l.base+a.freeAfter(t.limit), m.base+b.freeAfter(t.limit)))
}

// add charges a network, and returns how many charges it then may have had.
func (t *tier) add(lines []line, hash uint64, bucket uint32) int {
	for row := range sketchRows {
		l, c := t.tally(lines, hash, row)
		t.advance(l, bucket)
		c.add()
	}
	return t.most(lines, hash)
}

// sub gives a charge back that was made in a bucket.
func (t *tier) sub(lines []line, hash uint64, bucket uint32) {
	for row := range sketchRows {
		l, c := t.tally(lines, hash, row)
		c.sub(l.base - bucket)
	}
}

// count returns how many charges a network may have had in the window: those that it had, or the limit or more.
func (t *tier) count(lines []line, hash uint64, bucket uint32) int {
	l, a := t.tally(lines, hash, 0)
	m, b := t.tally(lines, hash, 1)
	return min(a.countAfter(l.after(bucket)), b.countAfter(m.after(bucket)))
}

// network returns the hash of the network of a login in tier n: the first is the widest.
func (t *tier) network(n int, l *login) uint64 {
	if n == 0 {
		return l.network
	}
	return t.hash(l.source)
}

// roomy reports whether all networks of a login that are not only observed have room, whatever the time is. To ask before the clock is read
// brings their cells from memory while the processor waits for the entry.
func (t *table) roomy(l *login) bool {
	tiers := t.rule.tiers[l.source.family()]
	roomy := true
	for n := range tiers {
		p := &tiers[n]
		has := p.most(t.networks, p.network(n, l)) < p.limit
		roomy = roomy && (has || p.observe)
	}
	return roomy
}

// judgePrefixes says whether the networks of a source may be charged.
func (t *table) judgePrefixes(l *login, now int64) verdict {
	tiers := t.rule.tiers[l.source.family()]
	for n := range tiers {
		p := &tiers[n]
		if p.observe {
			continue
		}
		if until := p.fullUntil(t.networks, p.network(n, l), now, &t.rule.buckets); until > now {
			return verdict{kind: crowded, bits: uint8(p.bits), until: until}
		}
	}
	return verdict{}
}

// chargePrefixes charges the networks of a source, and reports those that then have
// as many charges as are allowed.
func (t *table) chargePrefixes(l *login, now int64) {
	tiers := t.rule.tiers[l.source.family()]
	if len(tiers) == 0 {
		return
	}
	bucket := t.rule.buckets.at(now)
	for n := range tiers {
		p := &tiers[n]
		network := p.network(n, l)
		if p.add(t.networks, network, bucket) == p.limit {
			if p.observe {
				t.counts.observed++
			}
			full := p.fullUntil(t.networks, network, now, &t.rule.buckets)
			t.emit(Event{Kind: PrefixFull, Source: l.source.network(p.bits), Wait: time.Duration(full - now), Observed: p.observe}, now)
		}
	}
}

// refundPrefixes gives the networks of a source the charge back that was made at a time.
func (t *table) refundPrefixes(l *login, at int64) {
	tiers := t.rule.tiers[l.source.family()]
	bucket := t.rule.buckets.at(at)
	for n := range tiers {
		tiers[n].sub(t.networks, tiers[n].network(n, l), bucket)
	}
}
