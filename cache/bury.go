package cache

// burial is how far a shard is with removing what was invalidated.
type burial struct {
	done   uint64 // nothing that was invalidated up to this count is left
	aim    uint64 // what done will be when the pass under way has seen all slots
	cursor uint32 // the next slot of that pass
}

const (
	buryLooks   = 4096 // at most, before an eviction
	buryRemoves = 64   // at most, while a lock is held
)

// bury removes entries whose group was invalidated, as expired, and returns how many. It looks at no more than
// so many slots, and at none if nothing was invalidated since it saw them all.
func (e *engine[K, V]) bury(s *shard[K, V], w *write[K, V], looks int) (removed int) {
	if s.burial.cursor == 0 {
		if s.burial.aim = e.groups.invalidations.Load(); s.burial.aim == s.burial.done {
			return 0
		}
	}
	b := s.slab.Load()
	i, end := s.burial.cursor, min(s.made, s.burial.cursor+uint32(looks))
	for ; i < end && removed < buryRemoves; i++ {
		sl := &b.slots[i]
		head := sl.head.Load()
		if head&stateMask == stateLive && e.groups.dead(mark(b.marks[i].Load())) && sl.leaveAs(head, stateFree) {
			s.policy.remove(i)
			e.remove(s, i, Expired, w)
			removed++
		}
	}
	if s.burial.cursor = i; i >= s.made {
		s.burial.cursor, s.burial.done = 0, s.burial.aim
	}
	return removed
}
