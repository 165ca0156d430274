package cache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

// watch looks at the bounds of c until stop is called, which returns what it saw
// that should not be, and how often it looked.
func watch[K comparable, V any](c *cache.Cache[K, V], maxEntries int, maxBytes int64) (stop func() (wrong string, looks int)) {
	var done atomic.Bool
	var wg sync.WaitGroup
	var wrong string
	var looks int
	wg.Go(func() {
		for ; !done.Load(); looks++ {
			// The bound is read on both sides: a Resize may come between.
			before, beforeBytes := c.MaxEntries(), c.MaxBytes()
			n, bytes := c.Len(), c.Bytes()
			after, afterBytes := c.MaxEntries(), c.MaxBytes()
			switch {
			case maxEntries > 0 && n > maxEntries, maxBytes > 0 && bytes > maxBytes,
				before > 0 && before == after && n > before,
				beforeBytes > 0 && beforeBytes == afterBytes && bytes > beforeBytes:
				wrong = fmt.Sprintf("%d entries in %d bytes, bounds %d (%d) and %d (%d)", n, bytes, before, maxEntries, beforeBytes, maxBytes)
			}
		}
	})
	return func() (string, int) {
		done.Store(true)
		wg.Wait()
		return wrong, looks
	}
}

func TestBoundsHoldAtEveryInstant(t *testing.T) {
	for _, bounds := range []struct {
		entries int
		bytes   int64
	}{
		{1, 0}, {16, 0}, {500, 0}, {10_000, 0}, {0, 64 << 10}, {0, 1 << 20}, {0, 50 << 20}, {500, 1 << 20}, {1, 64 << 10},
	} {
		t.Run(fmt.Sprintf("entries=%d/bytes=%d", bounds.entries, bounds.bytes), func(t *testing.T) {
			c := newCache(t, cache.Config[int, []byte]{
				MaxEntries: bounds.entries, MaxBytes: bounds.bytes,
				Size: func(_ int, v []byte) int64 { return int64(cap(v)) },
			})
			base := c.Bytes()
			blob := make([]byte, max(bounds.bytes/2, 4<<10))
			stop := watch(c, bounds.entries, bounds.bytes)
			var wg sync.WaitGroup
			deadline := time.Now().Add(150 * time.Millisecond)
			for w := range 8 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(w), 1))
					keys := max(4, 2*bounds.entries)
					if bounds.entries == 0 {
						keys = 5000
					}
					for n := 0; n%64 != 0 || time.Now().Before(deadline); n++ {
						size := r.IntN(64)
						switch r.IntN(100) {
						case 0:
							size = r.IntN(len(blob))
						case 1, 2, 3:
							size = r.IntN(4 << 10)
						}
						k, v := r.IntN(keys), blob[:size:size]
						switch op := r.IntN(1000); {
						case op < 700:
							c.Set(k, v)
						case op < 800: // grow in place
							old, _ := c.Get(k)
							grown := min(2*cap(old)+1, len(blob))
							c.Set(k, blob[:grown:grown])
						case op < 850:
							c.SetTTL(k, v, time.Duration(r.IntN(1000))*time.Microsecond)
						case op < 900:
							c.Delete(k)
						case op < 990:
							_, _ = c.GetOrLoad(context.Background(), k, func(context.Context, int) ([]byte, error) { return v, nil })
						case op < 993:
							c.Shrink(r.Float64() / 4)
						case op < 994:
							c.Clear()
						case op < 998:
							c.Sweep()
						case bounds.entries != 1:
							d := int64(1 + r.IntN(2))
							_ = c.Resize(bounds.entries/int(d), bounds.bytes/d)
						}
					}
				})
			}
			wg.Wait()
			wrong, looks := stop()
			require.Empty(t, wrong)
			require.NotZero(t, looks)
			c.Clear()
			require.Zero(t, c.Len())
			require.Equal(t, base, c.Bytes())
		})
	}
}

func TestAllEntriesOfABoundAreUsable(t *testing.T) {
	for _, n := range []int{1, 2, 3, 16, 500, 1024, 4096, 10_000, 100_000} {
		c := newCache(t, cache.Config[int, int]{MaxEntries: n})
		for i := range n {
			c.Set(i, i)
		}
		require.Equal(t, n, c.Len())
		require.Zero(t, c.Stats().Evicted)
		for i := range n {
			require.True(t, has(c, i))
		}
		for i := range n {
			c.Set(-1-i, i)
			if c.Len() != n {
				require.Equal(t, n, c.Len(), "after %d newcomers", i)
			}
		}
		require.EqualValues(t, n, c.Stats().Evicted)
	}
}

