package cache

import "math/bits"

// ghosts remembers which entries were evicted of late, by a fingerprint of their
// hash, and when. It has three buckets of four for four slots, 6 bytes a slot. A ghost lives for
// ghostLife ticks, 3.5 times as many misses as there are entries. It may take one
// entry for another, one time in a hundred: that costs a little of the hit ratio.
type ghosts struct {
	buckets []ghostBucket
	hand    int32 // of expire
	pace    int32 // how many buckets it looks at
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

// bucketOf returns the bucket of a hash, which its high bits choose.
func (g *ghosts) bucketOf(hash uint32) *ghostBucket {
	return &g.buckets[uint64(hash)*uint64(len(g.buckets))>>32]
}

// printOf returns the fingerprint of a hash, its low bits, and never zero.
func printOf(hash uint32) ghostBucket { return ghostBucket(max(1, hash&ghostPrint)) }

// ages returns the ages of the four ghosts of a bucket, each in its own 16 bits.
func (b ghostBucket) ages(tick uint16) ghostBucket {
	return ((64+ghostBucket(tick&63))*eachGhost - b>>ghostTickShift&(63*eachGhost)) & (63 * eachGhost)
}

// put remembers an entry, in place of the oldest of its bucket if that is full.
func (g *ghosts) put(hash uint32, tick uint16, leftMain bool) {
	if len(g.buckets) == 0 {
		return
	}
	b := g.bucketOf(hash)
	w := *b
	// What has no fingerprint is empty, and older than all. Which is the oldest cannot be foreseen, so no
	// branch asks for it: each of the four is its age and then where it stands, and the greatest is the oldest.
	ages := w.ages(tick) | (eachGhost-(w&(ghostPrint*eachGhost)+ghostPrint*eachGhost)>>ghostTickShift&eachGhost)<<6
	a, c := ages&0xffff<<6, ages>>16&0xffff<<6|16
	d, f := ages>>32&0xffff<<6|32, ages>>48<<6|48
	at := max(max(a, c), max(d, f)) & 63
	s := ghostBucket(tick<<ghostTickShift&^ghostLeftMain) | printOf(hash)
	if leftMain {
		s |= ghostLeftMain
	}
	*b = w&^(0xffff<<at) | s<<at
}

// take forgets an entry and returns what was remembered of it.
func (g *ghosts) take(hash uint32, tick uint16) ghost {
	if len(g.buckets) == 0 {
		return ghost{}
	}
	b := g.bucketOf(hash)
	w := *b
	// A carry into bit 9 of each that differs from the fingerprint.
	differ := (w^printOf(hash)*eachGhost)&(ghostPrint*eachGhost) + ghostPrint*eachGhost
	same := ^differ >> ghostTickShift & eachGhost
	if same == 0 {
		return ghost{}
	}
	at := bits.TrailingZeros64(uint64(same))
	s := uint16(w >> at)
	*b = w &^ (0xffff << at)
	age := ghostAge(s, tick)
	return ghost{found: age <= ghostLife, age: age, leftMain: s&ghostLeftMain != 0}
}

// setPace makes expire come round in seven ticks of a sixteenth of so many misses: before a tick of six bits wraps
// and makes the old look young.
func (g *ghosts) setPace(live int) {
	g.pace = int32(min(len(g.buckets), 1+len(g.buckets)*ticksPerTurn/(7*live)))
}

// expire clears old ghosts from the next few buckets. It is called once a miss.
func (g *ghosts) expire(tick uint16) {
	for range g.pace {
		if g.hand++; int(g.hand) >= len(g.buckets) {
			g.hand = 0
		}
		// All four at once: adding 63-ghostLife to an age carries into bit 6 if it is over.
		b := &g.buckets[g.hand]
		over := (b.ages(tick) + (63-ghostLife)*eachGhost) >> 6 & eachGhost
		*b &^= over * 0xffff
	}
}
