package ratelimit

import (
	"hash/maphash"
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
	seed    maphash.Seed
	bits    int
	shift   int // of source.bits
	limit   int
	observe bool
	width   int64 // of a bucket
	mask    uint32
	cells   []histogram // two rows
}

func newPrefixTier(p PrefixLimit, window int64, addresses int) prefixTier {
	row := 1 << bits.Len(uint(min(max(addresses/2, 64), 1<<14)-1))
	shift := 64 - p.Bits
	if p.IPv4 {
		shift = 32 - p.Bits
	}
	return prefixTier{
		seed: maphash.MakeSeed(), bits: p.Bits, shift: shift, limit: p.Failures, observe: p.Observe,
		width: bucketWidth(window), mask: uint32(row - 1), cells: make([]histogram, sketchRows*row),
	}
}

// hash returns that of the network that a source is in.
func (p *prefixTier) hash(s source) uint64 { return maphash.Comparable(p.seed, s.bits>>p.shift) }

// at returns the number of a network's cell.
func (p *prefixTier) at(hash uint64, row int) int {
	return row*int(p.mask+1) + int(uint32(hash>>(32*row))&p.mask)
}

func (p *prefixTier) cell(hash uint64, row int) *histogram { return &p.cells[p.at(hash, row)] }

// wait returns how long a network must wait for its next charge: zero if it need not.
func (p *prefixTier) wait(hash uint64, now int64) int64 {
	bucket := uint32(now / p.width)
	a, b := p.cell(hash, 0).at(bucket), p.cell(hash, 1).at(bucket)
	if int(min(a.total, b.total)) < p.limit {
		return 0
	}
	return int64(min(a.freeAt(p.limit), b.freeAt(p.limit)))*p.width - now
}

// add charges a network, and returns how many charges it then may have had.
func (p *prefixTier) add(hash uint64, now int64) int {
	bucket := uint32(now / p.width)
	a, b := p.cell(hash, 0), p.cell(hash, 1)
	a.add(bucket)
	b.add(bucket)
	return int(min(a.total, b.total))
}

// sub gives a charge back that was made at a time.
func (p *prefixTier) sub(hash uint64, at int64) {
	for row := range sketchRows {
		p.cell(hash, row).sub(uint32(at / p.width))
	}
}

// count returns how many charges a network may have had in the window.
func (p *prefixTier) count(hash uint64, now int64) int {
	bucket := uint32(now / p.width)
	return int(min(p.cell(hash, 0).at(bucket).total, p.cell(hash, 1).at(bucket).total))
}

// full reports whether a network has as many charges as are allowed.
func (p *prefixTier) full(hash uint64, now int64) bool { return p.count(hash, now) >= p.limit }

// prefixHashes are those of the networks of one source, so that they are computed once.
type prefixHashes [mostPrefixes]uint64

// judgePrefixes says whether the networks of a source may be charged, and sets their hashes if so.
func (t *table) judgePrefixes(s source, hashes *prefixHashes, now int64) verdict {
	tiers := t.family[s.family].tiers
	for n := range tiers {
		p := &tiers[n]
		hashes[n] = p.hash(s)
		if p.observe {
			continue
		}
		if wait := p.wait(hashes[n], now); wait > 0 {
			return verdict{kind: crowded, bits: uint8(p.bits), wait: wait}
		}
	}
	return verdict{}
}

// chargePrefixes charges the networks of a source, and reports those that then have
// as many charges as are allowed.
func (t *table) chargePrefixes(s source, hashes *prefixHashes, now int64) {
	tiers := t.family[s.family].tiers
	for n := range tiers {
		p := &tiers[n]
		if p.add(hashes[n], now) == p.limit {
			if p.observe {
				t.counts.observed++
			}
			t.emit(Event{Kind: PrefixFull, Source: s.network(p.bits), Wait: time.Duration(p.wait(hashes[n], now)), Observed: p.observe}, now)
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