func TestHugeAndSmallValuesMakeRoomForEachOther(t *testing.T) {
	const bound = 16 << 20 // four shards
	c := newCache(t, cache.Config[int, []byte]{MaxBytes: bound, Size: func(_ int, v []byte) int64 { return int64(cap(v)) }})
	stop := watch(c, 0, bound)
	blob := make([]byte, bound)
	for round := range 2 {
		for i := range 50_000 {
			require.True(t, c.Set(i, blob[:300:300]))
		}
		require.Greater(t, c.Len(), 35_000)
		huge := blob[: 15<<20 : 15<<20]
		require.True(t, c.Set(-1-round, huge), "nothing else would have to stay")
		v, ok := c.Get(-1 - round)
		require.True(t, ok)
		require.Len(t, v, len(huge))
	}
	var wg sync.WaitGroup
	for w := range 4 { // each needs all the room
		wg.Go(func() {
			for i := range 20 {
				c.Set(w*100+i, blob[:13<<20:13<<20])
				c.Set(w*100+i+50, blob[:300:300])
			}
		})
	}
	wg.Wait()
	wrong, _ := stop()
	require.Empty(t, wrong)
}

// A key whose equality is Go's and whose hash is maphash's.
type compound struct {
	name  string
	any   any
	point [2]float64
}

// All of 500 slots are usable whatever the keys are and however they hash: each cache has secrets of its own.
func TestAllSlotsAreUsableByKeysOfAllKinds(t *testing.T) {
	usable(t, func(i int) int { return i })
	usable(t, func(i int) uint64 { return uint64(i) << 48 })
	usable(t, func(i int) uint16 { return uint16(i) })
	usable(t, func(i int) string { return "the same long prefix of all keys, which tells nothing: " + strconv.Itoa(i) })
	usable(t, func(i int) string { return strings.Repeat("a", i) })
	usable(t, func(i int) float64 { return 1 / float64(i+1) })
	usable(t, func(i int) any { return [...]any{i, int8(i % 128), strconv.Itoa(i), compound{any: i}}[i%4] })
	usable(t, func(i int) compound { return compound{"a", i, [2]float64{1, float64(i)}} })
	usable(t, func(i int) *int { return new(int) })
}

func usable[K comparable](t *testing.T, key func(int) K) {
	const n = 500
	keys := map[K]bool{}
	for i := 0; len(keys) < n && i < 4*n; i++ {
		keys[key(i)] = true
	}
	require.GreaterOrEqual(t, len(keys), n/2+1)
	for range 20 {
		c := newCache(t, cache.Config[K, int]{MaxEntries: len(keys)})
		for k := range keys {
			c.Set(k, 1)
		}
		require.Equal(t, len(keys), c.Len())
		require.Zero(t, c.Stats().Evicted)
		for k := range keys {
			require.True(t, has(c, k))
		}
	}
}

// From the smallest bound to a large one and back, and the cache is as good as one that was made so.
func TestResizeFromOneToManyAndBack(t *testing.T) {
	if raceDetector {
		t.Skip("one goroutine alone")
	}
	const many = 50_000
	c := newCache(t, cache.Config[int, int]{MaxEntries: 1})
	for round := range 2 {
		require.NoError(t, c.Resize(many, 0))
		for i := range many + 1000 {
			c.Set(i+round, i)
		}
		require.Equal(t, many, c.Len())
		require.NoError(t, c.Resize(1, 0))
		require.Equal(t, 1, c.Len())
		c.Set(-1, -1)
		require.True(t, has(c, -1))
		require.Equal(t, 1, c.Len())
		require.Less(t, c.Bytes(), int64(16<<10))
	}
	d := newCache(t, cache.Config[int, int]{MaxEntries: many}) // of many shards
	for i := range many {
		d.Set(i, i)
	}
	require.NoError(t, d.Resize(1, 0))
	for i := range 1000 {
		require.True(t, d.Set(i, i))
		require.True(t, has(d, i), "in whatever shard it is")
		require.Equal(t, 1, d.Len())
	}
}

// Who asks once for each of many keys, as a crawler or an attacker does, does not flush what others ask for often.
func TestAFloodOfNewKeysLeavesTheHotOnes(t *testing.T) {
	for _, n := range []int{500, 5000} {
		c := newCache(t, cache.Config[int, int]{MaxEntries: n})
		r := rand.New(rand.NewPCG(1, 1))
		read := func(key int) bool {
			_, ok := c.Get(key)
			if !ok {
				c.Set(key, key)
			}
			return ok
		}
		for range 50 * n {
			read(r.IntN(n / 2))
		}
		hits, asked := 0, 10*n
		for i := range asked {
			if read(r.IntN(n / 2)) {
				hits++
			}
			for j := range 3 { // three strangers to each
				read(1_000_000 + 3*i + j)
			}
		}
		require.Greater(t, float64(hits)/float64(asked), 0.95, "%d entries", n)
	}
}
