package cache

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
// expired or not. It takes no lock and writes nothing. This is the hot path: what
// could be a function of its own is written out where the compiler does not inline it.
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
