package ratelimit

import (
	"math"
	"time"
)

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

// A network has no more charges than any wider one that it is in. So what is counted of the wider ones bounds
// what can be those of a narrower one, whose tallies may be full of others': a bound takes that from each tier
// in turn, the widest first.
type bound int

const unbounded bound = math.MaxInt

// admits reports whether a network of a tier may be charged that has so many charges at the most, and makes
// that the bound of those in it. What is counted beyond a limit says nothing of how many there were.
func (b *bound) admits(t *tier, most int) bool {
	if most < t.limit {
		*b = min(*b, bound(most))
		return true
	}
	return int(*b) < t.limit || t.observe
}

// roomy reports whether all networks of a login that are not only observed have room, whatever the time is. To
// ask before the clock is read brings their tallies from memory while the processor waits for the entry. If
// they are nearer than that, it only delays the clock, and judgePrefixes is as quick.
func (t *table) roomy(l *login) bool {
	if !t.far {
		return false
	}
	tiers := t.rule.tiers[l.source.family()]
	roomy, wider := true, unbounded
	for n := range tiers {
		p := &tiers[n]
		at := p.spots(p.network(n, l))
		roomy = wider.admits(p, p.most(&t.networks[at.line], at)) && roomy
	}
	return roomy
}

// judgePrefixes says whether the networks of a source may be charged.
func (t *table) judgePrefixes(l *login, now int64) verdict {
	tiers := t.rule.judged[l.source.family()]
	wider := unbounded
	for n := range tiers {
		p := &tiers[n]
		at := p.spots(p.network(n, l))
		line := &t.networks[at.line]
		most := p.most(line, at)
		if most >= p.limit {
			most = p.count(line, at, t.rule.buckets.at(now))
		}
		if !wider.admits(p, most) {
			return verdict{kind: crowded, bits: uint8(p.bits), until: t.rule.buckets.start(p.freeAt(line, at))}
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
	wider := unbounded
	for n := range tiers {
		p := &tiers[n]
		at := p.spots(p.network(n, l))
		line := &t.networks[at.line]
		has := p.add(line, at, bucket)
		if has == p.limit && int(wider) >= has {
			if p.observe {
				t.counts.observed++
			}
			full := t.rule.buckets.start(p.freeAt(line, at))
			t.emit(Event{Kind: PrefixFull, Source: l.source.network(p.bits), Wait: time.Duration(full - now), Observed: p.observe}, now)
		}
		wider.admits(p, has)
	}
}

// refundPrefixes gives the networks of a source the charge back that was made at a time.
func (t *table) refundPrefixes(l *login, at int64) {
	tiers := t.rule.tiers[l.source.family()]
	bucket := t.rule.buckets.at(at)
	for n := range tiers {
		p := &tiers[n]
		at := p.spots(p.network(n, l))
		p.sub(&t.networks[at.line], at, bucket)
	}
}
