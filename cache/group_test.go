package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

func TestGroup(t *testing.T) {
	c := newCache(t, cache.Config[string, int]{MaxEntries: 100, Groups: true})
	a, b := c.Group("a"), c.Group("b")
	a.Set("1", 1)
	b.Set("2", 2)
	c.Set("3", 3)
	a.SetTTL("4", 4, time.Hour)
	a.Set("5", 5)
	b.Set("5", 50) // is of b now
	a.Set("6", 6)
	c.Set("6", 60) // is of none now
	v, ok := b.Get("1")
	require.True(t, ok, "the keys are those of the cache")
	require.Equal(t, 1, v)

	c.InvalidateGroup("a")
	left := map[string]int{}
	for k, v := range c.All() {
		left[k] = v
		got, ok := c.Get(k)
		require.True(t, ok)
		require.Equal(t, v, got)
	}
	require.Equal(t, map[string]int{"2": 2, "3": 3, "5": 50, "6": 60}, left)
	_, ok = c.Peek("1")
	require.False(t, ok)
	require.False(t, c.Delete("4"))
	require.Equal(t, 5, c.Len(), "one of the dead is there until somebody sweeps")
	require.Equal(t, 1, c.Sweep())
	require.Equal(t, 4, c.Len())
	require.Zero(t, c.Sweep())
	a.Set("1", 10)
	v, ok = c.Get("1")
	require.True(t, ok, "what is set after an invalidation lives")
	require.Equal(t, 10, v)
	require.EqualValues(t, 2, c.Stats().Expired)

	plain := newCache(t, cache.Config[string, int]{MaxEntries: 1})
	require.PanicsWithValue(t, "cache: Group needs Config.Groups, which is false", func() { plain.Group("a") })
}

// What was invalidated makes room before anything that is alive does.
func TestInvalidatedGoBeforeTheLiving(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxEntries: 1000, Groups: true})
	dead := c.Group("dead")
	for i := range 1000 {
		if i%2 == 0 {
			c.Set(i, i)
		} else {
			dead.Set(i, i)
			for range 3 {
				c.Get(i) // hot, and dead all the same
			}
		}
	}
	dead.Invalidate()
	for i := range 500 {
		c.Set(1000+i, i)
	}
	for i := 0; i < 1000; i += 2 {
		_, ok := c.Peek(i)
		require.True(t, ok, "%d", i)
	}
	st := c.Stats()
	require.Zero(t, st.Evicted)
	require.EqualValues(t, 500, st.Expired)
	require.Equal(t, 1000, c.Len())
}

// An invalidation during a load wins over its result, and over an error that would be remembered; nobody who asks
// afterwards gets either.
func TestInvalidateDuringALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 10, Groups: true, NegativeTTL: time.Hour})
		g := c.Group("g")
		for _, fail := range []error{nil, errDown} {
			old := newGate()
			done := make(chan error)
			go func() {
				_, err := g.GetOrLoad(t.Context(), "k", old.load)
				done <- err
			}()
			synctest.Wait()
			c.InvalidateGroup("another") // changes nothing
			g.Invalidate()
			v, err := g.GetOrLoad(t.Context(), "k", func(context.Context, string) (int, error) { return 2, nil })
			require.NoError(t, err)
			require.Equal(t, 2, v)
			old.give(1, fail)
			require.Equal(t, fail, <-done, "who waited before gets it")
			v, ok := c.Get("k")
			require.True(t, ok)
			require.Equal(t, 2, v)
			g.Invalidate()
		}
		slow := newGate()
		done := make(chan int)
		go func() {
			v, _ := g.GetOrLoad(t.Context(), "slow", slow.load)
			done <- v
		}()
		synctest.Wait()
		c.InvalidateGroup("another")
		slow.give(5, nil)
		require.Equal(t, 5, <-done)
		v, ok := c.Get("slow")
		require.True(t, ok, "a load of one group was dropped with another")
		require.Equal(t, 5, v)

		_, err := g.GetOrLoadTTL(t.Context(), "k", func(context.Context, string) (int, time.Duration, error) { return 0, 0, errDown })
		require.Equal(t, errDown, err)
		g.Invalidate()
		v, err = g.GetOrLoad(t.Context(), "k", func(context.Context, string) (int, error) { return 3, nil })
		require.NoError(t, err, "an error that was remembered goes with the group")
		require.Equal(t, 3, v)
	})
}

