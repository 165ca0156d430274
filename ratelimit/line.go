package ratelimit

import "math/bits"

// A line is one of the processor's cache, with cells of a sketch in it: whole ones of as many words as each
// takes. What the cells say of times is relative to the line's base, a number of a bucket or a tick; who moves
// the base ages all cells of the line. So a cell needs no time of its own, and nothing has to walk over cells
// as time passes.
type line struct {
	base  uint32
	words [lineWords]uint32
}

const lineWords = 15

// A grid is where the cells of a sketch, or of a row of it, lie.
type grid struct {
	lines uint32
	cells uint32 // in a line
	width uint32 // words of a cell
}

// newGrid returns one with at least so many cells, each of so many words, in lines that have so many for them.
func newGrid(cells, width, room int) grid {
	in := room / width
	return grid{lines: uint32((cells + in - 1) / in), cells: uint32(in), width: uint32(width)}
}

// at returns the line that a hash has in the row, and the first word of its cell.
func (g *grid) at(hash uint32) (line, word uint32) {
	line, rest := bits.Mul32(hash, g.lines)
	cell, _ := bits.Mul32(rest, g.cells)
	return line, cell * g.width
}
