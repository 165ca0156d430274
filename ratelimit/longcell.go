package ratelimit

// A cell of a sketch keeps the charges in the long window in a word: by four buckets, of which three are as
// long as the window; eight bits are of the bucket that is the line's base, the next of the one before. So a
// charge counts for up to a third of the window too long. Each bucket is as long as five of a histogram, of
// which sixteen are in no more than four of it, however they lie.
const (
	longBuckets   = 4
	longWidth     = (buckets - 1) / (longBuckets - 1)
	longCountBits = 8
)

// longCount returns the charges of a cell in a bucket.
func (l *line) longCount(cell, bucket uint32) uint8 {
	if age := l.base - bucket; age < longBuckets {
		return uint8(l.words[cell] >> (longCountBits * age))
	}
	return 0
}

// ageLong moves the base to a bucket, if that is later.
func (l *line) ageLong(bucket uint32) {
	if bucket <= l.base {
		return
	}
	by := min(bucket-l.base, longBuckets)
	l.base = bucket
	for n := range l.words {
		l.words[n] <<= longCountBits * by // by its length: that is zero
	}
}

// raiseLong makes no count of a cell less than that of a histogram.
func (l *line) raiseLong(cell uint32, h histogram) {
	l.ageLong(h.last / longWidth)
	for bucket := l.base - min(l.base, longBuckets-1); bucket <= l.base; bucket++ {
		if count := max(l.longCount(cell, bucket), h.sum(bucket*longWidth, longWidth)); count > 0 {
			at := longCountBits * (l.base - bucket)
			l.words[cell] = l.words[cell]&^(mostInBucket<<at) | uint32(count)<<at
		}
	}
}

// leastLong returns a histogram with the lesser counts of two cells, each in the last of its buckets, and in
// none that is later than now.
func leastLong(a *line, aCell uint32, b *line, bCell, now uint32) (h histogram) {
	last := max(a.base, b.base)
	for bucket := last - min(last, longBuckets-1); bucket <= last; bucket++ {
		if count := min(a.longCount(aCell, bucket), b.longCount(bCell, bucket)); count > 0 {
			h.put(min(bucket*longWidth+longWidth-1, now), count)
		}
	}
	return h
}

// sum returns the charges in so many buckets of a histogram, 255 at the most.
func (h *histogram) sum(first, n uint32) uint8 {
	total := 0
	for bucket := first; bucket < first+n; bucket++ {
		if h.last-bucket < buckets {
			total += int(h.counts[bucket%buckets])
		}
	}
	return uint8(min(total, mostInBucket))
}

// put counts so many charges in a bucket, which is not before the newest.
func (h *histogram) put(bucket uint32, count uint8) {
	h.advance(bucket)
	c := &h.counts[bucket%buckets]
	more := min(count, mostInBucket-*c)
	*c += more
	h.total += uint16(more)
}
