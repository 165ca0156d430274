package ratelimit

import (
	"math/bits"
	"math/rand/v2"
	"sync"
	"unsafe"
)

// A shard is a table and its lock.
type shard struct {
	mu sync.Mutex // guards the table; of two shards none is held by who takes the other
	table
	_ [shardSize - unsafe.Sizeof(sync.Mutex{}) - unsafe.Sizeof(table{})]byte
}

// shardSize is what a shard takes, so that each begins with a line of the processor's cache, or eight bytes
// after, for the allocator may have a header before the first.
const shardSize = 384

const (
	mostShards = 64

	// shardAddresses is how many addresses a tracker has at the least for each of its shards.
	shardAddresses = 16

	// Networks wider than these may have more than a few of all sources in them. As one network is one shard's, there
	// is then one for all.
	widest4, widest6 = 16, 32
)

// shardsFor returns how many shards there are to be: a power of two.
func shardsFor(c Config) int {
	for _, p := range c.Prefixes {
		if p.Failures > 0 && (p.IPv4 && p.Bits < widest4 || !p.IPv4 && p.Bits < widest6) {
			return 1
		}
	}
	return min(mostShards, 1<<(bits.Len(uint(max(1, c.MaxAddresses/shardAddresses)))-1))
}

// shardOf returns the shard that has a source, which is that of the widest of its networks that is limited.
func (t *Tracker) shardOf(s source) *shard { return t.shard(t.shared.network(s)) }

// shard returns the one for a hash of a network: by bits of it that choose no cell of its tier.
func (t *Tracker) shard(network uint64) *shard { return &t.shards[t.shardNumber(network)] }

func (t *Tracker) shardNumber(network uint64) int {
	return int(network >> 58 & uint64(len(t.shards)-1))
}

// network returns the hash of the widest network of a source that is limited.
func (s *shared) network(of source) uint64 { return s.widest[of.family()].hash(of) }

// lock locks the shard that has a source.
func (t *Tracker) lock(s source) (hash uint64, sh *shard) {
	hash, sh = t.shared.hash(s), t.shardOf(s)
	sh.mu.Lock()
	return hash, sh
}

// inRoom calls f, which reports whether there was room for a source, until there is. The shard must be locked, and
// is not between two calls.
func (t *Tracker) inRoom(sh *shard, s source, f func() bool) {
	for !f() {
		t.makeRoom(sh, s.family(), t.now())
	}
}

// makeRoom makes room in the pool for a source of a family where the shard, which must be locked, has none
// itself, or only at the cost of one that is suspicious: it evicts the least suspicious of all. The shard is
// unlocked meanwhile.
func (t *Tracker) makeRoom(sh *shard, f family, now int64) {
	f = sh.victims(f)
	least, from := int(^uint(0)>>1), sh
	if _, level, ok := sh.victim(f, now); ok {
		least = level
	}
	sh.mu.Unlock()
	for n, first := 0, rand.IntN(len(t.shards)); n < len(t.shards) && least > sh.most; n++ {
		at := &t.shards[(first+n)%len(t.shards)]
		at.mu.Lock()
		if _, level, ok := at.victim(f, now); ok && level < least {
			least, from = level, at
		}
		at.mu.Unlock()
	}
	from.mu.Lock()
	if i, ok := from.evict(f, least, now); ok {
		t.shared.pool.put(i)
	}
	from.mu.Unlock()
	sh.mu.Lock()
}

// sweepChunk cells of an index take 30 µs at a million entries that all go (EPYC, Go 1.26; BenchmarkSweep), and
// a few at a thousand: the longest that an attempt waits for a sweep. Where networks are so wide that a table
// has more entries than cells, it is as many entries.
const sweepChunk = 64

// chunk returns how many cells of the index are looked at with the table locked.
func (t *table) chunk() int { return max(1, sweepChunk*len(t.index)/max(len(t.index), int(t.has))) }

// inChunks calls f for all entries, some at a time, with their shard locked: those in the cells of the index
// from one number to another.
func (t *Tracker) inChunks(f func(sh *shard, from, to int)) {
	for i := range t.shards {
		sh := &t.shards[i]
		for from := 0; from < len(sh.index); {
			sh.mu.Lock()
			to := from + sh.chunk()
			f(sh, from, to)
			sh.mu.Unlock()
			from = to
		}
	}
}
