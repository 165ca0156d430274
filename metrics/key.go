package metrics

import "math/bits"

// A key is what an index tells names apart by. Together with the length it is the name,
// if that is not longer than keyBytes, as nearly all are: comparing four words takes less
// time than calling what compares strings of any length.
type key struct{ a, b, c, d uint64 }

const keyBytes = 32

// shortKey returns the key of a name of 16 bytes at most. Its words overlap unless the
// length is a multiple of theirs.
func shortKey(name string) key {
	switch n := len(name); {
	case n >= 8:
		return key{a: word64(name), b: word64(name[n-8:])}
	case n >= 4:
		return key{a: word32(name), b: word32(name[n-4:])}
	case n > 0:
		return key{a: uint64(name[0]) | uint64(name[n/2])<<8 | uint64(name[n-1])<<16}
	}
	return key{}
}

// word64 returns the first 8 bytes of s. It is written so that the compiler makes one load
// of it.
func word64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// word32 returns the first 4 bytes of s, as word64 does 8.
func word32(s string) uint64 {
	_ = s[3]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// fold returns the halves of a product as one: many bits of a and b have a part in each
// bit of it.
func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}
