package peer

import (
	"time"

	"github.com/Yiling-J/theine-go"
)

type theineCache[K Key, V any] struct {
	c   *theine.Cache[K, V]
	ttl time.Duration
	// weigh gives the cost of an entry; nil: each costs 1.
	weigh func(K, V) int64
}

func newTheine[K Key, V any](l Limits[K, V]) (Store[K, V], error) {
	t := theineCache[K, V]{ttl: l.TTL}
	size := int64(l.Entries)
	if l.Bytes > 0 {
		size, t.weigh = l.Bytes, l.Weigh
	}
	c, err := theine.NewBuilder[K, V](size).Build()
	t.c = c
	return &t, err
}

func (t *theineCache[K, V]) Get(key K) (V, bool) { return t.c.Get(key) }
func (t *theineCache[K, V]) Len() int            { return t.c.Len() }
func (t *theineCache[K, V]) Settle()             { t.c.Wait() }
func (t *theineCache[K, V]) Close()              { t.c.Close() }

func (t *theineCache[K, V]) Set(key K, value V) {
	cost := int64(1)
	if t.weigh != nil {
		cost = t.weigh(key, value)
	}
	t.c.SetWithTTL(key, value, cost, t.ttl)
}
