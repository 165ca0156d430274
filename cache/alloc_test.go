package cache_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

func TestSteadyStateAllocatesNothing(t *testing.T) {
	keys := make([]string, 4000)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	allocFree(t, "strings", keys, keys)
	ints := make([]int, len(keys))
	for i := range ints {
		ints[i] = i
	}
	allocFree(t, "ints", ints, ints)
	wide := make([][3]string, len(keys))
	for i := range wide {
		wide[i][1] = keys[i]
	}
	allocFree(t, "wide", ints, wide)
}

func allocFree[K comparable, V any](t *testing.T, name string, keys []K, values []V) {
	for config, c := range map[string]cache.Config[K, V]{
		"entries":       {MaxEntries: 500},
		"bytes":         {MaxBytes: 100_000},
		"idling-groups": {MaxEntries: 500, MaxBytes: 200_000, TTL: time.Hour, Idle: time.Minute, Jitter: 0.5, Groups: true},
	} {
		// Of common types sizes are known at once. Others are measured, which allocates.
		if name == "wide" {
			c.Size = func(K, V) int64 { return 32 }
		}
		t.Run(name+"/"+config, func(t *testing.T) { steadyState(t, newCache(t, c), keys, values) })
	}
}

// An iteration allocates the same, little, for few entries and many.
func TestIterationAllocatesLittle(t *testing.T) {
	for _, n := range []int{1, 5000} {
		c := newCache(t, cache.Config[int, [3]string]{MaxEntries: n})
		for i := range n {
			c.Set(i, [3]string{})
		}
		for name, f := range map[string]func(){
			"all": func() {
				for range c.All() {
				}
			},
			"delete-func": func() { c.DeleteFunc(func(int, [3]string) bool { return false }) },
		} {
			require.LessOrEqual(t, testing.AllocsPerRun(10, f), 8.0, "%s of %d", name, n)
		}
	}
}

func steadyState[K comparable, V any](t *testing.T, c *cache.Cache[K, V], keys []K, values []V) {
	i := 0
	next := func() int { i = (i + 1) % len(keys); return i }
	for range 3 * len(keys) {
		c.Set(keys[next()], values[i])
	}
	ctx := context.Background()
	for op, f := range map[string]func(){
		"get":          func() { c.Get(keys[next()]) },
		"get-present":  func() { c.Set(keys[0], values[0]); c.Get(keys[0]) },
		"get-or-load":  func() { c.Set(keys[0], values[0]); _, _ = c.GetOrLoad(ctx, keys[0], nil) },
		"peek":         func() { c.Peek(keys[next()]) },
		"set-new":      func() { c.Set(keys[next()], values[i]) },
		"set-existing": func() { c.Set(keys[0], values[next()]) },
		"set-ttl":      func() { c.SetTTL(keys[next()], values[i], time.Hour) },
		"set-expired":  func() { c.SetTTL(keys[next()], values[i], 1) },
		"expire-by-set": func() {
			c.SetTTL(keys[next()], values[i], 1)
			c.Set(keys[next()], values[i])
			c.Set(keys[i], values[i])
		},
		"expire-by-sweep":  func() { c.SetTTL(keys[next()], values[i], 1); c.Sweep() },
		"expire-by-delete": func() { c.SetTTL(keys[next()], values[i], 1); c.Delete(keys[i]) },
		"delete":           func() { c.Delete(keys[next()]) },
		"delete-set":       func() { c.Delete(keys[next()]); c.Set(keys[i], values[i]) },
		"len":              func() { c.Len(); c.Bytes(); c.MaxEntries(); c.MaxBytes() },
	} {
		t.Run(op, func(t *testing.T) {
			for range 600 { // full again
				c.Set(keys[next()], values[i])
			}
			require.Zero(t, testing.AllocsPerRun(1000, f))
		})
	}
}

// A cache that was left alone takes a timer when it is read again, and no more than that.
func TestAClockThatStoppedCostsATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[int, int]{MaxEntries: 8, TTL: time.Hour})
		c.Set(1, 1)
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
			time.Sleep(5 * time.Millisecond)
			c.Get(1)
		}), 2.0)
	})
}
