package metrics

import (
	"sync/atomic"
)

// places hands out the places of a ring to its writers, the one after the other and
// from the first again.
//
// At first it counts one by one, which is exact and as cheap as one atomic word while
// one goroutine writes at a time. When writers meet there, they would go on to hinder
// each other: a cache line that several processors write moves between them with each
// write, and so does each line of the ring. So they are spread over turns, more and more
// of them, and each turn takes a block of places at a time, which are of one cache line.
//
// A turn that does not go on leaves the rest of its block with what was there
// before, until others have come around. So there may be seven stale places for each
// turn, and there are so few turns that their blocks are an eighth of all places.
type places struct {
	many     atomic.Pointer[spread[turn]] // nil at first
	maxTurns int

	// Lines of their own for what is written often.
	_      [64]byte
	single atomic.Uint64 // places taken one by one
	met    atomic.Uint32
	_      [52]byte
	blocks atomic.Uint64 // end of the blocks, as the number of a place
	_      [56]byte
}

// A turn has the counts of the writers that share it, on a line of its own.
type turn struct {
	count atomic.Uint64 // places it has taken
	begin atomic.Uint64 // of its present block
	_     [48]byte
}

const (
	block = uint64(len(line{})) // places that a turn takes at a time, a power of two

	// probeEvery is how often a writer looks whether another has begun before it was
	// done. A power of two.
	probeEvery = 16
)

// size prepares for so many places, a power of two.
func (p *places) size(n int) { p.maxTurns = min(n/(8*int(block)), mostStripes()) }

// placeOf returns the number of the place that belongs to the n-th taken of t. While a
// writer that begins a block is kept from going on, others write the block before once
// more.
func (p *places) placeOf(t *turn, n uint64) uint64 {
	if i := (n - 1) % block; i != 0 {
		return t.begin.Load() + i
	}
	begin := p.blocks.Add(block) - block
	t.begin.Store(begin)
	return begin
}

// meet notes that two writers have met, and spreads them anew if that happens often.
func (p *places) meet() {
	if p.met.Add(1)%meetings == 0 && p.maxTurns > 1 {
		p.grow()
	}
}

// grow spreads the writers anew.
func (p *places) grow() {
	old := p.many.Load()
	if old == nil {
		p.blocks.CompareAndSwap(0, (p.single.Load()/block+1)*block)
		p.many.CompareAndSwap(nil, unspread(new(turn)).grown(p.maxTurns))
		return
	}
	p.many.CompareAndSwap(old, old.grown(p.maxTurns)) // if another has done it, that will do
}

// taken returns how many places were ever taken. It never falls.
func (p *places) taken() uint64 {
	n := p.single.Load()
	if many := p.many.Load(); many != nil {
		for _, t := range many.of {
			n += t.count.Load()
		}
	}
	return n
}

// end returns a number that no place taken is after.
func (p *places) end() uint64 { return max(p.single.Load()+1, p.blocks.Load()) }
