package cache_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

func TestAllMeetsEachStayingEntryOnce(t *testing.T) {
	for name, body := range map[string]func(c *cache.Cache[int, int], step int){
		"nothing": func(*cache.Cache[int, int], int) {},
		"replace": func(c *cache.Cache[int, int], step int) { c.Set(step, step) },
		"grow":    func(c *cache.Cache[int, int], step int) { c.Set(10_000+step, 0); c.Set(20_000+step, 0) },
		"delete":  func(c *cache.Cache[int, int], step int) { c.Delete(5000 + step) },
		"compact": func(c *cache.Cache[int, int], step int) {
			if step == 100 {
				c.DeleteFunc(func(key, _ int) bool { return key >= 5000 })
				c.Shrink(1e-9)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t, cache.Config[int, int]{MaxEntries: 40_000})
			for i := range 6000 {
				c.Set(i, i)
			}
			seen := map[int]int{}
			step := 0
			for key := range c.Keys() {
				seen[key]++
				body(c, step)
				step++
			}
			missed := 0
			for i := range 5000 {
				if seen[i] == 0 && has(c, i) {
					missed++
				}
				require.LessOrEqual(t, seen[i], 1, "key %d came twice", i)
			}
			require.Zero(t, missed)
		})
	}
}

func TestAllCanBeLeftAndClearedInside(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxEntries: 100})
	for i := range 100 {
		c.Set(i, i)
	}
	n := 0
	for k, v := range c.All() {
		require.Equal(t, k, v)
		if n++; n == 10 {
			break
		}
	}
	require.Equal(t, 10, n)
	n = 0
	for range c.All() {
		c.Clear()
		n++
	}
	require.Equal(t, 1, n)
	require.Zero(t, c.Stats().Hits, "All counts no hits")
}
