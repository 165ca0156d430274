package ratelimit

import (
	"sync"
	"sync/atomic"
)

// slots have what is kept of sources: MaxAddresses of them, for the entries of all tables of a tracker. A slot
// belongs to one table at a time, and is guarded by the lock of that.
type slots struct {
	entries []entry
	links   []link
	long    [][buckets]uint8 // see longOf; nil: there is no limit
	marks   []mark           // rule.failures to an entry: the accounts and secrets of the charges
	stamps  []int64          // as many, if they are too many for the entry: see stampsOf
	opens   []uint64         // the same: see openOf
}

// A pool lends slots to tables. So the bound is one of the tracker, whichever tables its sources are in.
type pool struct {
	slots
	_    [128]byte     // what follows is written often, and what is before it read always
	lens atomic.Uint64 // the sources in all tables: of IPv4 in the lower half, of IPv6 in the upper

	mu   sync.Mutex // guards what follows; it may be taken by who holds the lock of a table, and no other is taken then
	next uint32     // slots from here on were never used
	free uint32     // the first of the others that are free, + 1, linked through link.next
}

func newSlots(c Config) slots {
	n := c.MaxAddresses
	s := slots{entries: make([]entry, n), links: make([]link, n), marks: make([]mark, n*c.Failures)}
	if c.LongFailures > 0 {
		s.long = make([][buckets]uint8, n)
	}
	if c.Failures > nearCharges {
		s.stamps, s.opens = make([]int64, n*c.Failures), make([]uint64, n)
	}
	return s
}

// take returns a free slot, if there is one.
func (p *pool) take() (i uint32, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.free != 0:
		i = p.free - 1
		p.free = p.links[i].next
	case int(p.next) < len(p.entries):
		i = p.next
		p.next++
	default:
		return 0, false
	}
	return i, true
}

// put gives a slot back, which must be empty.
func (p *pool) put(i uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links[i].next = p.free
	p.free = i + 1
}

// count counts a source that came, or one that went.
func (p *pool) count(f family, n int) {
	p.lens.Add(uint64(n) << (32 * f)) // one that goes is there, so the lower half borrows nothing from the upper
}

// len returns how many sources of each family there are.
func (p *pool) len() (n [families]int) {
	lens := p.lens.Load()
	return [families]int{int(uint32(lens)), int(lens >> 32)}
}
