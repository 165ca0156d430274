package peer

import (
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

type ristrettoCache[K Key, V any] struct {
	c     *ristretto.Cache[K, V]
	ttl   time.Duration
	weigh func(K, V) int64
}

func newRistretto[K Key, V any](l Limits[K, V]) (Store[K, V], error) {
	r := ristrettoCache[K, V]{ttl: l.TTL}
	config := ristretto.Config[K, V]{
		NumCounters: 10 * int64(l.Entries), MaxCost: int64(l.Entries),
		BufferItems: 64, IgnoreInternalCost: true,
	}
	if l.Bytes > 0 {
		r.weigh = l.Weigh
		config.MaxCost, config.IgnoreInternalCost = l.Bytes, false
		config.NumCounters = max(l.Bytes/100, 1000) // ten for each entry of about a KB
	}
	c, err := ristretto.NewCache(&config)
	r.c = c
	return &r, err
}

func (r *ristrettoCache[K, V]) Get(key K) (V, bool) { return r.c.Get(key) }
func (r *ristrettoCache[K, V]) Settle()             { r.c.Wait() }
func (r *ristrettoCache[K, V]) Close()              { r.c.Close() }

func (r *ristrettoCache[K, V]) Set(key K, value V) {
	cost := int64(1)
	if r.weigh != nil {
		cost = r.weigh(key, value)
	}
	r.c.SetWithTTL(key, value, cost, r.ttl)
}

// Len counts the values, for want of a method that knows.
func (r *ristrettoCache[K, V]) Len() (n int) {
	r.c.IterValues(func(V) bool { n++; return false })
	return n
}
