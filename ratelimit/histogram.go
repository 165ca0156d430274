package ratelimit

import (
	"math/bits"
	"time"
)

// buckets is how many a histogram has. One of them is the present one, of which only a
// part has passed; the others together are as long as the span that is counted.
const buckets = 16

// A histogram counts charges over a span of time, in sixteen buckets. What it counts
// is never less than the charges in the span and may be more by those of a fifteenth of it, so a
// limit on it is kept in every span, strictly. A bucket that is full at 255 stays full.
type histogram struct {
	last   uint32 // the number of the newest bucket: its time divided by the width
	total  uint16 // of counts
	counts [buckets]uint8
}

const mostInBucket = 255

// bucketWidth returns the width of the buckets for a span: a second at least, so that
// their numbers suffice for a century.
func bucketWidth(span int64) int64 {
	return max(int64(time.Second), (span+buckets-2)/(buckets-1))
}

// at returns h as it is when bucket now is the newest.
func (h *histogram) at(now uint32) histogram {
	moved := *h
	moved.advance(now)
	return moved
}

// advance empties the buckets that are too old once bucket now is the newest.
func (h *histogram) advance(now uint32) {
	if now <= h.last {
		return
	}
	if now-h.last >= buckets || h.total == 0 {
		*h = histogram{last: now}
		return
	}
	for n := h.last + 1; n <= now; n++ {
		h.total -= uint16(h.counts[n%buckets])
		h.counts[n%buckets] = 0
	}
	h.last = now
}

// add counts a charge in bucket now.
func (h *histogram) add(now uint32) {
	if now > h.last {
		h.advance(now)
	}
	if c := &h.counts[now%buckets]; *c < mostInBucket {
		*c++
		h.total++
	}
}

// sub takes a charge back from bucket n, if that is still counted.
func (h *histogram) sub(n uint32) {
	if c := &h.counts[n%buckets]; h.last-n < buckets && *c > 0 && *c < mostInBucket {
		*c--
		h.total--
	}
}

// freeAt returns the number of the bucket that must be the newest for less than
// limit charges to be counted, if none are added.
func (h *histogram) freeAt(limit int) uint32 {
	left := int(h.total)
	for age := uint32(buckets - 1); left >= limit; age-- {
		left -= int(h.counts[(h.last-age)%buckets])
		if left < limit {
			return h.last - age + buckets
		}
	}
	return h.last
}

// trim takes charges away, the oldest first, until no more than limit are left.
func (h *histogram) trim(limit int) {
	for age := uint32(buckets - 1); int(h.total) > limit; age-- {
		c := &h.counts[(h.last-age)%buckets]
		taken := min(int(*c), int(h.total)-limit)
		*c -= uint8(taken)
		h.total -= uint16(taken)
	}
}

// A ruler numbers buckets of one width. It multiplies by the inverse of the width, for a division takes longer
// than the rest of a count: by 2^(64+shift)/width, rounded up, which is exact for all times (Granlund and
// Montgomery, PLDI 1994).
type ruler struct {
	width   int64
	inverse uint64
	shift   uint8
}

func newRuler(width int64) ruler {
	width = max(width, 2)
	shift := bits.Len64(uint64(width-1)) - 1
	inverse, _ := bits.Div64(1<<shift, 0, uint64(width))
	return ruler{width: width, inverse: inverse + 1, shift: uint8(shift)}
}

// at returns the number of the bucket that has a time.
func (r *ruler) at(at int64) uint32 {
	hi, _ := bits.Mul64(uint64(at), r.inverse)
	return uint32(hi >> r.shift)
}

// after returns the number of the first bucket that begins at a time or after it.
func (r *ruler) after(at int64) uint32 { return r.at(at + r.width - 1) }

// start returns when a bucket begins.
func (r *ruler) start(number uint32) int64 { return int64(number) * r.width }
