// Package cache provides a cache in memory that never holds more than its bounds: a
// number of entries, a number of bytes, or both, at every instant and with any number of writers.
//
// An entry lives until its time is over, until somebody deletes or replaces it, or
// until a newcomer needs its room. Values are kept as they are, not copied: who changes what a value
// points to changes it for all. Use a plain map where the keys are few and known, and
// something on disk where losing an entry is losing data.
//
// # Bounds
//
// Room is reserved before an entry is published and given back after it is gone, so
// that Len() <= MaxEntries() and Bytes() <= MaxBytes() whenever one looks. Bytes
// counts what the heap holds because of the cache: keys and values with all they point
// to, the index, the slots used or not, and the allocator's rounding.
//
// # Expiry
//
// An expired entry is never returned, whether anybody sweeps or not. [Cache.Sweep] gives its memory back
// sooner. Deadlines are kept to a tenth of a millisecond on the monotonic clock; those of a minute and more may
// come a millisecond early, or ten where every processor is kept busy. Only where the process as a whole was
// stopped for more than a tenth of a second, as by a debugger, may a read return what has ended meanwhile,
// until timers fire again. A cache that is used in a testing/synctest bubble must have been made there, for its
// clock is that of the bubble.
//
// # Concurrency
//
// Reads take no lock and wait for nobody but, for some nanoseconds, a writer of the same entry. Who replaces a
// value takes no lock either; who inserts or removes takes that of one shard of many. The functions in
// [Config], loaders and the bodies of iterations run with no lock held.
//
// # What is traded away
//
// Eviction is by more than recency, and reads wait for nobody, so a write does more than in a plain LRU: where
// small values are mostly written, on one processor, the fastest of those is as fast or a little faster. An
// entry that is read for the first time since long ago is no safer than before. Values of several words are
// copied on each read. Histories of entries that are gone are dropped when the cache changes its size by much.
//
// # Cost
//
// An entry costs its key and value, in whole words, and some forty bytes beside them. A steady state allocates
// nothing, and the collector sees a few large objects, not one for each entry. Only a cache with times to live
// that nobody has used for a millisecond or more allocates a timer when it is used again, of some hundred
// bytes.
package cache

import (
	"iter"
	"sync/atomic"
	"time"
	"unsafe"
	"weak"
)

// A Cache holds at most MaxEntries entries and MaxBytes bytes, whichever is reached
// first. At a bound a newcomer takes the place of the entries that are least likely to
// be asked for again: expired ones first, then those that were hardly read. Nobody is
// told but [Config.OnRemove] and [Stats]; whoever needs a value must be able to make
// it again.
//
// All methods may be called from any goroutine at any time, from the functions in
// Config as well. A Cache needs no goroutine and no Close: drop it, and it is gone.
//
// Keys are compared as Go does. What does not equal itself, as NaN, can be set and never be found, not by
// [Cache.All] either: it counts until it expires or is evicted.
type Cache[K comparable, V any] struct {
	engine   *engine[K, V]
	ttl      time.Duration
	idle     time.Duration
	jitter   float64
	size     func(K, V) int64 // Config.Size; nil: what the next two say
	ofKey    sizer[K]
	ofValue  sizer[V]
	onRemove func(K, V, Reason)

	keyCodec   Codec[K]
	valueCodec Codec[V]

	loads      *loads[K, V]
	refused    atomic.Uint64
	maxEntries atomic.Int64
	maxBytes   atomic.Int64
	reads      stripes
}

// New returns an empty cache, or an error that names the field of config that is
// wrong, its value and what was wanted.
func New[K comparable, V any](config Config[K, V]) (*Cache[K, V], error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	loads, err := newLoads(&config)
	if err != nil {
		return nil, err
	}
	e := newEngine(&config)
	c := &Cache[K, V]{
		engine: e, ttl: config.TTL, idle: config.Idle, jitter: config.Jitter,
		size: config.Size, ofKey: sizerOf[K](), ofValue: sizerOf[V](), onRemove: config.OnRemove,
		loads: loads, keyCodec: config.KeyCodec, valueCodec: config.ValueCodec,
	}
	if c.keyCodec == nil {
		c.keyCodec = codecOf[K]()
	}
	if c.valueCodec == nil {
		c.valueCodec = codecOf[V]()
	}
	c.maxEntries.Store(int64(config.MaxEntries))
	c.maxBytes.Store(config.MaxBytes)
	loads.home = weak.Make(c)
	return c, nil
}

// Get returns the value for key and reports whether there was one. An expired entry
// counts as absent, swept or not. Get takes constant time, takes no lock and does
// not allocate, but for a timer as said under Cost.
func (c *Cache[K, V]) Get(key K) (V, bool) { return c.read(key, 0, true) }