// However many groups there are, what was invalidated is never returned, and the last few are told apart.
func TestManyGroups(t *testing.T) {
	const n = 20_000
	c := newCache(t, cache.Config[int, int]{MaxEntries: 2 * n, Groups: true})
	before := c.Bytes()
	for i := range n {
		c.Group(fmt.Sprint("group ", i)).Set(i, i)
	}
	bytes := c.Bytes()
	for i := range n {
		if i%2 == 0 {
			c.InvalidateGroup(fmt.Sprint("group ", i))
		}
		_, ok := c.Get(i)
		require.True(t, i%2 == 1 || !ok, "%d", i)
	}
	for i := 0; i < n; i += 2 {
		_, ok := c.Peek(i)
		require.False(t, ok, "%d", i)
	}
	require.Equal(t, bytes, c.Bytes(), "groups take no memory")
	require.Less(t, before, bytes)
	// One of twenty others goes with the first thousand, and hardly any with the first hundreds.
	for invalidated, others := range map[int]int{300: 0, 1000: n / 20} {
		c := newCache(t, cache.Config[int, int]{MaxEntries: 2 * n, Groups: true})
		for i := range n {
			c.Group(fmt.Sprint(i)).Set(i, i)
		}
		for i := range invalidated {
			c.InvalidateGroup(fmt.Sprint(i))
		}
		lost := 0
		for i := range n {
			_, ok := c.Get(i)
			require.False(t, i < invalidated && ok)
			if i >= invalidated && !ok {
				lost++
			}
		}
		require.InDelta(t, others, lost, float64(others)/2+5)
	}
}

// Whatever else goes on, nobody gets what was set before an invalidation that is over.
func TestInvalidateUnderFire(t *testing.T) {
	c := newCache(t, cache.Config[int, string]{MaxEntries: 3000, TTL: time.Hour, Groups: true})
	var group sync.WaitGroup
	var done, wrong atomic.Int32
	for w := range 3 {
		group.Go(func() {
			defer done.Add(1)
			g := c.Group(fmt.Sprint("group ", w))
			for n := range 3000 {
				for k := range 3 {
					g.Set(w*10+k, fmt.Sprint(n))
				}
				if n%2 == 0 {
					_, _ = g.GetOrLoad(context.Background(), w*10+4, func(context.Context, int) (string, error) { return "loaded", nil })
				}
				g.Invalidate()
				for k := range 5 {
					if _, ok := c.Get(w*10 + k); ok {
						wrong.Add(1)
					}
				}
				g.Set(w*10, "after")
				if v, ok := c.Get(w * 10); ok && v != "after" {
					wrong.Add(1)
				}
			}
		})
	}
	group.Go(func() {
		for n := 0; done.Load() < 3; n++ {
			for k := range 2000 {
				c.Set(1000+k*n%5000, "filler")
			}
			c.Sweep()
			if n%3 == 0 {
				c.Shrink(0.5)
			}
		}
	})
	group.Wait()
	require.Zero(t, wrong.Load())
	c.Sweep()
	for range c.Keys() {
		break
	}
}

