package cache_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

// What a writer has set is there, or was evicted, but is never what it was before: not while
// slabs grow, are compacted, cleared or swept under it. Each goroutine has keys of its own.
func TestReplacementsAreNotLost(t *testing.T) {
	t.Run("word", func(t *testing.T) { replaceWhileSlabsChange(t, func(n int) int { return n }) })
	t.Run("string", func(t *testing.T) {
		replaceWhileSlabsChange(t, func(n int) string { return fmt.Sprintf("%0*d", 5+n%7, n) })
	})
}

func replaceWhileSlabsChange[V comparable](t *testing.T, value func(int) V) {
	c, err := cache.New(cache.Config[int, V]{MaxEntries: 20_000, TTL: time.Hour})
	require.NoError(t, err)
	const writers, keys, rounds = 4, 50, 400
	var sets, stale, done atomic.Int64
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			defer done.Add(1)
			for n := range rounds {
				for k := range keys {
					key, want := w*keys+k, value(n)
					c.Set(key, want)
					sets.Add(1)
					if got, ok := c.Get(key); ok && got != want {
						stale.Add(1)
					}
				}
			}
		})
	}
	group.Go(func() { // slabs grow, shrink and go
		for n := 0; done.Load() < writers; n++ {
			for k := range 3000 {
				c.Set(1_000_000+k, value(k))
				sets.Add(1)
			}
			switch n % 3 {
			case 0:
				c.DeleteFunc(func(key int, _ V) bool { return key >= 1_000_000 })
				c.Shrink(0.01)
			case 1:
				c.Shrink(0.9)
			case 2:
				c.Clear()
			}
			c.Sweep()
		}
	})
	group.Wait()
	require.Zero(t, stale.Load())
	require.Equal(t, uint64(sets.Load()), c.Stats().Sets, "each Set is counted once")
}

// A value that takes the place of one that DeleteFunc was shown stays, though it is written in place.
func TestDeleteFuncSparesReplacements(t *testing.T) {
	c, err := cache.New(cache.Config[int, int]{MaxEntries: 100, TTL: time.Hour})
	require.NoError(t, err)
	c.Set(1, 0)
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				c.DeleteFunc(func(_, v int) bool { return v%2 == 1 })
			}
		}
	})
	for n := range 20_000 {
		c.Set(1, 2*n+1)
		c.Set(1, 2*n+2)
		got, ok := c.Get(1)
		require.True(t, ok)
		require.Equal(t, 2*n+2, got)
	}
	close(stop)
	group.Wait()
}

// So does one that del itself has set.
func TestDeleteFuncSparesWhatItIsNotShown(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxEntries: 100})
	for i := range 10 {
		c.Set(i, i)
	}
	require.Equal(t, 5, c.DeleteFunc(func(key, v int) bool {
		if key%2 == 0 {
			c.Set(key, v+100)
		}
		return true
	}))
	for i := range 10 {
		v, ok := c.Get(i)
		require.Equal(t, i%2 == 0, ok)
		require.True(t, !ok || v == i+100)
	}
}

// Writers of the same entry agree in the end on what one of them wrote, and its life is that of the
// value that is there.
func TestWritersOfOneEntry(t *testing.T) {
	c, err := cache.New(cache.Config[int, [3]int]{MaxEntries: 10})
	require.NoError(t, err)
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for n := range 20_000 {
				if w == 0 {
					c.SetTTL(1, [3]int{w, n, n}, time.Hour) // sooner than never: takes the lock
				} else {
					c.Set(1, [3]int{w, n, n})
				}
				got, ok := c.Get(1)
				if !ok || got[1] != got[2] {
					panic(fmt.Sprint(got, ok))
				}
			}
		})
	}
	group.Wait()
	st := c.Stats()
	require.Equal(t, uint64(80_000), st.Sets)
	require.Equal(t, st.Sets-1, st.Replaced)
}

// A read returns a value as it was set, all of it, while that is replaced, removed and set again, or evicted.
func TestReadsAreWhole(t *testing.T) {
	type wide = [24]int
	for name, write := range map[string]func(c *cache.Cache[int, wide], v wide){
		"replaced":     func(c *cache.Cache[int, wide], v wide) { c.Set(1, v) },
		"set-again":    func(c *cache.Cache[int, wide], v wide) { c.Delete(1); c.Set(1, v) },
		"evicted":      func(c *cache.Cache[int, wide], v wide) { c.Set(2, wide{}); c.Set(1, v) },
		"under-a-lock": func(c *cache.Cache[int, wide], v wide) { c.SetTTL(1, v, 0); c.SetTTL(1, v, time.Hour) },
		"cleared":      func(c *cache.Cache[int, wide], v wide) { c.Clear(); c.Set(1, v) },
		"expired":      func(c *cache.Cache[int, wide], v wide) { c.SetTTL(1, v, 1); c.Sweep(); c.Set(1, v) },
	} {
		t.Run(name, func(t *testing.T) {
			c, err := cache.New(cache.Config[int, wide]{MaxEntries: 1})
			require.NoError(t, err)
			var done atomic.Bool
			var torn, reads atomic.Int64
			var group sync.WaitGroup
			for range 2 {
				group.Go(func() {
					for !done.Load() {
						v, ok := c.Get(1)
						for i := range v {
							if v[i] != v[0] {
								torn.Add(1)
							}
						}
						if ok {
							reads.Add(1)
						}
					}
				})
			}
			for n := range 20_000 {
				var v wide
				for i := range v {
					v[i] = n
				}
				write(c, v)
			}
			done.Store(true)
			group.Wait()
			require.Zero(t, torn.Load(), "of %d reads", reads.Load())
		})
	}
}
