package cache

// An expiryTree finds slots whose deadline has passed without looking at the
// others. Slots are taken in blocks of sixteen; the tree holds a bound for each block, no
// later than the earliest deadline in it, a bound for every sixteen blocks, and so
// on up to one for all. It costs about half a byte for each slot.
//
// A bound may be too early, because an entry that is removed or lives on leaves it as
// it was; it is never too late. So the walk down from the root finds every expired
// entry, and each block that it looks at in vain was paid for by the write whose
// deadline it kept, because looking at a block makes its bound exact.
//
// It knows nothing of locks: the shard's must be held.
type expiryTree struct {
	levels [][]instant // levels[0] is of the blocks, the last has one bound
	all    *instant    // that one
}

const (
	fanout      = 16
	fanoutShift = 4
)

// newExpiryTree returns a tree over so many slots, of which none expires.
func newExpiryTree(slots int) expiryTree {
	t := expiryTree{levels: make([][]instant, 0, 8)} // 16^8 slots
	for n := slots; n > 1 || len(t.levels) == 0; {
		n = (n + fanout - 1) >> fanoutShift
		bounds := make([]instant, n)
		for i := range bounds {
			bounds[i] = never
		}
		t.levels = append(t.levels, bounds)
	}
	t.all = &t.levels[len(t.levels)-1][0]
	return t
}

// expiryBytes returns what a tree over so many slots costs.
func expiryBytes(slots int) int64 {
	bytes := int64(8 * 24)
	for n, level := slots, 0; n > 1 || level == 0; level++ {
		n = (n + fanout - 1) >> fanoutShift
		bytes += roundUp(int64(n)*8, false)
	}
	return bytes
}

// note makes known that the deadline of a slot is d or later.
func (t *expiryTree) note(slot uint32, d instant) {
	i := slot
	for _, level := range t.levels {
		i >>= fanoutShift
		if level[i] <= d {
			return
		}
		level[i] = d
	}
}

// earliest returns a time before which nothing expires.
func (t *expiryTree) earliest() instant {
	if t.all == nil {
		return never
	}
	return *t.all
}

// due returns the first block that may hold an entry whose deadline is now or
// earlier, and reports whether there is one.
func (t *expiryTree) due(now instant) (block uint32, ok bool) {
	if t.earliest() > now {
		return 0, false
	}
	i := 0
	for level := len(t.levels) - 2; level >= 0; level-- {
		bounds := t.levels[level]
		for i <<= fanoutShift; bounds[i] > now; i++ {
		}
	}
	return uint32(i), true
}

// settle gives a block its exact bound, after it was looked at.
func (t *expiryTree) settle(block uint32, d instant) {
	i := int(block)
	t.levels[0][i] = d
	for level := 1; level < len(t.levels); level++ {
		i >>= fanoutShift
		t.levels[level][i] = t.least(level-1, i)
	}
}

// least returns the earliest of the bounds below bound i of the next level.
func (t *expiryTree) least(level, i int) instant {
	bounds := t.levels[level][i<<fanoutShift:]
	least := never
	for _, d := range bounds[:min(fanout, len(bounds))] {
		least = min(least, d)
	}
	return least
}
