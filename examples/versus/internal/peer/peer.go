// Package peer puts the caches that are compared behind one small interface.
//
// Every cache pays the same for it: one call through a method table, on an adapter
// whose methods do nothing but call the cache. Keys and values are type parameters,
// so that none is boxed. A cache is set up as its own documentation does it, with a
// time to live and statistics as they come.
package peer

import "time"

// A Key is what all of the caches can have as a key.
type Key interface{ uint64 | string }

// Store is what is asked of a cache. All methods but Settle and Close may be called from
// several goroutines.
type Store[K Key, V any] interface {
	Get(key K) (V, bool)
	Set(key K, value V)
	// Len returns the number of entries that the cache holds, those included that its
	// policy has not heard of or means to drop.
	Len() int
	// Settle returns when the cache has done the maintenance that it puts off, if it does and
	// has a way to wait for it.
	Settle()
	// Close stops what the cache has running, as far as it can be stopped.
	Close()
}

// A Resizer can change its number of entries while it is in use.
type Resizer interface{ Resize(entries int) }

// A Sweeper can be told to drop what has expired.
type Sweeper interface{ Expire() }

// An OffHeap says how many bytes it has taken from the system beside the heap.
type OffHeap interface{ OffHeap() int64 }

// A Weigher says how many bytes it holds, as it reckons them.
type Weigher interface{ Bytes() int64 }

// Limits says what a cache may hold: Entries or Bytes, whichever is not zero.
type Limits[K Key, V any] struct {
	Entries int
	Bytes   int64
	TTL     time.Duration
	Weigh   func(K, V) int64 // bytes of an entry, for those that do not measure them
	Measure bool             // ask Weigh also those that measure by themselves
}

// A Peer is a cache that can be compared.
type Peer[K Key, V any] struct {
	Name  string
	Path  string // of its module
	Modes Modes
	New   func(Limits[K, V]) (Store[K, V], error)
}

// Modes says by what a cache can be bounded, and whether it puts off a part of its work.
type Modes uint8

const (
	ByEntries Modes = 1 << iota
	ByBytes
	Defers   // Settle waits for something
	ReadOnly // once it is filled; not a cache to compare with
)

// Ours is the name of the cache that the others are compared with.
const Ours = "bounded"

// All returns the caches for any kind of key and value, ours first.
func All[K Key, V any]() []Peer[K, V] {
	return []Peer[K, V]{
		{Ours, "github.com/ministryfinder/bounded", ByEntries | ByBytes, newBounded[K, V]},
		{"otter", "github.com/maypok86/otter/v2", ByEntries | ByBytes | Defers, newOtter[K, V]},
		{"theine", "github.com/Yiling-J/theine-go", ByEntries | ByBytes | Defers, newTheine[K, V]},
		{"ristretto", "github.com/dgraph-io/ristretto/v2", ByEntries | ByBytes | Defers, newRistretto[K, V]},
		{"phuslu", "github.com/phuslu/lru", ByEntries, newPhuslu[K, V]},
		{"freelru", "github.com/elastic/go-freelru", ByEntries, newFreelru[K, V]},
		{"hashicorp", "github.com/hashicorp/golang-lru/v2", ByEntries, newHashicorp[K, V]},
		{"ttlcache", "github.com/jellydator/ttlcache/v3", ByEntries | ByBytes, newTTLCache[K, V]},
		{"hot", "github.com/samber/hot", ByEntries, newHot[K, V]},
	}
}

// Strings returns the caches for strings, among them those that take nothing else.
func Strings() []Peer[string, string] {
	return append(All[string, string](),
		Peer[string, string]{"sturdyc", "github.com/viccon/sturdyc", ByEntries, newSturdyc[string]},
		Peer[string, string]{"freecache", "github.com/coocood/freecache", ByBytes, newFreecache},
		Peer[string, string]{"bigcache", "github.com/allegro/bigcache/v3", ByBytes, newBigcache},
		Peer[string, string]{"fastcache", "github.com/VictoriaMetrics/fastcache", ByBytes, newFastcache},
	)
}

// Numbers returns the caches for numbers. With those that take strings alone among
// them, whose keys are converted: that says how often they hit, but not how fast they are.
func Numbers[V any]() []Peer[uint64, V] {
	return append(All[uint64, V](),
		Peer[uint64, V]{"sturdyc", "github.com/viccon/sturdyc", ByEntries, newNumbered[V]})
}
