package peer

import (
	"github.com/cespare/xxhash/v2"
	"github.com/elastic/go-freelru"
)

type freelruCache[K Key, V any] struct{ c *freelru.ShardedLRU[K, V] }

func newFreelru[K Key, V any](l Limits[K, V]) (Store[K, V], error) {
	c, err := freelru.NewSharded[K, V](uint32(l.Entries), hash32[K]())
	if err != nil {
		return nil, err
	}
	c.SetLifetime(l.TTL)
	return freelruCache[K, V]{c}, nil
}

// hash32 returns a hash function for K: the user has to bring one.
func hash32[K Key]() func(K) uint32 {
	var hash any = func(key uint64) uint32 {
		key *= 0x9e3779b97f4a7c15
		return uint32((key ^ key>>29) >> 16)
	}
	if h, ok := hash.(func(K) uint32); ok {
		return h
	}
	hash = func(key string) uint32 { return uint32(xxhash.Sum64String(key)) }
	return hash.(func(K) uint32)
}

func (f freelruCache[K, V]) Get(key K) (V, bool) { return f.c.Get(key) }
func (f freelruCache[K, V]) Set(key K, value V)  { f.c.Add(key, value) }
func (f freelruCache[K, V]) Len() int            { return f.c.Len() }
func (f freelruCache[K, V]) Settle()             {}
func (f freelruCache[K, V]) Close()              {}
