package trace

import (
	"container/heap"
	"container/list"
)

// A Score is how often, and for how many bytes, a policy had what was asked for.
type Score struct {
	Hits, Accesses int
	HitBytes       int64
	Bytes          int64
}

// Ratio returns the hits as a fraction of the accesses.
func (s Score) Ratio() float64 { return float64(s.Hits) / float64(s.Accesses) }

// ByteRatio returns the bytes hit as a fraction of the bytes asked for.
func (s Score) ByteRatio() float64 { return float64(s.HitBytes) / float64(s.Bytes) }

// Count adds one access to s. Without sizes each has one byte.
func (s *Score) Count(size int64, hit bool) {
	s.Accesses++
	s.Bytes += size
	if hit {
		s.Hits++
		s.HitBytes += size
	}
}

// LRU replays t against a cache that evicts what was not asked for longest. The
// capacity is in entries, or in bytes if t has sizes and byBytes is true.
func (t Trace) LRU(capacity int64, byBytes bool) (s Score) {
	type entry struct {
		key  uint32
		size int64
	}
	var used int64
	order := list.New() // coldest last
	entries := make([]*list.Element, t.Distinct)
	for i, key := range t.Keys {
		size := int64(1)
		if byBytes {
			size = int64(t.Sizes[i])
		}
		e := entries[key]
		s.Count(size, e != nil)
		if e != nil {
			order.MoveToFront(e)
			continue
		}
		if size > capacity {
			continue
		}
		for used+size > capacity {
			victim := order.Remove(order.Back()).(entry)
			entries[victim.key] = nil
			used -= victim.size
		}
		entries[key] = order.PushFront(entry{key, size})
		used += size
	}
	return s
}

// Belady replays t against a cache that knows the future: it evicts the key that is
// asked for last of all, and does not take in one that comes later still. Nothing
// that holds so many entries can hit more often.
func (t Trace) Belady(capacity int) (s Score) {
	next := t.nextUses()
	held := make([]bool, t.Distinct)
	used := 0
	var farthest uses // of what is held; also uses that are past, which never come to the top
	for i, key := range t.Keys {
		s.Count(1, held[key])
		heap.Push(&farthest, use{next[i], key})
		if held[key] {
			continue
		}
		held[key] = true
		used++
		if used > capacity {
			held[heap.Pop(&farthest).(use).key] = false
			used--
		}
	}
	return s
}

// nextUses returns for each access when its key is asked for again.
func (t Trace) nextUses() []int {
	next := make([]int, len(t.Keys))
	seen := make([]int, t.Distinct)
	for i := range seen {
		seen[i] = len(t.Keys) + i // never: each key at a time of its own
	}
	for i := len(t.Keys) - 1; i >= 0; i-- {
		next[i] = seen[t.Keys[i]]
		seen[t.Keys[i]] = i
	}
	return next
}

// A use says when a key is asked for next.
type use struct {
	at  int
	key uint32
}

// uses is a heap with the latest use on top.
type uses []use

func (u uses) Len() int           { return len(u) }
func (u uses) Less(i, j int) bool { return u[i].at > u[j].at }
func (u uses) Swap(i, j int)      { u[i], u[j] = u[j], u[i] }
func (u *uses) Push(x any)        { *u = append(*u, x.(use)) }
func (u *uses) Pop() any {
	last := (*u)[len(*u)-1]
	*u = (*u)[:len(*u)-1]
	return last
}