// Groups outlive a snapshot.
func TestSnapshotKeepsGroups(t *testing.T) {
	config := cache.Config[string, int]{MaxEntries: 10, Groups: true}
	c := newCache(t, config)
	c.Group("a").Set("1", 1)
	c.Group("b").Set("2", 2)
	c.Set("3", 3)
	c.Group("dead").Set("4", 4)
	c.InvalidateGroup("dead")
	raw := snapshotOf(t, c)
	next := newCache(t, config)
	next.InvalidateGroup("a") // before it is restored
	_, err := next.ReadFrom(bytes.NewReader(raw))
	require.NoError(t, err)
	require.Equal(t, 3, next.Len())
	next.InvalidateGroup("b")
	_, ok := next.Get("2")
	require.False(t, ok)
	_, ok = next.Get("1")
	require.True(t, ok)
	plain := newCache(t, cache.Config[string, int]{MaxEntries: 10})
	_, err = plain.ReadFrom(bytes.NewReader(raw))
	require.ErrorContains(t, err, `it is of "string to int in groups", want "string to int"`)
}

// What was invalidated is gone when another value is set for its key, and was not replaced by it.
func TestInvalidatedIsNotReplaced(t *testing.T) {
	for _, notify := range []bool{false, true} {
		var told []cache.Reason
		config := cache.Config[string, int]{MaxEntries: 8, Groups: true}
		if notify {
			config.OnRemove = func(_ string, _ int, r cache.Reason) { told = append(told, r) }
		}
		c := newCache(t, config)
		g := c.Group("g")
		g.Set("a", 1)
		g.Set("b", 1)
		g.Invalidate()
		c.Set("a", 2)
		g.Set("b", 2)
		st := c.Stats()
		require.Equal(t, []uint64{4, 2, 0}, []uint64{st.Sets, st.Expired, st.Replaced})
		if notify {
			require.Equal(t, []cache.Reason{cache.Expired, cache.Expired}, told)
		}
	}
}

// Slots that are given back while a newcomer has begun to remove a group hide none of it.
func TestCompactionDuringAPass(t *testing.T) {
	const n = 1000
	c := newCache(t, cache.Config[int, int]{MaxEntries: n, Groups: true})
	g := c.Group("g")
	for i := range n {
		if i < n/2 {
			c.Set(i, i)
		} else {
			g.Set(i, i)
		}
	}
	g.Invalidate()
	c.Set(n, n)
	c.DeleteFunc(func(key, _ int) bool { return key < n/2 })
	c.Shrink(1e-9)
	c.Sweep()
	require.Equal(t, 1, c.Len())
}

// A name whose number would be zero, which is for what has no group.
func TestGroupWhoseNumberIsNotZero(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxEntries: 8, Groups: true})
	g := c.Group("group 9481549")
	g.Set(1, 1)
	c.Set(2, 2)
	g.Invalidate()
	require.False(t, has(c, 1))
	require.True(t, has(c, 2))
}

// What is invalidated while a newcomer has begun to remove another group goes as well: with the next sweep, and
// before the living.
func TestInvalidatedDuringAPass(t *testing.T) {
	const n = 1000
	for name, remove := range map[string]func(c *cache.Cache[int, int]){
		"sweep": func(c *cache.Cache[int, int]) {
			c.Sweep()
			require.Equal(t, n*5/8, c.Len())
		},
		"newcomers": func(c *cache.Cache[int, int]) {
			for i := range n * 3 / 8 {
				c.Set(2*n+i, i)
			}
			require.Equal(t, n, c.Len())
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t, cache.Config[int, int]{MaxEntries: n, Groups: true})
			first, last := c.Group("first"), c.Group("last")
			for i := range n { // in the order of their slots
				switch {
				case i < n/4:
					first.Set(i, i)
				case i < n*3/4:
					c.Set(i, i)
				default:
					last.Set(i, i)
				}
			}
			last.Invalidate()
			for i := range n / 8 { // by which a pass is beyond the first
				c.Set(n+i, i)
			}
			first.Invalidate()
			remove(c)
			for i := n / 4; i < n*3/4; i++ {
				require.True(t, has(c, i), "%d", i)
			}
			require.Zero(t, c.Stats().Evicted)
		})
	}
}
