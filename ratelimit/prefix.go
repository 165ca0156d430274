package ratelimit

import (
	"math/bits"
	"time"
)

// A prefixTier counts the charges of networks, in a sketch: a network has one cell in
// each of two rows, and a cell counts the charges of all networks that share it. The smaller of its
// two counts is never less than what a network was charged, so no network gets more than the limit,
// and nothing is ever evicted that a flood could make the tier forget (Cormode and
// Muthukrishnan, LATIN 2004). A flood can only make it err on the strict side, and needs about limit charges
// for each cell to do so.
type prefixTier struct {
	*tier
	buckets ruler
	mask    uint32
	cells   []histogram // two rows
}

// A tier is a PrefixLimit, with the key of its networks.
type tier struct {
	key     key
	bits    int
	shift   int // of source.bits
	limit   int
	observe bool
	width   int64 // of a bucket
}

func newTier(p PrefixLimit, window int64) tier {
	shift := 64 - p.Bits
	if p.IPv4 {
		shift = 32 - p.Bits
	}
	return tier{key: newKey(), bits: p.Bits, shift: shift, limit: p.Failures, observe: p.Observe, width: bucketWidth(window)}
}

// newPrefixTier returns one for a table that has so many addresses, of those of the tracker. It has as many cells as a
// flood of ten strangers for each address fills to half of the limit: five of a window and five of that before, which are in the
// oldest bucket yet if they came at once. So with a limit of ten or more less than one newcomer in a hundred is denied by it.
func newPrefixTier(t *tier, addresses, tables int) prefixTier {
	row := 1 << bits.Len(uint(min(max(20*addresses/t.limit, 8), mostCells/tables)-1))
	return prefixTier{tier: t, buckets: ruler{width: t.width}, mask: uint32(row - 1), cells: make([]histogram, sketchRows*row)}
}

// hash returns that of the network that a source is in.
func (t *tier) hash(s source) uint64 { return t.key.hash(s.bits >> t.shift) }

// at returns the number of a network's cell.
func (p *prefixTier) at(hash uint64, row int) int {
	return row*int(p.mask+1) + int(uint32(hash>>(32*row))&p.mask)
}

func (p *prefixTier) cell(hash uint64, row int) *histogram { return &p.cells[p.at(hash, row)] }

// fullUntil returns when a network may be charged again: zero if it may be now.
func (p *prefixTier) fullUntil(hash uint64, now int64) int64 {
	a, b := p.cell(hash, 0), p.cell(hash, 1)
	if int(min(a.total, b.total)) < p.limit {
		return 0
	}
	bucket := p.buckets.at(now)
	a.advance(bucket)
	b.advance(bucket)
	if int(min(a.total, b.total)) < p.limit {
		return 0
	}
	return int64(min(a.freeAt(p.limit), b.freeAt(p.limit))) * p.width
}

// add charges a network, and returns how many charges it then may have had.
func (p *prefixTier) add(hash uint64, now int64) int {
	bucket := p.buckets.at(now)
	a, b := p.cell(hash, 0), p.cell(hash, 1)
	a.add(bucket)
	b.add(bucket)
	return int(min(a.total, b.total))
}

// sub gives a charge back that was made at a time.
func (p *prefixTier) sub(hash uint64, at int64) {
	bucket := p.buckets.at(at)
	for row := range sketchRows {
		p.cell(hash, row).sub(bucket)
	}
}

// count returns how many charges a network may have had in the window.
func (p *prefixTier) count(hash uint64, now int64) int {
	bucket := p.buckets.at(now)
	return int(min(p.cell(hash, 0).at(bucket).total, p.cell(hash, 1).at(bucket).total))
}

// full reports whether a network has as many charges as are allowed.
func (p *prefixTier) full(hash uint64, now int64) bool { return p.fullUntil(hash, now) > now }

// network returns the hash of the network of a login in tier n: the first is the widest.
func (p *prefixTier) network(n int, l *login) uint64 {
	if n == 0 {
		return l.network
	}
	return p.hash(l.source)
}

// judgePrefixes says whether the networks of a source may be charged.
func (t *table) judgePrefixes(l *login, now int64) verdict {
	tiers := t.family[l.family].tiers
	for n := range tiers {
		p := &tiers[n]
		if p.observe {
			continue
		}
		if until := p.fullUntil(p.network(n, l), now); until > now {
			return verdict{kind: crowded, bits: uint8(p.bits), until: until}
		}
	}
	return verdict{}
}

// chargePrefixes charges the networks of a source, and reports those that then have
// as many charges as are allowed.
func (t *table) chargePrefixes(l *login, now int64) {
	tiers := t.family[l.family].tiers
	for n := range tiers {
		p := &tiers[n]
		network := p.network(n, l)
		if p.add(network, now) == p.limit {
			if p.observe {
				t.counts.observed++
			}
			t.emit(Event{Kind: PrefixFull, Source: l.source.network(p.bits), Wait: time.Duration(p.fullUntil(network, now) - now), Observed: p.observe}, now)
		}
	}
}

// refundPrefixes gives the networks of a source the charge back that was made at a time.
func (t *table) refundPrefixes(s source, at int64) {
	tiers := t.family[s.family].tiers
	for n := range tiers {
		tiers[n].sub(tiers[n].hash(s), at)
	}
}
