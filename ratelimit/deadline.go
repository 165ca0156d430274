package ratelimit

import (
	"math"
	"math/bits"
)

// A moment is a time in quarters of a second, rounded up: 2^28 nanoseconds, of which 32 bits have 36 years. A
// later one is that late.
type moment uint32

const momentBits = 28

func coarsen(at int64) moment { return floor(at + 1<<momentBits - 1) }

// floor is coarsen, but rounds down.
func floor(at int64) moment { return moment(max(0, min(at>>momentBits, math.MaxUint32))) }

// time returns the latest that a time was before it was rounded up.
func (m moment) time() int64 { return int64(m) << momentBits }

// deadlines are times that are kept of many sources: a sketch of two rows. What it says of a source is no
// earlier than what was ever kept of it.
type deadlines struct {
	row   uint32
	last  moment // the latest of all; it is asked first, for mostly there is none to come
	cells []moment
}

func newDeadlines(row int) deadlines {
	return deadlines{row: uint32(row), cells: make([]moment, sketchRows*row)}
}

func (d *deadlines) cell(hash uint64, row int) *moment {
	at, _ := bits.Mul32(uint32(hash>>(32*row)), d.row)
	return &d.cells[uint32(row)*d.row+at]
}

// raise keeps a time of a source.
func (d *deadlines) raise(hash uint64, at moment) {
	if at == 0 {
		return
	}
	d.last = max(d.last, at)
	for row := range sketchRows {
		cell := d.cell(hash, row)
		*cell = max(*cell, at)
	}
}

// get returns the latest time that was kept of a source, or zero if all that were kept have passed.
func (d *deadlines) get(hash uint64, now int64) int64 {
	if d.last.time() <= now {
		return 0
	}
	return min(*d.cell(hash, 0), *d.cell(hash, 1)).time()
}
