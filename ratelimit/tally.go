package ratelimit

import (
	"math/bits"
	"time"
)

// A tally counts charges over a span of time, as strokes on a stick: a string of bits in words, the newest the
// lowest of the first. A one is a charge, and a zero the end of a bucket. A charge moves all bits up by one and
// puts a one below them, and time that passes puts a zero there for each bucket. What is above the twelfth zero
// is too old, and taken off. So a tally takes a bit for a charge and twelve for the time, and knows no time
// itself: that is in its line.
//
// Twelve buckets are eleven that have passed, which are as long as the span, and the present one. So what a
// tally counts is never less than the charges in the span, and may be more by those of an eleventh of it.
//
// A tally is made for a limit, which leaves room for as many ones as that and all twelve zeros. Who shares it
// with others may find it with more: then the oldest ones are pushed out at the top. A limit is kept all the
// same, for what is to be proved of each that shares the tally is that it counts no less than his charges in
// the span, or the limit or more:
//
//   - When a one is pushed out, all bits of the string came after it. So when twelve zeros are among them it is
//     too old, and until then it is missing.
//   - While less than twelve zeros are there, all other bits are ones, and these are more than the limit.
//   - A refund takes a one of the bucket in which it was made, and only while twelve zeros are there. By then
//     no charge that counts is missing, so it takes no other's, and the zero that comes in at the top stands
//     for nothing that counts. At another time it takes none, which is on the strict side.
type tally []uint32

// tallyBuckets is how many of a tally's buckets count. With no more than these a limit of 20 and its zeros are
// one word, one of 50 two, and one of 80 three.
const tallyBuckets = 12

const wordBits = 32

// tallyWords returns how many words a tally has that is made for a limit.
func tallyWords(limit int) int { return (limit + tallyBuckets + wordBits - 1) / wordBits }

// tallyWidth returns the width of the buckets for a span: a second at least, so that their numbers suffice for
// a century.
func tallyWidth(span int64) int64 {
	return max(int64(time.Second), (span+tallyBuckets-2)/(tallyBuckets-1))
}

// count returns how many charges are counted.
func (c tally) count() (n int) {
	for _, word := range c {
		n += bits.OnesCount32(word)
	}
	return n
}

// countAfter returns how many are counted when so many buckets have ended since.
func (c tally) countAfter(ended uint32) int {
	if ended == 0 {
		return c.count()
	}
	if ended >= tallyBuckets {
		return 0
	}
	zeros := tallyBuckets - int(ended) // of those that count then, the last ends the last bucket
	end := c.find(zeros-1, 0)
	if end == c.len() {
		return c.count()
	}
	return end + 1 - zeros
}

// freeAfter returns how many buckets have to end until less than limit are counted.
func (c tally) freeAfter(limit int) uint32 {
	newer := c.find(limit-1, 1) // has limit-1 ones below it, which may stay
	if newer == c.len() {
		return 0
	}
	return uint32(tallyBuckets - (newer + 1 - limit)) // the zeros below it
}

// newest returns how many buckets ago the newest charge was made that is counted, or the length if there is none.
func (c tally) newest() uint32 { return uint32(c.find(0, 1)) }

// add counts a charge.
func (c tally) add() {
	word := c[0]
	c[0] = word<<1 | 1
	for i := 1; i < len(c); i++ {
		word, c[i] = c[i], c[i]<<1|word>>(wordBits-1)
	}
}

// sub takes back a charge that was made so many buckets ago, if it is counted.
func (c tally) sub(ago uint32) {
	if ago >= tallyBuckets || c.count() > c.len()-tallyBuckets {
		return
	}
	at := 0
	if ago > 0 {
		at = c.find(int(ago)-1, 0) + 1
	}
	i, below := at/wordBits, uint32(1)<<(at%wordBits)-1
	if c[i]&(below+1) == 0 {
		return
	}
	for ; i < len(c)-1; i++ {
		c[i] = c[i]&below | (c[i]>>1|c[i+1]<<(wordBits-1))&^below
		below = 0
	}
	c[i] = c[i]&below | c[i]>>1&^below
}

// age ends so many buckets, less than all.
func (c tally) age(ended uint32) {
	carry := uint32(0)
	for i, word := range c {
		c[i] = word<<ended | carry
		carry = word >> (wordBits - ended)
	}
	for i, end := 0, c.find(tallyBuckets-1, 0); i < len(c); i++ {
		if keep := max(0, end-i*wordBits); keep < wordBits {
			c[i] &= 1<<keep - 1
		}
	}
}

// find returns the place of the first bit of a kind, one or zero, that has so many of its kind below it, or the
// length if there is none.
func (c tally) find(below int, kind uint32) int {
	for i, word := range c {
		word ^= kind - 1 // so that those which are looked for are ones
		if n := bits.OnesCount32(word); below >= n {
			below -= n
			continue
		}
		for range below {
			word &= word - 1
		}
		return i*wordBits + bits.TrailingZeros32(word)
	}
	return c.len()
}

// len returns how many bits there are.
func (c tally) len() int { return len(c) * wordBits }
