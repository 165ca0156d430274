package cache

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"unsafe"
)

// A hasher maps keys to 64 bits under a secret of its own, so that nobody who does
// not know it can choose keys that meet in one bucket or shard.
type hasher struct {
	kind   hashKind
	s0, s1 uint64
	seed   maphash.Seed
}

type hashKind uint8

const (
	hashAny    hashKind = iota // by maphash.Comparable
	hashString                 // string kinds
	hash64                     // one word of plain bits, by its size
	hash32
	hash16
	hash8
)

func newHasher(t reflect.Type) hasher {
	h := hasher{s0: rand.Uint64(), s1: rand.Uint64() | 1, seed: maphash.MakeSeed()}
	switch t.Kind() {
	case reflect.String:
		h.kind = hashString
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		h.kind = map[uintptr]hashKind{8: hash64, 4: hash32, 2: hash16, 1: hash8}[t.Size()]
	}
	return h
}

func hashOf[K comparable](h *hasher, k *K) uint64 {
	if h.kind == hash64 {
		return h.mix(*(*uint64)(unsafe.Pointer(k)))
	}
	return hashSlow(h, k)
}

func hashSlow[K comparable](h *hasher, k *K) uint64 {
	p := unsafe.Pointer(k)
	switch h.kind {
	case hashString:
		return maphash.String(h.seed, *(*string)(p))
	case hash32:
		return h.mix(uint64(*(*uint32)(p)))
	case hash16:
		return h.mix(uint64(*(*uint16)(p)))
	case hash8:
		return h.mix(uint64(*(*uint8)(p)))
	}
	return maphash.Comparable(h.seed, *k)
}

// mix is two rounds of a folded 64 by 64 to 128 bit multiplication, as in wyhash
// (Wang Yi), with both secrets inside the first.
func (h *hasher) mix(x uint64) uint64 {
	hi, lo := bits.Mul64(x^h.s0, h.s1)
	hi, lo = bits.Mul64(hi^lo^h.s0, 0x9e3779b97f4a7c15)
	return hi ^ lo
}
