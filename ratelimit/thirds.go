package ratelimit

import "encoding/binary"

// A thirds is a histogram in a third of the room: it has four buckets, of which three are as long as the span. So it counts a charge for up to a
// third of the span too long. Each bucket is as long as five of a histogram, of which sixteen are in no more than four of it, however they lie.
const (
	thirdsBuckets = 4
	thirdsWidth   = (buckets - 1) / (thirdsBuckets - 1)
)

type thirds struct {
	last   uint32
	counts [thirdsBuckets]uint8
}

// thirdsFrom returns one with the counts of a histogram.
func thirdsFrom(h histogram) (l thirds) {
	l.last = h.last / thirdsWidth
	for age := range uint32(min(buckets, h.last+1)) {
		n := h.last - age
		c := &l.counts[n/thirdsWidth%thirdsBuckets]
		*c = uint8(min(int(*c)+int(h.counts[n%buckets]), mostInBucket))
	}
	return l
}

// histogram returns one with the counts, each in the last of its buckets, and in none that is later than now.
func (l *thirds) histogram(now uint32) (h histogram) {
	for age := uint32(thirdsBuckets - 1); age < thirdsBuckets; age-- {
		n := l.last - age
		count := l.counts[n%thirdsBuckets]
		if age > l.last || count == 0 {
			continue
		}
		at := min(n*thirdsWidth+thirdsWidth-1, now)
		h.advance(at)
		more := min(count, mostInBucket-h.counts[at%buckets])
		h.counts[at%buckets] += more
		h.total += uint16(more)
	}
	return h
}

// advance empties the buckets that are too old once bucket now is the newest.
func (l *thirds) advance(now uint32) {
	for n := l.last + 1; n <= now && n <= l.last+thirdsBuckets; n++ {
		l.counts[n%thirdsBuckets] = 0
	}
	l.last = max(l.last, now)
}

// raise makes each bucket of l no less than that of g.
func (l *thirds) raise(g thirds) {
	l.advance(g.last)
	g.advance(l.last)
	for n := range l.counts {
		l.counts[n] = max(l.counts[n], g.counts[n])
	}
}

// lower makes each bucket of l no more than that of g.
func (l *thirds) lower(g thirds) {
	l.advance(g.last)
	g.advance(l.last)
	for n := range l.counts {
		l.counts[n] = min(l.counts[n], g.counts[n])
	}
}

// thirdsOf returns the one in a cell of a sketch.
func thirdsOf(rest cell) (l thirds) {
	l.last = rest[longWord]
	binary.LittleEndian.PutUint32(l.counts[:], rest[longWord+1])
	return l
}

// put stores it there.
func (l *thirds) put(rest cell) {
	rest[longWord], rest[longWord+1] = l.last, binary.LittleEndian.Uint32(l.counts[:])
}

// total returns how many charges are counted when bucket now is the newest.
func (l *thirds) total(now uint32) (n int) {
	l.advance(now)
	for _, c := range l.counts {
		n += int(c)
	}
	return n
}

// add counts a charge in bucket now.
func (l *thirds) add(now uint32) {
	l.advance(now)
	if c := &l.counts[now%thirdsBuckets]; *c < mostInBucket {
		*c++
	}
}

// sub takes a charge back from bucket n, if that is still counted.
func (l *thirds) sub(n uint32) {
	if c := &l.counts[n%thirdsBuckets]; l.last-n < thirdsBuckets && *c > 0 && *c < mostInBucket {
		*c--
	}
}

// thirdsRuler returns the ruler for a span.
func thirdsRuler(span int64) ruler { return newRuler(thirdsWidth * bucketWidth(span)) }
