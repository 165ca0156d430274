package ratelimit

import "math/bits"

// A sketch remembers the charges of all sources that were evicted, in a fixed
// number of cells. A source has one cell in each of two rows; a cell is the time of a
// lock-out's end and as many times of charges, newest first, as an entry has. When a source
// is evicted, each of its cells becomes the maximum of itself and of the entry,
// element by element. When a source comes that is not in the table, it begins with the minimum of its
// cells, element by element.
//
// That the window holds for every source follows from an invariant. Let τ be the times
// of the charges of a source that were allowed and not given back, newest first. Then
//
//   - the times in the source's entry, if it has one, and otherwise those in each of its cells, are
//     at no place earlier than τ.
//
// A charge puts the same newest time in front of both. A refund takes the same
// time from both. Eviction makes the cells no earlier than the entry; cells never get
// earlier, so the invariant holds for the sources that share them. Insertion takes the minimum of two lists that are
// no earlier than τ. A refund after an eviction takes a time from τ alone, which makes
// it no later. As an attempt is allowed only if the last time of the entry, or of the
// minimum of the cells, is outside the window, the last time of τ is outside as well: no source
// has more than Failures charges in a window, whatever others do. Nothing in this depends on chance,
// on who is evicted, or on what an attacker knows. Chance only decides how many others a source shares its
// cells with.
//
// The idea of inheriting the maximum of the evicted is that of Space-Saving (Metwally,
// Agrawal and El Abbadi, ICDT 2005); two rows and the minimum are those of the Count-Min sketch (Cormode and
// Muthukrishnan, LATIN 2004).
type sketch struct {
	cells []int64 // nothing until the first eviction
	width int     // of a cell
	mask  uint32  // cells in a row - 1
}

const sketchRows = 2

// fold remembers an entry. There are about as many cells in a row as addresses in the table.
func (s *sketch) fold(hash uint64, stamps []int64, lockedUntil int64, addresses int) {
	if s.cells == nil {
		row := 1 << bits.Len(uint(max(addresses, 64)-1))
		s.width, s.mask = len(stamps)+1, uint32(row-1)
		s.cells = make([]int64, sketchRows*row*s.width)
	}
	for row := range sketchRows {
		cell := s.cell(hash, row)
		for j, stamp := range stamps {
			cell[j] = max(cell[j], stamp)
		}
		cell[len(stamps)] = max(cell[len(stamps)], lockedUntil)
	}
}

// least returns element j of what is remembered at least of a source: a charge, or
// after the charges the end of a lock-out.
func (s *sketch) least(hash uint64, j int) int64 {
	if s.cells == nil {
		return 0
	}
	return min(s.cell(hash, 0)[j], s.cell(hash, 1)[j])
}

func (s *sketch) cell(hash uint64, row int) []int64 {
	at := uint32(hash>>(32*row)) & s.mask
	from := (row*int(s.mask+1) + int(at)) * s.width
	return s.cells[from : from+s.width]
}
