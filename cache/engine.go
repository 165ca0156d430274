package cache

import (
	"math"
	"math/bits"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// An engine stores entries within two bounds. It knows deadlines but no TTLs, and
// costs but no sizes. It calls no code of the user's: what OnRemove is to hear of
// is collected in a write, and delivered by the front when no lock is held.
//
// Locks, in the order in which one goroutine may hold them: collecting, then one shard's; Clear
// alone holds all shards, in the order of the array. Who holds resizing takes no other.
type engine[K comparable, V any] struct {
	root     atomic.Pointer[root[K, V]]
	clock    clock
	hasher   hasher
	keyPlan  wordPlan
	valPlan  wordPlan
	mask     uint64  // number of shards - 1; a power of two - 1
	notify   bool    // somebody wants to know what is removed
	pointers bool    // slots hold pointers
	costly   bool    // entries may hold bytes outside their slot
	weight   uint32  // of a slot with nothing outside it, in units of costUnit; zero: bytes are not bounded
	idle     instant // how long an entry lives without being read; zero: that does not matter
	keep     instant // how long after its deadline an entry is kept, for those who take it all the same

	base    int64 // bytes of a cache without slots
	minimum int64 // bytes of a cache with one slot: it has room for an entry of cost zero

	plain   bool    // neither grouped nor idle
	quiet   bool    // plain, and nobody wants to know
	grouped bool    // entries may belong to groups
	groups  *groups // nil unless grouped

	entries ledger
	bytes   ledger

	resizing sync.Mutex    // guards all changes of the ledgers' bounds, and these:
	resizes  atomic.Uint64 // how often a Resize began
	agreed   [2]int64      // the bounds that MaxEntries and MaxBytes tell

	collecting sync.Mutex // held by the one writer that takes room from shards not its own
}

// A root is all shards. Clear puts another in its place, and so empties them all at once.
type root[K comparable, V any] struct {
	shards []shard[K, V]
}

// A shard is the part of a cache whose keys share some bits of their hash. Writers
// to one shard take turns; readers take no lock at all (see slot and bucket for why
// that is right). The bounds are not divided among the shards: see ledger.
type shard[K comparable, V any] struct {
	slab atomic.Pointer[slab[K, V]] // replaced under mu, read without; nil: no slots

	// mu guards all below, and every change of a slot and of the index but the replacement
	// of a value.
	//
	// Processors hand over whole lines of memory, so what follows is sorted by who writes it: the first three
	// lines are written when the slab is replaced, the next two, from the hand of the ghosts to the second
	// count, by whoever inserts, the others seldom.

	expiry expiryTree
	fixed  int64  // bytes of the slab and the columns
	next   int    // how many slots the next larger slab has; zero: not decided yet
	price  int64  // what that costs more than fixed
	made   uint32 // slots that were ever used; those beyond are free
	_      [28]byte
	policy policy

	mu      sync.Mutex
	dead    bool   // Clear has put another in the place of this shard
	free    uint32 // the first of the freed slots, + 1; each knows the next
	held    int64  // the sum of what the slab calls costs, in bytes
	removed removals

	ages   ages
	burial burial
	_      [8]byte
}

// removals are how many entries went, by reason. Each was set once: so the sum of all and the
// entries that are there is the number of sets.
type removals [reasons]uint64

// costUnit is the grain in which the bytes outside a slot are noted: the distance
// of the allocator's smaller size classes.
const costUnit = 16

// maxCost is the most that one entry may hold outside its slot.
const maxCost = costUnit * math.MaxUint32

// tooMuch is the cost of an entry that holds more than that. No ledger has so much.
const tooMuch = 1 << 62

func newEngine[K comparable, V any](c *Config[K, V]) *engine[K, V] {
	e := &engine[K, V]{
		clock:   newClock(),
		hasher:  newHasher(reflect.TypeFor[K]()),
		keyPlan: wordsOf(reflect.TypeFor[K]()),
		valPlan: wordsOf(reflect.TypeFor[V]()),
		notify:  c.OnRemove != nil,
		keep:    max(int64(c.StaleFor), int64(c.StaleIfError)) >> instantShift,
	}
	if c.Idle > 0 {
		e.idle = max(1, int64(c.Idle)>>instantShift)
	}
	e.pointers = e.keyPlan.hasPointers() || e.valPlan.hasPointers()
	e.costly = c.Size != nil || e.pointers
	n := shardsFor(c.MaxEntries, c.MaxBytes)
	e.mask = uint64(n - 1)
	if c.MaxBytes > 0 {
		e.weight = uint32(unsafe.Sizeof(slot[K, V]{})+slotOverhead) / costUnit
	}
	e.root.Store(e.newRoot())
	e.base = roundUp(int64(unsafe.Sizeof(*e)), true) + roundUp(int64(n)*int64(unsafe.Sizeof(shard[K, V]{})), true) +
		clockBytes + frontBytes[K, V]() + c.failureBound()
	if c.Groups {
		e.grouped, e.groups = true, new(groups)
		e.base += roundUp(int64(unsafe.Sizeof(groups{})), false)
	}
	e.plain = !e.grouped && e.idle == 0
	e.quiet = e.plain && !e.notify
	e.minimum = e.base + e.slabBytes(1)
	e.agreed = [2]int64{boundOf(int64(c.MaxEntries)), boundOf(c.MaxBytes)}
	e.entries.bound.Store(e.agreed[0])
	e.bytes.bound.Store(e.agreed[1])
	e.bytes.used.Store(e.base)
	return e
}

// newRoot returns a root of empty shards.
func (e *engine[K, V]) newRoot() *root[K, V] {
	r := &root[K, V]{shards: make([]shard[K, V], e.mask+1)}
	for i := range r.shards {
		s := &r.shards[i]
		s.policy.base = e.weight
		s.policy.reset()
		s.ages.turn(0, e.clock.precise())
	}
	return r
}

// unbounded is the bound that a ledger keeps for none: less than tooMuch, and far enough from the end of the integers
// that no sum overflows.
const unbounded = 1 << 61

// boundOf returns the bound that a ledger keeps for a configured one: zero is none.
func boundOf(configured int64) int64 {
	if configured == 0 {
		return unbounded
	}
	return min(configured, unbounded)
}

const (
	// mostShards are enough for any number of processors.
	mostShards = 1024

	// A shard that grows is copied with its lock held, which takes some two milliseconds for so many entries:
	// of a bound on entries none has more, unless there are mostShards. To have many shards costs time at each
	// insertion: with a million entries, 128 and not 32 are a quarter slower.
	shardEntries = 1 << 16

	// Fewer bytes than these are one shard's, and more than twice as many are several's.
	shardBytes = 1 << 22
)

// shardsFor returns how many shards serve these bounds best: enough that writers seldom meet, and that none
// takes long to grow, and so few that each has a thousand entries to choose a victim from, or where many write,
// a few hundred.
func shardsFor(maxEntries int, maxBytes int64) int {
	procs := runtime.GOMAXPROCS(0)
	n := int64(16 * procs)
	if maxEntries > 0 {
		each := max(256, min(1024, 4096/procs))
		n = max(min(n, int64(maxEntries/each)), 2*int64(maxEntries)/shardEntries)
	} else {
		n = max(n, maxBytes/(2*shardBytes))
	}
	if maxBytes > 0 {
		n = min(n, maxBytes/shardBytes)
	}
	return 1 << (bits.Len(uint(max(1, min(n, mostShards)))) - 1)
}

// shard returns the shard of hash: the high half of a hash chooses the shard, the
// low half the place in it.
func (e *engine[K, V]) shard(hash uint64) *shard[K, V] {
	return &e.root.Load().shards[hash>>32&e.mask]
}

// lock returns the shard of hash, locked.
func (e *engine[K, V]) lock(hash uint64) *shard[K, V] {
	s := e.shard(hash)
	if !s.mu.TryLock() {
		s.wait()
	}
	if s.dead {
		s.mu.Unlock()
		return e.lock(hash)
	}
	return s
}

// wait locks s.mu. Its holder needs some fifty nanoseconds, less than a sync.Mutex
// spins at the least, so this looks again sooner before it queues.
func (s *shard[K, V]) wait() {
	for range 8 {
		for range 32 {
		}
		if s.mu.TryLock() {
			return
		}
	}
	s.mu.Lock()
}

func (s *shard[K, V]) costOf(i uint32) int64 {
	if b := s.slab.Load(); b.cost != nil {
		return int64(b.cost[i]) * costUnit
	}
	return 0
}

// setCost is for an engine that is costly.
func (s *shard[K, V]) setCost(i uint32, c int64) {
	cost := s.slab.Load().cost
	s.held += c - int64(cost[i])*costUnit
	cost[i] = uint32(c / costUnit)
}
