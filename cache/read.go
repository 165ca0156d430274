package cache

import "math/bits"

// A found entry is where a walk through the index ended.
type found[K comparable, V any] struct {
	slab *slab[K, V]
	slot uint32
	meta uint64
}

// find copies the value of key to val and reports whether there is an entry,
// expired or not. It takes no lock and writes nothing.
func (e *engine[K, V]) find(s *shard[K, V], h uint32, key *K, val *cell[V]) (f found[K, V], ok bool) {
	b := s.slab.Load()
	if b == nil {
		return f, false
	}
	tag := tagOf(h)
	i := homeOf(h, len(b.buckets))
	for range b.buckets {
		bk := &b.buckets[i]
		low, high, overflowed := bk.matches(tag)
		for ; low != 0; low &= low - 1 {
			ix := bk.slot[bits.TrailingZeros64(low)/8&7].Load()
			sl := b.at(ix)
			if sl == nil {
				return e.find(s, h, key, val)
			}
			if meta, ok := e.load(sl, h, key, val); ok {
				return found[K, V]{b, ix, meta}, true
			}
		}
		for ; high != 0; high &= high - 1 {
			ix := bk.slot[8+bits.TrailingZeros64(high)/8&3].Load()
			sl := b.at(ix)
			if sl == nil {
				return e.find(s, h, key, val)
			}
			if meta, ok := e.load(sl, h, key, val); ok {
				return found[K, V]{b, ix, meta}, true
			}
		}
		if !overflowed {
			return f, false
		}
		if i++; i == uint64(len(b.buckets)) {
			i = 0
		}
	}
	return f, false
}

// load copies what the slot holds for key to val and reports whether it holds key.
func (e *engine[K, V]) load(sl *slot[K, V], h uint32, key *K, val *cell[V]) (meta uint64, ok bool) {
	for tries := 0; ; tries++ {
		head := sl.head.Load()
		if uint32(head) != h || head&stateMask == stateFree {
			return 0, false
		}
		if head&stateMask == stateBusy {
			pause(tries)
			continue
		}
		var k cell[K]
		loadCell(&k, &sl.key, &e.keyPlan)
		meta = sl.meta.Load() // before the value: see slot
		loadCell(val, &sl.val, &e.valPlan)
		if sl.head.Load() == head {
			return meta, k.v == *key
		}
	}
}
