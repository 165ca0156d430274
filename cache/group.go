package cache

import (
	"context"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"
)

// A Group is a view of a cache, whose entries can be dropped together: what is set through it belongs to the
// group, until something else is set for the key. The keys are those of the cache: what is set through a Group
// is read through the cache, or any other Group, as well.
//
// A Group is a name and nothing else: it takes no memory, and there may be any number of them.
type Group[K comparable, V any] struct {
	cache *Cache[K, V]
	id    uint32
}

// Group returns the group of that name. It panics unless [Config.Groups] is set.
func (c *Cache[K, V]) Group(name string) Group[K, V] {
	if !c.engine.grouped {
		panic("cache: Group needs Config.Groups, which is false")
	}
	return Group[K, V]{c, groupID(name)}
}

// Get is [Cache.Get].
func (g Group[K, V]) Get(key K) (V, bool) { return g.cache.Get(key) }

// Set is [Cache.Set] for an entry of the group.
func (g Group[K, V]) Set(key K, value V) bool {
	return g.cache.set(key, value, g.cache.ttl, g.now())
}

// SetTTL is [Cache.SetTTL] for an entry of the group.
func (g Group[K, V]) SetTTL(key K, value V, ttl time.Duration) bool {
	return g.cache.set(key, value, ttl, g.now())
}

// GetOrLoad is [Cache.GetOrLoad], and what it loads is of the group. An Invalidate during a load wins over
// its result.
func (g Group[K, V]) GetOrLoad(ctx context.Context, key K, load func(context.Context, K) (V, error)) (V, error) {
	if v, ok := g.cache.young(key); ok {
		return v, nil
	}
	return g.cache.getOrLoad(ctx, key, loader[K, V]{plain: load, mark: g.now()})
}

// GetOrLoadTTL is [Cache.GetOrLoadTTL], and what it loads is of the group.
func (g Group[K, V]) GetOrLoadTTL(ctx context.Context, key K, load func(context.Context, K) (V, time.Duration, error)) (V, error) {
	if v, ok := g.cache.young(key); ok {
		return v, nil
	}
	return g.cache.getOrLoad(ctx, key, loader[K, V]{timed: load, mark: g.now()})
}

// Invalidate drops all entries of the group at one instant, however many there are, in constant time: from then
// on nobody gets what was set or began to be loaded before. They count in Len and Bytes, as expired ones do,
// until Sweep or a newcomer that needs room removes them, and then as Expired.
//
// An entry of another group may be dropped as well, never the other way round: hardly any while no more than
// some hundred groups have been invalidated, one of twenty after a thousand.
func (g Group[K, V]) Invalidate() {
	g.cache.engine.groups.invalidate(g.id)
	g.cache.loads.supersedeGroup(g.id)
}

// InvalidateGroup is c.Group(name).Invalidate().
func (c *Cache[K, V]) InvalidateGroup(name string) { c.Group(name).Invalidate() }

// now returns the mark of an entry that is set now.
func (g Group[K, V]) now() mark { return g.cache.engine.groups.mark(g.id) }

// groupID returns a number that is the same in every process, for snapshots. It is not zero.
func groupID(name string) uint32 {
	h := fnv.New64a()
	h.Write([]byte(name))
	sum := h.Sum64()
	return max(uint32(sum^sum>>groupBits)&(1<<groupBits-1), 1)
}

// A mark is what an entry knows of its group: its number, and how many invalidations there had been, of any
// group, when it was set or began to be loaded. There will be no more than 2^40 of them. Zero: it is of no
// group.
type mark uint64 // group 24 | invalidations 40

const groupBits = 24

func markOf(group uint32, n uint64) mark { return mark(uint64(group)<<(64-groupBits) | n) }
func (m mark) group() uint32             { return uint32(m >> (64 - groupBits)) }
func (m mark) count() uint64             { return uint64(m) & (1<<(64-groupBits) - 1) }

// groups knows which groups were invalidated, and when: by the count of invalidations. An entry is dead if the
// last invalidation of its group came after its mark was made. There are 256 lines of seven records each; a
// group has its place in one of them. A line that is full gives up its earliest record, and remembers its count
// as the floor of the line: an entry whose group has no record there is dead if its mark is older than the
// floor. So what was invalidated is never forgotten, and at the worst more than that is.
type groups struct {
	invalidations atomic.Uint64
	mu            sync.Mutex // held to invalidate
	lines         [groupLines]groupLine
}

const groupLines = 256

type groupLine struct {
	records [7]atomic.Uint64 // a mark of each group: its last invalidation; zero: none
	floor   atomic.Uint64
}

func (g *groups) mark(group uint32) mark { return markOf(group, g.invalidations.Load()) }

// remark returns a mark of the same group, made now, for this cache.
func (e *engine[K, V]) remark(m mark) mark {
	if m == 0 {
		return 0
	}
	return e.groups.mark(m.group())
}

// dead reports whether the entry with that mark was invalidated. It takes no lock: the floor is raised before a
// record is given up, and looked at after no record was found.
func (g *groups) dead(m mark) bool {
	if m == 0 {
		return false
	}
	line := &g.lines[m.group()%groupLines]
	for i := range line.records {
		if r := mark(line.records[i].Load()); r.group() == m.group() {
			return m.count() < r.count()
		}
	}
	return m.count() < line.floor.Load()
}

// invalidate records that all marks of the group that were made so far are dead.
func (g *groups) invalidate(group uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	line := &g.lines[group%groupLines]
	at, earliest := 0, ^uint64(0)
	for i := range line.records {
		r := mark(line.records[i].Load())
		if r.group() == group {
			at, earliest = i, 0
			break
		}
		if r.count() < earliest {
			at, earliest = i, r.count()
		}
	}
	line.floor.Store(max(line.floor.Load(), earliest))
	n := g.invalidations.Load() + 1
	line.records[at].Store(uint64(markOf(group, n)))
	g.invalidations.Store(n) // after the record, so that no mark has this count before
}
