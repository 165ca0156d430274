package cache_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

type record struct {
	_    int
	name string
	_    [3]int
}

// A cache that is filled makes the heap grow by its bound: by no more, and by most of it.
func TestHeapGrowsByTheBound(t *testing.T) {
	if raceDetector {
		t.Skip("one goroutine alone")
	}
	word := func(n int) string { return strings.Repeat("x", n) }
	for _, size := range []int{3, 100, 10_000, 1_000_000} {
		heapOf(t, "string", size, word)
		heapOf(t, "bytes", size, func(n int) []byte { return bytes.Repeat([]byte{1}, n) })
		heapOf(t, "any", size, func(n int) any { return word(n) })
		heapOf(t, "struct", size, func(n int) record { return record{name: word(n)} })
		heapOf(t, "pointer", size, func(n int) *record { return &record{name: word(n)} })
		heapOf(t, "map", size, func(n int) map[string]int { return map[string]int{word(n): 1} })
		heapOf(t, "strings", size, func(n int) []string { return []string{word(n), "a"} })
	}
	heapOf(t, "int", 8, func(n int) int { return n })
}

func heapOf[V any](t *testing.T, name string, size int, value func(int) V) {
	for _, bound := range []int64{1 << 20, 50_000_000} {
		if int64(size) > bound/2 || size == 100 && bound > 1<<20 {
			continue // the bound holds none; it takes long and tells nothing new
		}
		t.Run(fmt.Sprintf("%s/size=%d/bound=%d", name, size, bound), func(t *testing.T) {
			cache.SizeOf("") // what is made once is made
			before := heap()
			c := newCache(t, cache.Config[int, V]{MaxBytes: bound})
			other := int64(8 << 10) // of the test itself, and of the runtime
			if strconv.IntSize == 32 {
				other = 128 << 10 // where that was seen to be some tens of kilobytes
			}
			require.LessOrEqual(t, c.Bytes(), int64(16<<10), "an empty cache")
			require.LessOrEqual(t, heap()-before, c.Bytes()+other)
			n := 0
			for c.Stats().Evicted == 0 {
				for range 1 + 100_000/size {
					c.Set(n, value(size))
					n++
				}
			}
			grown := heap() - before
			t.Logf("heap %.3f of MaxBytes, %.3f of Bytes", float64(grown)/float64(bound), float64(grown)/float64(c.Bytes()))
			require.LessOrEqual(t, grown, c.Bytes()+other)
			require.LessOrEqual(t, grown, bound+other)
			require.GreaterOrEqual(t, grown, bound*8/10)
			if bound == 1<<20 {
				for i := range n {
					if i%2 == 0 {
						c.Delete(i)
					}
				}
				require.LessOrEqual(t, heap()-before, c.Bytes()+other)
				c.Shrink(0.5)
				require.LessOrEqual(t, heap()-before, c.Bytes()+other)
			}
			c.Clear()
			require.LessOrEqual(t, heap()-before, c.Bytes()+other)
			require.Less(t, c.Bytes(), int64(32<<10))
		})
	}
}

func TestWhatIsGoneIsCollected(t *testing.T) {
	for name, remove := range map[string]func(c *cache.Cache[int, *record]){
		"deleted":  func(c *cache.Cache[int, *record]) { c.Delete(1) },
		"replaced": func(c *cache.Cache[int, *record]) { c.Set(1, &record{}) },
		"evicted":  func(c *cache.Cache[int, *record]) { c.Shrink(1) },
		"cleared":  func(c *cache.Cache[int, *record]) { c.Clear() },
		"expired":  func(c *cache.Cache[int, *record]) { v, _ := c.Peek(1); c.SetTTL(1, v, 1); c.Sweep() },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t, cache.Config[int, *record]{MaxEntries: 8})
			v := &record{name: "a"}
			w := weak.Make(v)
			c.Set(1, v)
			v = nil
			runtime.GC()
			require.NotNil(t, w.Value())
			remove(c)
			runtime.GC()
			require.Nil(t, w.Value())
			runtime.KeepAlive(c)
		})
	}
}

func TestDroppedCacheIsCollected(t *testing.T) {
	w := func() weak.Pointer[cache.Cache[int, int]] {
		c := newCache(t, cache.Config[int, int]{MaxEntries: 8})
		c.SetTTL(1, 1, 1<<40) // its clock runs
		return weak.Make(c)
	}()
	runtime.GC()
	require.Nil(t, w.Value())
}