// Peek is Get without a trace: it is not counted, does not keep the entry from
// eviction and does not put off an idle entry's end.
func (c *Cache[K, V]) Peek(key K) (V, bool) {
	var val cell[V]
	h := hashOf(&c.engine.hasher, &key)
	f, ok := c.engine.find(c.engine.shard(h), uint32(h), &key, &val)
	if !ok || c.engine.clock.passed(deadlineOf(f.meta)) {
		var none V
		return none, false
	}
	return val.v, true
}

// Set stores value for key, to live for [Config.TTL], and reports whether it did. It
// does not if the entry alone is larger than MaxBytes; then the value that the key had
// goes as well, so that nobody reads what its owner meant to replace.
//
// Set of a key that is there takes no lock, unless the value holds more bytes or less than the one before, or
// is to end sooner, or there is a [Config.Idle] or a [Config.OnRemove] to be told. Else it takes the lock of
// one shard, and evicts what it must before it stores. It does not allocate once the cache is full, but for
// what [SizeOf] needs for a value that is neither a string nor a slice nor without pointers, and what OnRemove
// is to be told.
func (c *Cache[K, V]) Set(key K, value V) bool {
	return c.set(key, value, c.ttl, 0)
}

// SetTTL is Set for a value that lives for ttl: zero is for ever, and a negative ttl
// is over already, so that nothing is stored and the value that the key had goes. A
// ttl is rounded down, to a tenth of a millisecond or as said under Expiry.
func (c *Cache[K, V]) SetTTL(key K, value V, ttl time.Duration) bool {
	return c.set(key, value, ttl, 0)
}

// store is set where more than a value changes.
func (c *Cache[K, V]) store(key K, value V, hash uint64, deadline instant, cost int64, mark mark) bool {
	var w write[K, V] // a literal would be made elsewhere and copied, which costs more than all the rest of this
	w.key, w.val, w.hash, w.cost, w.mark = key, value, hash, cost, mark
	c.date(&w, deadline)
	stored := c.engine.attempt(&w) || c.putSlow(&w)
	if w.removed != nil {
		c.deliver(w.removed)
	}
	return stored
}

// prepare fills in what follows from the key, the value and the time to live. It calls
// the size function.
func (c *Cache[K, V]) prepare(w *write[K, V], ttl time.Duration) {
	w.hash = hashOf(&c.engine.hasher, &w.key)
	if c.jitter > 0 {
		ttl = shorten(ttl, c.jitter)
	}
	c.date(w, c.engine.clock.after(ttl))
	if c.engine.costly {
		w.cost = c.costOf(&w.key, &w.val)
	}
}

// date gives w its deadlines.
func (c *Cache[K, V]) date(w *write[K, V], hard instant) {
	w.hard, w.deadline = hard, hard
	if c.idle > 0 {
		w.deadline = min(hard, c.engine.clock.after(c.idle))
	}
}

// costOf returns what an entry costs beside its slot. It calls the size function.
func (c *Cache[K, V]) costOf(key *K, value *V) int64 {
	if c.size != nil {
		return costFor(c.size(*key, *value))
	}
	return costFor(c.ofKey.outside(key) + c.ofValue.outside(value))
}

// put stores what w says, or takes out what it was to replace.
func (c *Cache[K, V]) put(w *write[K, V]) bool { return c.engine.attempt(w) || c.putSlow(w) }

// putSlow is put where the shard alone cannot make the room.
func (c *Cache[K, V]) putSlow(w *write[K, V]) bool {
	if c.engine.gather(w) {
		return true
	}
	c.refused.Add(1)
	if w.over == nil {
		c.engine.delete(w, Replaced, nil)
	} else if w.over.ok { // a load takes out no other value than the one it was to replace
		c.engine.delete(w, Replaced, &w.over.val)
	}
	if c.onRemove != nil {
		w.removed = append(w.removed, removal[K, V]{w.key, w.val, Refused})
	}
	return false
}

// Delete removes the entry of key and reports whether there was one.
func (c *Cache[K, V]) Delete(key K) bool {
	c.loads.supersede(key)
	w := write[K, V]{key: key, hash: hashOf(&c.engine.hasher, &key)}
	_, deleted := c.engine.delete(&w, Deleted, nil)
	c.deliver(w.removed)
	return deleted
}

// DeleteFunc removes the entries for which del returns true, and returns how many. An
// entry that gets another value between the call of del and its removal stays. del sees
// each entry that is there from beginning to end once, those included that have expired and that GetOrLoad may yet
// return (see [Config.StaleFor]), and is called with no lock held.
func (c *Cache[K, V]) DeleteFunc(del func(key K, value V) bool) (removed int) {
	c.loads.supersedeAll()
	c.engine.scan(func(key K, val *cell[V], f *found[K, V]) bool {
		if c.age(f) == gone || !del(key, val.v) {
			return true
		}
		w := write[K, V]{key: key, hash: hashOf(&c.engine.hasher, &key)}
		if there, _ := c.engine.delete(&w, Deleted, val); there {
			removed++
		}
		c.deliver(w.removed)
		return true
	})
	return removed
}

