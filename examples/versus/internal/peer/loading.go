package peer

import (
	"context"
	"time"

	"github.com/Yiling-J/theine-go"
	"github.com/maypok86/otter/v2"
	"github.com/samber/hot"
	"github.com/viccon/sturdyc"

	"github.com/ministryfinder/bounded/cache"
)

// A Load is what a cache calls for a key that it does not have.
type Load func(ctx context.Context, key string) (uint64, error)

// A Loading is a cache that loads what is missing, one call for all who wait for a key.
type Loading struct {
	Name string
	New  func(entries int, ttl time.Duration, load Load) (get Load, done func(), err error)
}

// Loadings returns the caches that load.
func Loadings() []Loading {
	return []Loading{
		{Ours, func(entries int, ttl time.Duration, load Load) (Load, func(), error) {
			c, err := cache.New(cache.Config[string, uint64]{MaxEntries: entries, TTL: ttl})
			if err != nil {
				return nil, nil, err
			}
			return cache.Memo(c, load), func() {}, nil
		}},
		{"otter", func(entries int, ttl time.Duration, load Load) (Load, func(), error) {
			c, err := otter.New(&otter.Options[string, uint64]{MaximumSize: entries, ExpiryCalculator: otter.ExpiryWriting[string, uint64](ttl)})
			if err != nil {
				return nil, nil, err
			}
			loader := otter.LoaderFunc[string, uint64](load)
			return func(ctx context.Context, key string) (uint64, error) { return c.Get(ctx, key, loader) },
				func() { c.StopAllGoroutines() }, nil
		}},
		{"theine", func(entries int, ttl time.Duration, load Load) (Load, func(), error) {
			c, err := theine.NewBuilder[string, uint64](int64(entries)).BuildWithLoader(func(ctx context.Context, key string) (theine.Loaded[uint64], error) {
				v, err := load(ctx, key)
				return theine.Loaded[uint64]{Value: v, Cost: 1, TTL: ttl}, err
			})
			if err != nil {
				return nil, nil, err
			}
			return c.Get, c.Close, nil
		}},
		{"sturdyc", func(entries int, ttl time.Duration, load Load) (Load, func(), error) {
			c := sturdyc.New[uint64](entries, min(10, entries), ttl, 10, sturdyc.WithNoContinuousEvictions())
			return func(ctx context.Context, key string) (uint64, error) {
				return c.GetOrFetch(ctx, key, func(ctx context.Context) (uint64, error) { return load(ctx, key) })
			}, func() {}, nil
		}},
		{"hot", func(entries int, ttl time.Duration, load Load) (Load, func(), error) {
			c := hot.NewHotCache[string, uint64](hot.LRU, entries).WithTTL(ttl).WithLoaders(func(keys []string) (map[string]uint64, error) {
				found := make(map[string]uint64, len(keys))
				for _, key := range keys {
					v, err := load(context.Background(), key)
					if err != nil {
						return nil, err
					}
					found[key] = v
				}
				return found, nil
			}).WithJanitor().Build()
			return func(_ context.Context, key string) (uint64, error) {
				v, _, err := c.Get(key)
				return v, err
			}, func() { c.StopJanitor() }, nil
		}},
	}
}
