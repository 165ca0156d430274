package peer

import (
	"time"

	"github.com/phuslu/lru"
)

type phusluCache[K Key, V any] struct {
	c   *lru.TTLCache[K, V]
	ttl time.Duration
}

func newPhuslu[K Key, V any](l Limits[K, V]) (Store[K, V], error) {
	return phusluCache[K, V]{lru.NewTTLCache[K, V](l.Entries), l.TTL}, nil
}

func (p phusluCache[K, V]) Get(key K) (V, bool) { return p.c.Get(key) }
func (p phusluCache[K, V]) Set(key K, value V)  { p.c.Set(key, value, p.ttl) }
func (p phusluCache[K, V]) Len() int            { return p.c.Len() }
func (p phusluCache[K, V]) Settle()             {}
func (p phusluCache[K, V]) Close()              {} // one goroutine for all caches, for ever