// Clear removes all entries at one instant. It takes time in proportion to the
// number of shards, or of entries if there is an [Config.OnRemove] to be told of each.
func (c *Cache[K, V]) Clear() {
	c.loads.supersedeAll()
	c.deliver(c.engine.clear())
}

// All iterates over the entries that have not expired, in no order. An entry that is
// there from beginning to end comes once; one that comes or goes meanwhile may be
// missed, and one that is deleted and set again may come twice. The body may do with
// the cache what it likes. All counts no hits.
func (c *Cache[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		c.engine.scan(func(key K, val *cell[V], f *found[K, V]) bool {
			return c.engine.clock.passed(deadlineOf(f.meta)) || yield(key, val.v)
		})
	}
}

// Keys iterates over the keys as [Cache.All] does over the entries.
func (c *Cache[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		for key := range c.All() {
			if !yield(key) {
				return
			}
		}
	}
}

// Len returns the number of entries, those included that have expired and were not
// swept yet. It is never more than MaxEntries.
func (c *Cache[K, V]) Len() int { return int(c.engine.entries.used.Load()) }

// Bytes returns what the cache takes of the heap: keys, values, and all that the
// cache itself is made of. It is never more than MaxBytes.
func (c *Cache[K, V]) Bytes() int64 { return c.engine.bytes.used.Load() }

// MaxEntries returns the bound on Len; zero is none.
func (c *Cache[K, V]) MaxEntries() int { return int(c.maxEntries.Load()) }

// MaxBytes returns the bound on Bytes; zero is none.
func (c *Cache[K, V]) MaxBytes() int64 { return c.maxBytes.Load() }

// Sweep removes all expired entries and returns how many. A cache that nobody sweeps returns no expired value
// either, but keeps its memory until a newcomer needs the room. What the values hold is given back at once, the
// room for them stays for newcomers: see [Cache.Shrink].
//
// Sweep takes time in proportion to what has expired, or to all entries after a group was invalidated, and lets
// writers have a shard after each hundred entries or so.
func (c *Cache[K, V]) Sweep() (removed int) {
	if c.loads.failures != nil {
		c.loads.failures.Sweep()
	}
	return c.engine.sweep(c.deliver)
}

// Resize changes both bounds, as they are given to [New], and evicts what is over
// them before it returns. Others may use the cache meanwhile; at no instant is
// there more in it than MaxEntries and MaxBytes say. If another Resize begins before this one
// has ended, its bounds count, and this one may return before they hold.
func (c *Cache[K, V]) Resize(maxEntries int, maxBytes int64) error {
	if err := validateBounds("Resize: ", maxEntries, maxBytes, c.engine.minimum); err != nil {
		return err
	}
	c.engine.resize(boundOf(int64(maxEntries)), boundOf(maxBytes), func() {
		c.maxEntries.Store(int64(maxEntries))
		c.maxBytes.Store(maxBytes)
	}, c.deliver)
	return nil
}

// Shrink evicts this fraction of the entries of each shard, rounded up, as eviction would choose them, gives
// their memory back, and returns how many went: for a process that is short of memory.
// The bounds stay, so that the cache may fill again. A fraction of zero or less, or NaN, does
// nothing; one or more leaves nothing.
func (c *Cache[K, V]) Shrink(fraction float64) (removed int) {
	if !(fraction > 0) {
		return 0
	}
	return c.engine.shrink(min(fraction, 1), c.deliver)
}

// deliver calls OnRemove for each, in order and with no lock held. If one call panics
// or ends the goroutine, the others are made all the same.
func (c *Cache[K, V]) deliver(removed []removal[K, V]) {
	next := 0
	defer func() {
		if next < len(removed) {
			c.insist(removed[next:])
		}
	}()
	for next < len(removed) {
		r := &removed[next]
		next++
		c.onRemove(r.key, r.val, r.reason)
	}
}

// insist is deliver after a panic, which goes on to the caller. Further ones end here: a stack has no room for
// as many panics as a cache has entries.
func (c *Cache[K, V]) insist(removed []removal[K, V]) {
	next := 0
	defer func() {
		if next < len(removed) { // a call has ended the goroutine
			c.insist(removed[next:])
		}
	}()
	for next < len(removed) {
		r := &removed[next]
		next++
		func() {
			defer func() { _ = recover() }()
			c.onRemove(r.key, r.val, r.reason)
		}()
	}
}

// costFor returns the cost of an entry that holds so many bytes outside its slot.
func costFor(bytes int64) int64 {
	if bytes > maxCost {
		return tooMuch
	}
	return (max(bytes, 0) + costUnit - 1) &^ (costUnit - 1)
}

// frontBytes is what a Cache costs beside its engine.
const semaphoreBytes = 112

func frontBytes[K comparable, V any]() int64 {
	return roundUp(int64(unsafe.Sizeof(Cache[K, V]{})), true) + roundUp(int64(unsafe.Sizeof(loads[K, V]{})), true) + semaphoreBytes
}
