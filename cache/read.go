package cache

import "unsafe"

// read is the hot path of reading, of Get and of young. It is find and passed written out for what is common:
// the entry is the first that its home bucket names under its tag, nobody is writing to it, and the coarse
// clock knows that it has not expired; or that bucket has no such tag and counts no entry that passed. A call
// of find, for all that goes in and out of it, would cost a fifth more.
func (c *Cache[K, V]) read(key K, ahead instant, count bool) (V, bool) {
	var val cell[V]
	e := c.engine
	var hash uint64
	if e.hasher.kind == hash64 { // hashOf, which the compiler does not inline
		hash = e.hasher.mix(*(*uint64)(unsafe.Pointer(&key)))
	} else {
		hash = hashSlow(&e.hasher, &key)
	}
	h := uint32(hash)
	if b := e.shard(hash).slab.Load(); b != nil && e.plain {
		bk := &b.buckets[homeOf(h, len(b.buckets))]
		marks, counts := bk.matches(tagOf(h))
		if marks != 0 {
			if sl := b.slot(bk.slot[cellOf(marks)].Load()); sl != nil { // the protocol of slot
				var k cell[K]
				head := sl.head.Load()
				loadCell(&k, &sl.key, &e.keyPlan)
				meta := sl.meta.Load()
				loadCell(&val, &sl.val, &e.valPlan)
				if head&(stateMask|hashMask) == stateLive|uint64(h) && sl.head.Load() == head &&
					k.v == key && e.clock.far(deadlineOf(meta)-ahead) {
					sl.hit(meta)
					c.reads.mine().hits.Add(1)
					return val.v, true
				}
			}
		} else if counts>>passedShift(h)&mostPassed == 0 {
			if count {
				c.reads.mine().misses.Add(1)
			}
			return val.v, false
		}
	}
	return c.readSlow(key, hash, ahead, count)
}

// readSlow is read for what is not.
func (c *Cache[K, V]) readSlow(key K, hash uint64, ahead instant, count bool) (V, bool) {
	var val cell[V]
	e := c.engine
	f, ok := e.find(e.shard(hash), uint32(hash), &key, &val)
	if !ok || e.clock.passed(deadlineOf(f.meta)-ahead) {
		if count {
			c.reads.mine().misses.Add(1)
		}
		var none V
		return none, false
	}
	if e.idle != 0 {
		e.touch(&f)
	} else {
		f.slot().hit(f.meta)
	}
	c.reads.mine().hits.Add(1)
	return val.v, true
}

// A found entry is where a walk through the index ended. It has four words, so that it is
// returned in registers: the compiler would copy five through memory.
type found[K comparable, V any] struct {
	slab *slab[K, V]
	at   uint32 // the number of the slot
	head uint64 // of the slot, when its value was read
	meta uint64 // likewise
}

func (f *found[K, V]) slot() *slot[K, V] { return &f.slab.slots[f.at] }

// find copies the value of key to val and reports whether there is an entry,
// expired or not. It takes no lock and writes nothing.
func (e *engine[K, V]) find(s *shard[K, V], h uint32, key *K, val *cell[V]) (f found[K, V], ok bool) {
	b := s.slab.Load()
	if b == nil {
		return f, false
	}
	tag, live := tagOf(h), stateLive|uint64(h)
	passed := passedShift(h)
	for w := wayOf(h, len(b.buckets)); ; {
		bk := &b.buckets[w.at]
		marks, high := bk.matches(tag)
		for ; marks != 0; marks &= marks - 1 {
			at := bk.slot[cellOf(marks)].Load()
			sl := b.slot(at)
			if sl == nil {
				return e.find(s, h, key, val)
			}
			for tries := 0; ; tries++ { // the protocol of slot
				head := sl.head.Load()
				if head&(stateMask|hashMask) != live {
					if uint32(head) != h || head&stateMask == stateFree {
						break
					}
					if head&stateMask == stateBusy && e.valPlan.words > 1 {
						pause(tries)
						continue
					}
				}
				var k cell[K]
				if e.keyPlan.shape == shapeScalar {
					*k.word() = sl.key.loadWord()
				} else {
					loadCell(&k, &sl.key, &e.keyPlan)
				}
				meta := sl.meta.Load() // before the value, as the mark is
				if e.grouped && e.groups.dead(mark(b.marks[at].Load())) {
					meta &= 1<<deadlineShift - 1 // it has expired long since
				}
				if e.valPlan.shape == shapeScalar {
					*val.word() = sl.val.loadWord()
				} else {
					loadCell(val, &sl.val, &e.valPlan)
				}
				if sl.head.Load() != head {
					continue
				}
				if k.v != *key {
					break
				}
				return found[K, V]{b, at, head, meta}, true
			}
		}
		if high>>passed&mostPassed == 0 || !w.next(len(b.buckets)) {
			return f, false
		}
	}
}
