package peer

import "github.com/ministryfinder/bounded/cache"

type bounded[K Key, V any] struct{ *cache.Cache[K, V] }

func newBounded[K Key, V any](l Limits[K, V]) (Store[K, V], error) {
	config := cache.Config[K, V]{MaxEntries: l.Entries, MaxBytes: l.Bytes, TTL: l.TTL}
	if l.Measure {
		config.Size = l.Weigh
	}
	c, err := cache.New(config)
	return bounded[K, V]{c}, err
}

func (b bounded[K, V]) Get(key K) (V, bool) { return b.Cache.Get(key) }
func (b bounded[K, V]) Set(key K, value V)  { b.Cache.Set(key, value) }
func (b bounded[K, V]) Expire()             { b.Cache.Sweep() }
func (b bounded[K, V]) Settle()             {} // nothing is put off
func (b bounded[K, V]) Close()              {} // nothing runs

// Resize keeps the bound on bytes as it is.
func (b bounded[K, V]) Resize(entries int) {
	if err := b.Cache.Resize(entries, b.Cache.MaxBytes()); err != nil {
		panic(err)
	}
}
