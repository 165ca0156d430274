package cache_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

// A hit costs the same through each way to ask for it, but for a few nanoseconds.
func BenchmarkCacheHit(b *testing.B) {
	ctx := context.Background()
	load := func(context.Context, int) (int, error) { panic("a miss") }
	for name, config := range map[string]cache.Config[int, int]{
		"plain":   {TTL: time.Hour},
		"stale":   {TTL: time.Hour, StaleFor: time.Hour, RefreshAhead: 0.9, NegativeTTL: time.Hour},
		"groups":  {TTL: time.Hour, Groups: true},
		"sliding": {Idle: time.Hour},
	} {
		config.MaxEntries = 10_000
		c := newCache(b, config)
		for i := range 1000 {
			c.Set(i, i)
		}
		b.Run("op=get/config="+name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				c.Get(i % 1000)
			}
		})
		b.Run("op=get-or-load/config="+name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				_, _ = c.GetOrLoad(ctx, i%1000, load)
			}
		})
	}
}

func BenchmarkCacheSet(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		c := newCache(b, cache.Config[int, int]{MaxEntries: n, TTL: time.Hour})
		for i := range 4 * n {
			c.Set(i, i)
		}
		b.Run(fmt.Sprintf("key=same/entries=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Set(1, 1)
			}
		})
		b.Run(fmt.Sprintf("key=new/entries=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 4 * n; b.Loop(); i++ {
				c.Set(i, i)
			}
		})
	}
}

// A load that takes no time: what is left is the cost of having one at a time.
func BenchmarkCacheLoad(b *testing.B) {
	ctx := context.Background()
	load := func(_ context.Context, key int) (int, error) { return key, nil }
	c := newCache(b, cache.Config[int, int]{MaxEntries: 1000, TTL: time.Hour})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := c.GetOrLoad(ctx, i, load); err != nil {
			b.Fatal(err)
		}
	}
}

// Ten thousand goroutines ask for one missing key.
func BenchmarkCacheHerd(b *testing.B) {
	c := newCache(b, cache.Config[int, int]{MaxEntries: 1000, TTL: time.Hour})
	for i := 0; b.Loop(); i++ {
		var group sync.WaitGroup
		for range 10_000 {
			group.Go(func() {
				_, _ = c.GetOrLoad(context.Background(), i, func(context.Context, int) (int, error) { time.Sleep(time.Millisecond); return 1, nil })
			})
		}
		group.Wait()
	}
	require.LessOrEqual(b, c.Stats().Loads, uint64(b.N)+1)
}

// Invalidating a group takes the same time however many entries it has.
func BenchmarkGroupInvalidate(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		b.Run("entries="+strconv.Itoa(n), func(b *testing.B) {
			c := newCache(b, cache.Config[int, int]{MaxEntries: 200_000, Groups: true})
			g := c.Group("g")
			for i := range n {
				g.Set(i, i)
			}
			for b.Loop() {
				g.Invalidate()
			}
		})
	}
}

// A sweep takes time in proportion to what it removes: see BenchmarkCacheHold for how long it holds a lock.
func BenchmarkCacheSweep(b *testing.B) {
	const n = 1_000_000
	c := newCache(b, cache.Config[int, int]{MaxEntries: n})
	for b.Loop() {
		b.StopTimer()
		for i := range n {
			c.SetTTL(i, i, time.Nanosecond)
		}
		b.StartTimer()
		require.Equal(b, n, c.Sweep())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
}
