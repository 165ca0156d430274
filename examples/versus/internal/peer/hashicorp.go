package peer

import "github.com/hashicorp/golang-lru/v2/expirable"

type hashicorpCache[K Key, V any] struct{ c *expirable.LRU[K, V] }

func newHashicorp[K Key, V any](l Limits[K, V]) (Store[K, V], error) {
	return hashicorpCache[K, V]{expirable.NewLRU[K, V](l.Entries, nil, l.TTL)}, nil
}

func (h hashicorpCache[K, V]) Get(key K) (V, bool) { return h.c.Get(key) }
func (h hashicorpCache[K, V]) Set(key K, value V)  { h.c.Add(key, value) }
func (h hashicorpCache[K, V]) Len() int            { return h.c.Len() }
func (h hashicorpCache[K, V]) Settle()             {}

// Close empties the cache. Its goroutine cannot be stopped and keeps the empty map.
func (h hashicorpCache[K, V]) Close() { h.c.Purge() }
