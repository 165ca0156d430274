package metrics

import (
	"math"
	"math/bits"
)

// A Number is what a [Ring] can hold: durations, and other figures of either
// kind, best as a type that says their unit: if it has a method Unit() string, names of
// figures end in what that returns, as seconds for durations.
type Number interface{ ~int64 | ~float64 }

// A word is one observation in 64 bits, so that one store writes it and no reader
// sees a part of it: the value in the upper 40 bits, and the tick in which it was
// made, without its upper bits, in the lower 24. The zero word is none.
//
//	63         24 23       0
//	| code + 1   |   tick  |
//
// Codes are in the order of the values. The code of an integer below 2^36 is the
// integer: durations of up to 68 seconds are exact. Above that a code has the
// leading 36 bits and how many follow, and that of a fraction has the leading 40
// bits of the float64 without its sign: the value is too small by less than a
// billionth, or that of a fraction by less than two.
type word uint64

const (
	tickBits = 24
	exact    = 36 // bits of an integer that a code has
)

func newWord(code uint64, tick int64) word {
	return word((code+1)<<tickBits | uint64(tick)&(1<<tickBits-1))
}

func (w word) code() uint64 { return uint64(w>>tickBits) - 1 }

// age returns how many ticks before now the observation was made: 0 too if it was
// somewhat after it, by a clock read later. What is older than 2^24 ticks looks
// younger than it is.
func (w word) age(now int64) int64 {
	age := (now - int64(w)) & (1<<tickBits - 1)
	if age > 1<<tickBits*7/8 {
		return 0
	}
	return age
}

// encode returns the code of v. It reports false if v has none: if it is
// negative, infinite or not a number.
func encode[T Number](v T) (code uint64, ok bool) {
	if !(v >= 0) {
		return 0, false
	}
	if fractional[T]() {
		f := float64(v)
		return math.Float64bits(f+0) >> (64 - 1 - 40), f <= math.MaxFloat64 // +0 makes a plain zero of -0
	}
	n := uint64(v)
	if n < 1<<exact {
		return n, true
	}
	more := bits.Len64(n) - exact
	return uint64(more)<<(exact-1) + n>>more, true // the leading bit of n is another 1<<(exact-1)
}

// decode returns the value that has the code.
func decode[T Number](code uint64) T {
	if fractional[T]() {
		return T(math.Float64frombits(code << (64 - 1 - 40)))
	}
	if code < 1<<exact {
		return T(code)
	}
	more := code>>(exact-1) - 1
	return T((code - more<<(exact-1)) << more)
}

// fractional reports whether T has fractions.
func fractional[T Number]() bool { return T(1)/T(2) != 0 }
