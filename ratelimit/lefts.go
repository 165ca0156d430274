package ratelimit

// A cell of a sketch keeps each charge by its left: for how many ticks it counts yet, counted from the tick
// that is its line's base. A tick is a 61st part of the window, or a quarter of a second if that is more. A
// charge is taken to be made at the end of its tick, and is then in the window for less than mostLeft ticks,
// with one to spare; so zero is none, or one that is too old to count, even where a base is ahead of the time
// of a table by up to a tick. Another table has moved it then, whose time is later. Lefts are newest first,
// five in a word.
const (
	leftBits    = 6
	leftsInWord = 5
	mostLeft    = 1<<leftBits - 1
)

// tickWidth returns how long a tick is for a window, in nanoseconds. Ticks are then numbered for 36 years.
func tickWidth(window int64) int64 { return max(1<<momentBits, (window+mostLeft-3)/(mostLeft-2)) }

// leftWords returns how many words a cell has for so many charges.
func leftWords(charges int) int { return (charges + leftsInWord - 1) / leftsInWord }

// left returns that of charge j of a cell.
func (l *line) left(cell uint32, j int) uint32 {
	return l.words[cell+uint32(j/leftsInWord)] >> (leftBits * (j % leftsInWord)) & mostLeft
}

// leftTick returns the tick at whose end charge j of a cell was made, or zero.
func (l *line) leftTick(cell uint32, j int) uint32 {
	if left := l.left(cell, j); left > 0 {
		return l.base - (mostLeft - left)
	}
	return 0
}

// ageLefts moves the base to a tick, if that is later.
func (l *line) ageLefts(tick uint32) {
	if tick <= l.base {
		return
	}
	by := tick - l.base
	l.base = tick
	for n, word := range l.words {
		if word == 0 {
			continue
		}
		aged := uint32(0)
		for at := 0; at < leftsInWord*leftBits; at += leftBits {
			if left := word >> at & mostLeft; left > by {
				aged |= (left - by) << at
			}
		}
		l.words[n] = aged
	}
}

// raiseLeft makes charge j of a cell no earlier than the end of a tick, which is not after the base.
func (l *line) raiseLeft(cell uint32, j int, tick uint32) {
	if tick == 0 || l.base-tick >= mostLeft {
		return
	}
	if left := mostLeft - (l.base - tick); left > l.left(cell, j) {
		word, at := &l.words[cell+uint32(j/leftsInWord)], leftBits*(j%leftsInWord)
		*word = *word&^(mostLeft<<at) | left<<at
	}
}
