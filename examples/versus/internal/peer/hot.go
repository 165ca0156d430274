package peer

import "github.com/samber/hot"

type hotCache[K Key, V any] struct{ c *hot.HotCache[K, V] }

// newHot takes LRU, as all examples of its README do.
func newHot[K Key, V any](l Limits[K, V]) (Store[K, V], error) {
	c := hot.NewHotCache[K, V](hot.LRU, l.Entries).WithTTL(l.TTL).WithJanitor().Build()
	return hotCache[K, V]{c}, nil
}

func (h hotCache[K, V]) Set(key K, value V) { h.c.Set(key, value) }
func (h hotCache[K, V]) Len() int           { return h.c.Len() }
func (h hotCache[K, V]) Settle()            {}
func (h hotCache[K, V]) Close()             { h.c.StopJanitor() }

func (h hotCache[K, V]) Get(key K) (V, bool) {
	value, ok, _ := h.c.Get(key) // an error comes from loaders alone, and there are none
	return value, ok
}
