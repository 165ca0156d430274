package ratelimit

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

// advance empties the buckets that are too old once bucket now is the newest.
func (l *thirds) advance(now uint32) {
	for n := l.last + 1; n <= now && n <= l.last+thirdsBuckets; n++ {
		l.counts[n%thirdsBuckets] = 0
	}
	l.last = max(l.last, now)
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
