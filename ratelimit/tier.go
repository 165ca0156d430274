package ratelimit

import "math/bits"

// A tier counts the charges of networks, in a sketch: a network has two tallies, and a tally counts the charges
// of all networks that share it. Each of its two counts is no less than what a network was charged, or than the
// limit, so no network gets more than that, and nothing is ever evicted that a flood could make the tier forget
// (Cormode and Muthukrishnan, LATIN 2004). A flood can only make it err on the strict side, and needs about
// limit charges for each tally to do so.
//
// Both tallies of a network are in one line, so that to count a charge takes one from memory. The line also has
// a filter of the networks that it was charged for: four bits of each, in a word for the period of twelve
// buckets that is now and in one for the period before (Bloom, CACM 1970). A charge that counts was made in one
// of these, so a network of which a bit is missing has none, whatever its tallies say. A flood from few
// networks fills tallies, but few bits; one from many sets all bits, but fills no tally.
//
// A tier is the same for all tables, and each has lines of its own.
type tier struct {
	grid           // of tallies
	others  uint32 // from how many tallies of a line the second is chosen
	first   uint32 // of the lines of a table, the first of the tier
	limit   int
	key     key
	shift   uint // of a source
	bits    int
	observe bool
}

// The last words of a line are the filter.
const (
	seenNow   = lineWords - 2
	seenThen  = lineWords - 1
	seenWords = 2
)

// newTier returns one for tables that have so many addresses together.
func newTier(p PrefixLimit, addresses, tables int) tier {
	shift := uint(64 - p.Bits)
	if p.IPv4 {
		shift -= sixToFourBits
	}
	tallies := tierTallies(p, (addresses+tables-1)/tables, 2*mostCells/tables)
	g := newGrid(tallies, tallyWords(p.Failures), lineWords-seenWords)
	return tier{
		grid: g, others: max(1, g.cells-1), limit: p.Failures,
		key: newKey(), shift: shift, bits: p.Bits, observe: p.Observe,
	}
}

// tierTallies returns how many tallies a table is to have at least: as many as a flood of ten strangers for
// each address, five of a window and five of that before, which are in the oldest bucket yet if they came at
// once, fills to half of the limit, or if nobody is denied, to three quarters.
func tierTallies(p PrefixLimit, addresses, most int) int {
	const flood, each = 10, 2 // each stranger is counted in two
	tallies := 2 * each * flood * addresses / p.Failures
	if p.Observe {
		tallies = tallies * 2 / 3
	}
	return max(8, min(tallies, most))
}

// hash returns that of the network that a source is in.
func (t *tier) hash(s source) uint64 { return t.key.hash(uint64(s) >> t.shift) }

// spots are where a network is: in which line, in which tallies of it, and by which bits of the filter.
type spots struct{ line, a, b, seen uint32 }

// What chooses the spots of a network are bits of its hash: other ones for each, so that none waits for
// another, and none of those that have chosen the table. There are at least twice as many for each as are
// needed at the most.
const (
	lineBits  = 19
	tallyBits = 8
)

// spots returns those of a network.
func (t *tier) spots(hash uint64) spots {
	seen := uint32(1)<<(hash&31) | 1<<(hash>>5&31) | 1<<(hash>>10&31) | 1<<(hash>>15&31)
	hash >>= 20
	line := part(hash, lineBits, t.lines)
	hash >>= lineBits
	a, b := part(hash, tallyBits, t.cells), part(hash>>tallyBits, tallyBits, t.others)
	if b >= a {
		b++
	}
	return spots{t.first + line, a, min(b, t.cells-1), seen}
}

// part returns one of so many numbers, by the lower bits of a hash.
func part(hash uint64, bits int, of uint32) uint32 {
	return uint32(hash & (1<<bits - 1) * uint64(of) >> bits)
}

// tally returns one of a line.
func (t *tier) tally(l *line, number uint32) tally { return l.words[number*t.width:][:t.width] }

// tallies returns those of a network, which are one where a line has room for no more.
func (t *tier) tallies(l *line, at spots) (a, b tally) { return t.tally(l, at.a), t.tally(l, at.b) }

// saw reports whether a network may have been charged in this period or in the one before.
func (l *line) saw(seen uint32) bool { return (l.words[seenNow]|l.words[seenThen])&seen == seen }

// most returns no less than count does, whatever the time is.
func (t *tier) most(l *line, at spots) int {
	if !l.saw(at.seen) {
		return 0
	}
	a, b := t.tallies(l, at)
	return min(a.count(), b.count())
}

// count returns how many charges a network may have had in the window: those that it had, or the limit or more.
func (t *tier) count(l *line, at spots, bucket uint32) int {
	if !l.saw(at.seen) {
		return 0
	}
	a, b := t.tallies(l, at)
	ended := l.after(bucket)
	return min(a.countAfter(ended), b.countAfter(ended))
}

// freeAt returns the number of the bucket from which on a network may be charged that may not be now.
func (t *tier) freeAt(l *line, at spots) uint32 {
	a, b := t.tallies(l, at)
	return l.base + min(a.freeAfter(t.limit), b.freeAfter(t.limit))
}

// add charges a network, and returns how many charges it then may have had: exactly, if that is the limit or more.
func (t *tier) add(l *line, at spots, bucket uint32) int {
	t.advance(l, bucket)
	l.words[seenNow] |= at.seen
	switch t.width { // those of limits by default: slices would take as long as all the rest
	case 1:
		return min(add1(&l.words[at.a]), add1(&l.words[at.b]))
	case 2:
		return min(add2((*[2]uint32)(l.words[2*at.a:])), add2((*[2]uint32)(l.words[2*at.b:])))
	}
	a, b := t.tallies(l, at)
	a.add()
	if at.a != at.b {
		b.add()
	}
	if n := a.count(); n < t.limit {
		return n
	}
	return min(a.count(), b.count())
}

// add1 is tally.add for one word, and add2 for two. They return what is counted then.
func add1(c *uint32) int {
	*c = *c<<1 | 1
	return bits.OnesCount32(*c)
}

func add2(c *[2]uint32) int {
	word := (uint64(c[1])<<wordBits|uint64(c[0]))<<1 | 1
	c[0], c[1] = uint32(word), uint32(word>>wordBits)
	return bits.OnesCount64(word)
}

// sub gives a charge back that was made in a bucket.
func (t *tier) sub(l *line, at spots, bucket uint32) {
	a, b := t.tallies(l, at)
	a.sub(l.base - bucket)
	if at.a != at.b {
		b.sub(l.base - bucket)
	}
}

// advance makes bucket now the newest of a line.
func (t *tier) advance(l *line, now uint32) {
	if now > l.base {
		t.end(l, now)
	}
}

// end ends all buckets of a line that are before one.
func (t *tier) end(l *line, now uint32) {
	ended, period := now-l.base, l.base/tallyBuckets
	l.base = now
	if ended >= tallyBuckets {
		l.words = [lineWords]uint32{}
		return
	}
	for n := range t.cells {
		t.tally(l, n).age(ended)
	}
	if now/tallyBuckets != period {
		l.words[seenThen], l.words[seenNow] = l.words[seenNow], 0
	}
}

// after returns how many buckets of a line have ended when bucket now is the newest.
func (l *line) after(now uint32) uint32 { return max(now, l.base) - l.base }
