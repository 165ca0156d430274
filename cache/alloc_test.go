package cache_test

import (
	"strconv"
	"testing"
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
}

func allocFree[K comparable, V any](t *testing.T, name string, keys []K, values []V) {
	c := newCache(t, cache.Config[K, V]{MaxEntries: 500})
	i := 0
	next := func() int { i = (i + 1) % len(keys); return i }
	for range 3 * len(keys) {
		c.Set(keys[next()], values[i])
	}
	for op, f := range map[string]func(){
		"get":          func() { c.Get(keys[next()]) },
		"peek":         func() { c.Peek(keys[next()]) },
		"set-new":      func() { c.Set(keys[next()], values[i]) },
		"set-existing": func() { c.Set(keys[0], values[next()]) },
		"set-ttl":      func() { c.SetTTL(keys[next()], values[i], time.Hour) },
		"set-expired":  func() { c.SetTTL(keys[next()], values[i], 1) },
		"delete-set":   func() { c.Delete(keys[next()]); c.Set(keys[i], values[i]) },
	} {
		t.Run(name+"/"+op, func(t *testing.T) { require.Zero(t, testing.AllocsPerRun(2000, f)) })
	}
}
