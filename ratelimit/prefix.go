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

// A spot is where a tally is: the number of the line, above four bits of that of its first word there.
type spot uint32

const spotBits = 4

// Spots are those of a network, one in each row.
type spots struct{ a, b spot }

// What chooses the tallies of a network are bits of its hash: the lines in both rows, each by as many as four times the most that there may be need, and the
// tallies in these. They are other bits, so that nothing waits for a product but the next; and none of those that have chosen the table.
const (
	lineBits  = 19
	tallyBits = 10
)

// spots returns where the tallies of a network are in the lines of a table.
func (t *tier) spots(hash uint64) spots {
	first := uint32(t.first)
	l, m := part(hash, lineBits, t.lines), part(hash>>lineBits, lineBits, t.lines)
	hash >>= 2 * lineBits
	a, b := part(hash, tallyBits, t.cells), part(hash>>tallyBits, tallyBits, t.cells)
	return spots{spot((first+l)<<spotBits | a*t.width), spot((first+t.lines+m)<<spotBits | b*t.width)}
}

// part returns one of so many numbers, by the lower bits of a hash.
func part(hash uint64, bits int, of uint32) uint32 {
	return uint32(hash & (1<<bits - 1) * uint64(of) >> bits)
}

// tally returns the one at a spot, and its line.
func (t *tier) tally(lines []line, at spot) (*line, tally) {
	l := &lines[at>>spotBits]
	return l, l.words[at%(1<<spotBits):][:t.width]
}

// number returns that of the tally at a spot, of those in all lines.
func (t *tier) number(at spot) uint32 {
	return uint32(at>>spotBits)*t.cells + uint32(at%(1<<spotBits))/t.width
}

// roomy reports whether a network may be charged, whatever the time is. If it is only observed, that does not matter.
func (t *tier) roomy(lines []line, at spots) bool {
	_, a := t.tally(lines, at.a)
	_, b := t.tally(lines, at.b)
	if t.observe {
		return a[0]&b[0] != 1<<wordBits-1 // nobody minds, but to look brings them from memory
	}
	return a.count() < t.limit || b.count() < t.limit
}

// fullUntil returns when a network may be charged again, or might be if it were not only observed: zero if it may be now.
func (t *tier) fullUntil(lines []line, at spots, now int64, r *ruler) int64 {
	if !t.observe && t.roomy(lines, at) || t.count(lines, at, r.at(now)) < t.limit {
		return 0
	}
	l, a := t.tally(lines, at.a)
	m, b := t.tally(lines, at.b)
	return r.start(min(l.base+a.freeAfter(t.limit), m.base+b.freeAfter(t.limit)))
}

// add charges a network, and reports whether that makes it full.
func (t *tier) add(lines []line, at spots, bucket uint32) bool {
	l, a := t.tally(lines, at.a)
	m, b := t.tally(lines, at.b)
	t.advance(l, bucket)
	t.advance(m, bucket)
	a.add()
	b.add()
	n := a.count()
	return n >= t.limit && min(n, b.count()) == t.limit
}

// sub gives a charge back that was made in a bucket.
func (t *tier) sub(lines []line, at spots, bucket uint32) {
	l, a := t.tally(lines, at.a)
	m, b := t.tally(lines, at.b)
	a.sub(l.base - bucket)
	b.sub(m.base - bucket)
}

// count returns how many charges a network may have had in the window: those that it had, or the limit or more.
func (t *tier) count(lines []line, at spots, bucket uint32) int {
	l, a := t.tally(lines, at.a)
	m, b := t.tally(lines, at.b)
	return min(a.countAfter(l.after(bucket)), b.countAfter(m.after(bucket)))
}

// network returns the hash of the network of a login in tier n: the first is the widest.
func (t *tier) network(n int, l *login) uint64 {
	if n == 0 {
		return l.network
	}
	return t.hash(l.source)
}

// nearBytes are no more than the second cache of a processor has.
const nearBytes = 512 << 10

const lineBytes = 4 * (1 + lineWords)

// roomy reports whether all networks of a login that are not only observed have room, whatever the time is. To ask before the clock is read
// brings their tallies from memory while the processor waits for the entry. If they are nearer than that, it only delays the clock, and judgePrefixes is as quick.
func (t *table) roomy(l *login) bool {
	if !t.far {
		return false
	}
	tiers := t.rule.tiers[l.source.family()]
	roomy := true
	for n := range tiers {
		p := &tiers[n]
		has := p.roomy(t.networks, p.spots(p.network(n, l)))
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
		if until := p.fullUntil(t.networks, p.spots(p.network(n, l)), now, &t.rule.buckets); until > now {
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
		if p.add(t.networks, p.spots(p.network(n, l)), bucket) {
			if p.observe {
				t.counts.observed++
			}
			full := p.fullUntil(t.networks, p.spots(p.network(n, l)), now, &t.rule.buckets)
			t.emit(Event{Kind: PrefixFull, Source: l.source.network(p.bits), Wait: time.Duration(full - now), Observed: p.observe}, now)
		}
	}
}

// refundPrefixes gives the networks of a source the charge back that was made at a time.
func (t *table) refundPrefixes(l *login, at int64) {
	tiers := t.rule.tiers[l.source.family()]
	bucket := t.rule.buckets.at(at)
	for n := range tiers {
		p := &tiers[n]
		p.sub(t.networks, p.spots(p.network(n, l)), bucket)
	}
}
