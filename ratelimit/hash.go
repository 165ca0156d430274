package ratelimit

import (
	"math/bits"
	"math/rand/v2"
)

// A key is the secret with which sources and networks are hashed, so that nobody can choose addresses that meet
// in one cell. It hashes eight bytes with two multiplications of 64 by 64 bits, in a nanosecond; maphash takes
// three.
type key [4]uint64

func newKey() key { return key{rand.Uint64(), rand.Uint64() | 1, rand.Uint64(), rand.Uint64() | 1} }

func (k *key) hash(x uint64) uint64 {
	hi, lo := bits.Mul64(x^k[0], k[1])
	hi, lo = bits.Mul64(hi^lo^k[2], k[3])
	return hi ^ lo
}
