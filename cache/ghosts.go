package cache

import (
	"math/bits"
	"unsafe"
)

// ghosts remembers which entries were evicted of late, by a fingerprint of their
// hash, and when. It has three buckets of four for four slots, 6 bytes a slot. A ghost lives for
// ghostLife ticks, 3.5 times as many misses as there are entries. It may take one
// entry for another, one time in a hundred: that costs a little of the hit ratio.
type ghosts struct {
	hand    int // of expire
	buckets []ghostBucket
}

// A ghostBucket is four ghosts of 16 bits, each zero or leftMain 1 | tick 6 | fingerprint 9.
type ghostBucket uint64

const (
	ghostLife      = 56 // ticks; below 64 by more than a round of expire takes
	ghostTickShift = 9
	ghostPrint     = 1<<ghostTickShift - 1
	ghostLeftMain  = 1 << 15

	eachGhost = 0x0001_0001_0001_0001 // times x: x in each of the four
)

// A ghost is what is remembered of an evicted entry.
type ghost struct {
	found    bool
	age      uint16 // ticks since it was evicted
	leftMain bool
}

func ghostAge(g, tick uint16) uint16 { return (tick - g>>ghostTickShift) & 63 }

// ghostBuckets returns how many buckets serve so many slots: three for four of them, in
// steps of an eighth of a power of two, so that a table seldom has to be replaced.
func ghostBuckets(slots int) int {
	n := (3*slots + 3) / 4
	step := 1 << max(0, bits.Len(uint(n))-4)
	return n &^ (step - 1)
}

// fit makes the table serve so many slots. If it has to be replaced, all is forgotten.
func (g *ghosts) fit(slots int) {
	if n := ghostBuckets(slots); n != len(g.buckets) {
		*g = ghosts{buckets: make([]ghostBucket, n)}
	}
}

// bucketOf returns the bucket, from the high bits of a hash, and the fingerprint, from the low.
func (g *ghosts) bucketOf(hash uint32) (*ghostBucket, uint16) {
	b := uint64(hash) * uint64(len(g.buckets)) >> 32
	return &g.buckets[b], uint16(hash%ghostPrint) + 1 // never zero
}

func (g *ghosts) prefetch(hash uint32) {
	if len(g.buckets) != 0 {
		b, _ := g.bucketOf(hash)
		prefetch(unsafe.Pointer(b))
	}
}

// put remembers an entry, in place of the oldest of its bucket if that is full.
func (g *ghosts) put(hash uint32, tick uint16, leftMain bool) {
	if len(g.buckets) == 0 {
		return
	}
	b, print := g.bucketOf(hash)
	at, oldest := 0, uint16(0)
	for j := 0; j < 64; j += 16 {
		s := uint16(*b >> j)
		if s == 0 {
			at = j
			break
		}
		if age := ghostAge(s, tick); age > oldest {
			at, oldest = j, age
		}
	}
	s := tick<<ghostTickShift&^ghostLeftMain | print
	if leftMain {
		s |= ghostLeftMain
	}
	*b = *b&^(0xffff<<at) | ghostBucket(s)<<at
}

// take forgets an entry and returns what was remembered of it.
func (g *ghosts) take(hash uint32, tick uint16) ghost {
	if len(g.buckets) == 0 {
		return ghost{}
	}
	b, print := g.bucketOf(hash)
	for j := 0; j < 64; j += 16 {
		s := uint16(*b >> j)
		if s&ghostPrint == print {
			*b &^= 0xffff << j
			age := ghostAge(s, tick)
			return ghost{found: age <= ghostLife, age: age, leftMain: s&ghostLeftMain != 0}
		}
	}
	return ghost{}
}

// expire clears old ghosts from the next few buckets. Called once a miss it comes
// round in four ticks, before a tick of six bits wraps and makes the old look young.
func (g *ghosts) expire(tick uint16, live int) {
	for range min(len(g.buckets), 1+3*len(g.buckets)/live) {
		if g.hand++; g.hand >= len(g.buckets) {
			g.hand = 0
		}
		// All four at once: adding 63-ghostLife to an age carries into bit 6 if it is over.
		b := &g.buckets[g.hand]
		ages := ((64+ghostBucket(tick&63))*eachGhost - *b>>ghostTickShift&(63*eachGhost)) & (63 * eachGhost)
		over := (ages + (63-ghostLife)*eachGhost) >> 6 & eachGhost
		*b &^= over * 0xffff
	}
}
