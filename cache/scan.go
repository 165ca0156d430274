package cache

// scan calls yield for the entries, expired or not, until it returns false. The cell
// holds the words as they stand in the slot, those between the fields of a value included:
// see identical. It is used again for the next entry.
//
// It walks the slots of each shard as they are when it comes to the shard, and asks
// the index for each key that it finds in one. So an entry that a compaction has
// moved meanwhile is found all the same, and not twice.
func (e *engine[K, V]) scan(yield func(key K, val *cell[V], f *found[K, V]) bool) {
	r := e.root.Load()
	var val cell[V]
	var f found[K, V]
	for i := range r.shards {
		s := &r.shards[i]
		b := s.slab.Load()
		if b == nil {
			continue
		}
		for j := range b.slots {
			key, h, ok := e.keyAt(&b.slots[j])
			if !ok {
				continue
			}
			if f, ok = e.find(s, h, &key, &val); !ok {
				continue
			}
			if e.root.Load() != r {
				return // cleared: nothing has been there all the time
			}
			if !yield(key, &val, &f) {
				return
			}
		}
	}
}

// keyAt returns the key in a slot and the low half of its hash, if there is one.
func (e *engine[K, V]) keyAt(sl *slot[K, V]) (key K, h uint32, ok bool) {
	for {
		head := sl.head.Load()
		if head&stateMask == stateFree {
			return key, 0, false
		}
		var k cell[K]
		loadCell(&k, &sl.key, &e.keyPlan)
		if sl.head.Load() == head {
			return k.v, uint32(head), true
		}
	}
}
