package peer

import "github.com/jellydator/ttlcache/v3"

type ttlCache[K Key, V any] struct{ c *ttlcache.Cache[K, V] }

func newTTLCache[K Key, V any](l Limits[K, V]) (Store[K, V], error) {
	options := []ttlcache.Option[K, V]{
		ttlcache.WithTTL[K, V](l.TTL),
		ttlcache.WithDisableTouchOnHit[K, V](), // a fixed time to live, as all others have
	}
	if l.Entries > 0 {
		options = append(options, ttlcache.WithCapacity[K, V](uint64(l.Entries)))
	}
	if l.Bytes > 0 {
		options = append(options, ttlcache.WithMaxCost(uint64(l.Bytes), func(item ttlcache.CostItem[K, V]) uint64 {
			return uint64(l.Weigh(item.Key, item.Value))
		}))
	}
	c := ttlcache.New(options...)
	go c.Start()
	return ttlCache[K, V]{c}, nil
}

func (t ttlCache[K, V]) Set(key K, value V) { t.c.Set(key, value, ttlcache.DefaultTTL) }
func (t ttlCache[K, V]) Len() int           { return t.c.Len() }
func (t ttlCache[K, V]) Settle()            {}
func (t ttlCache[K, V]) Close()             { t.c.Stop() }

func (t ttlCache[K, V]) Get(key K) (V, bool) {
	if item := t.c.Get(key); item != nil {
		return item.Value(), true
	}
	var none V
	return none, false
}
