package ratelimit

import (
	"math"
	"time"
)

// A tier counts the charges of networks, in a sketch: a network has one cell in
// each of two rows, and a cell counts the charges of all networks that share it. The smaller of its
// two counts is never less than what a network was charged, so no network gets more than the limit,
// and nothing is ever evicted that a flood could make the tier forget (Cormode and
// Muthukrishnan, LATIN 2004). A flood can only make it err on the strict side, and needs about limit charges
// for each cell to do so.
//
// A tier is the same for all tables, and each has cells of its own.
type tier struct {
	key     key
	bits    int
	shift   uint // of a source
	limit   int
	observe bool
	row     int // cells in one
	first   int // of the cells of a table, the first of the tier
}

// newTier returns one for tables that have so many addresses together.
func newTier(p PrefixLimit, addresses, tables int) tier {
	shift := uint(64 - p.Bits)
	if p.IPv4 {
		shift -= sixToFourBits
	}
	row := tierRow(p.Failures, (addresses+tables-1)/tables, mostCells/tables)
	return tier{key: newKey(), bits: p.Bits, shift: shift, limit: p.Failures, observe: p.Observe, row: row}
}

// tierRow returns how many cells a row is to have with a limit: as many as a flood of ten strangers for each address, five of a window and five
// of that before, which are in the oldest bucket yet if they came at once, fills to half of the limit, or to what is 1.6 standard deviations
// less than that. So with a limit of ten or more less than one newcomer in a hundred finds both of his cells full.
func tierRow(limit, addresses, most int) int {
	fill := max(float64(limit)/2, float64(limit)-1.6*math.Sqrt(float64(limit)))
	return max(4, min(int(math.Ceil(float64(10*addresses)/fill)), most))
}

// hash returns that of the network that a source is in.
func (t *tier) hash(s source) uint64 { return t.key.hash(uint64(s) >> t.shift) }

// at returns the number of a network's cell. It looks at none of the bits that have chosen the table.
func (t *tier) at(hash uint64, row int) int {
	return t.first + row*t.row + int(uint64(uint32(hash>>(26*row)))*uint64(t.row)>>32)
}

// fullUntil returns when a network may be charged again: zero if it may be now.
func (t *tier) fullUntil(cells []histogram, hash uint64, now int64, r *ruler) int64 {
	a, b := &cells[t.at(hash, 0)], &cells[t.at(hash, 1)]
	if int(min(a.total, b.total)) < t.limit {
		return 0
	}
	bucket := r.at(now)
	a.advance(bucket)
	b.advance(bucket)
	if int(min(a.total, b.total)) < t.limit {
		return 0
	}
	return r.start(min(a.freeAt(t.limit), b.freeAt(t.limit)))
}

// add charges a network, and returns how many charges it then may have had.
func (t *tier) add(cells []histogram, hash uint64, bucket uint32) int {
	a, b := &cells[t.at(hash, 0)], &cells[t.at(hash, 1)]
	a.add(bucket)
	b.add(bucket)
	return int(min(a.total, b.total))
}

// sub gives a charge back that was made in a bucket.
func (t *tier) sub(cells []histogram, hash uint64, bucket uint32) {
	for row := range sketchRows {
		cells[t.at(hash, row)].sub(bucket)
	}
}

// count returns how many charges a network may have had in the window.
func (t *tier) count(cells []histogram, hash uint64, bucket uint32) int {
	a, b := cells[t.at(hash, 0)].at(bucket), cells[t.at(hash, 1)].at(bucket)
	return int(min(a.total, b.total))
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
		network := p.network(n, l)
		a, b := t.networks[p.at(network, 0)].total, t.networks[p.at(network, 1)].total
		has := int(min(a, b)) < p.limit
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
