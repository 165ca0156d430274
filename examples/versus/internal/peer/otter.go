package peer

import (
	"math"

	"github.com/maypok86/otter/v2"
)

type otterCache[K Key, V any] struct{ c *otter.Cache[K, V] }

func newOtter[K Key, V any](l Limits[K, V]) (Store[K, V], error) {
	options := otter.Options[K, V]{
		MaximumSize:      l.Entries,
		ExpiryCalculator: otter.ExpiryWriting[K, V](l.TTL),
	}
	if l.Bytes > 0 {
		options.MaximumWeight = uint64(l.Bytes)
		options.Weigher = func(key K, value V) uint32 {
			return uint32(min(l.Weigh(key, value), math.MaxUint32))
		}
	}
	c, err := otter.New(&options)
	return otterCache[K, V]{c}, err
}

func (o otterCache[K, V]) Get(key K) (V, bool) { return o.c.GetIfPresent(key) }
func (o otterCache[K, V]) Set(key K, value V)  { o.c.Set(key, value) }
func (o otterCache[K, V]) Len() int            { return o.c.EstimatedSize() }
func (o otterCache[K, V]) Bytes() int64        { return int64(o.c.WeightedSize()) }
func (o otterCache[K, V]) Settle()             { o.c.CleanUp() }
func (o otterCache[K, V]) Expire()             { o.c.CleanUp() }
func (o otterCache[K, V]) Resize(entries int)  { o.c.SetMaximum(uint64(entries)) }
func (o otterCache[K, V]) Close()              { o.c.StopAllGoroutines() }
