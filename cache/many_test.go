package cache_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

func TestGetOrLoadMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Minute, StaleIfError: time.Hour})
		c.Set("old", 3)
		time.Sleep(2 * time.Minute)
		c.Set("here", 1)
		slow := newGate()
		other := ask(t.Context(), c, "other", slow.load)
		synctest.Wait()
		var asked []string
		errX := errors.New("x")
		done := make(chan []cache.Result[int])
		go func() {
			done <- c.GetOrLoadMany(t.Context(), []string{"new", "here", "x", "other", "none", "new", "old"},
				func(_ context.Context, keys []string) (map[string]int, error) {
					asked = keys
					time.Sleep(time.Second)
					return map[string]int{"new": 2, "unasked": 9}, cache.KeyErrors[string]{"x": errX, "old": errX}
				})
		}()
		synctest.Wait()
		joined := ask(t.Context(), c, "new", func(context.Context, string) (int, error) { panic("a second load") })
		time.Sleep(time.Second)
		slow.give(4, nil)
		require.Equal(t, []cache.Result[int]{
			{Value: 2}, {Value: 1}, {Err: errX}, {Value: 4}, {Err: cache.ErrNotLoaded}, {Value: 2}, {Value: 3},
		}, <-done)
		require.Equal(t, []string{"new", "x", "none", "old"}, asked, "each once, in their order")
		require.Equal(t, 2, (<-joined).v)
		require.Equal(t, 4, (<-other).v)
		_, ok := c.Get("unasked")
		require.False(t, ok)
		v, ok := c.Get("new")
		require.True(t, ok)
		require.Equal(t, 2, v)
	})
}

// A loader may sort the keys that it gets, as one does that asks a database for them.
func TestLoaderOfManyMaySortItsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[int, int]{MaxEntries: 8})
		load := func(_ context.Context, keys []int) (map[int]int, error) {
			slices.Sort(keys)
			return map[int]int{1: 10, 2: 20, 3: 30}, nil
		}
		want := []cache.Result[int]{{Value: 30}, {Value: 10}, {Value: 20}}
		require.Equal(t, want, c.GetOrLoadMany(t.Context(), []int{3, 1, 2}, load))
		require.Equal(t, map[int]int{1: 10, 2: 20, 3: 30}, maps.Collect(c.All()))
		c.Clear()
		require.Equal(t, want, c.GetOrLoadMany(t.Context(), []int{3, 1, 2}, load), "a key is held by a load that is over")
		synctest.Wait()
		require.Zero(t, c.Stats().Loading)
	})
}

func TestGetOrLoadManyFails(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxEntries: 8})
	for name, test := range map[string]struct {
		load func(context.Context, []int) (map[int]int, error)
		want error
	}{
		"error":  {func(context.Context, []int) (map[int]int, error) { return nil, errDown }, errDown},
		"goexit": {func(context.Context, []int) (map[int]int, error) { runtime.Goexit(); return nil, nil }, cache.ErrLoaderExited},
	} {
		for i, r := range c.GetOrLoadMany(t.Context(), []int{1, 2}, test.load) {
			require.Equal(t, test.want, r.Err, "%s, %d", name, i)
		}
	}
	require.PanicsWithError(t, errDown.Error(), func() {
		defer func() { panic(recover().(*cache.LoadPanic).Value) }()
		c.GetOrLoadMany(t.Context(), []int{1, 2}, func(context.Context, []int) (map[int]int, error) { panic(errDown) })
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range c.GetOrLoadMany(ctx, []int{1, 2}, nil) {
		require.ErrorIs(t, r.Err, context.Canceled)
	}
	require.Empty(t, c.GetOrLoadMany(ctx, nil, nil))
	require.Zero(t, c.Stats().Waiting)
}

// Who asks for many keys gets nothing stale, but for errors: it is no hit.
func TestLoadOfManyCountsTheStaleAsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Minute, StaleFor: time.Hour})
		c.Set("a", 1)
		time.Sleep(2 * time.Minute)
		fail := error(nil)
		load := func(context.Context, []string) (map[string]int, error) { return map[string]int{"b": 2}, fail }
		fail = errDown
		require.Equal(t, []cache.Result[int]{{Value: 1}}, c.GetOrLoadMany(t.Context(), []string{"a"}, load))
		st := c.Stats()
		require.Equal(t, []uint64{0, 1, 0, 1}, []uint64{st.Hits, st.Misses, st.StaleHits, st.StaleOnError})
		fail = nil
		c.GetOrLoadMany(t.Context(), []string{"a", "b"}, load)
		c.GetOrLoadMany(t.Context(), []string{"b"}, load)
		st = c.Stats()
		require.Equal(t, []uint64{1, 3, 0}, []uint64{st.Hits, st.Misses, st.StaleHits})
	})
}

// Those keys of many whose refreshes were cut short are loaded together, in their order.
func TestManyWaitForRefreshesThatAreCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[int, int]{MaxEntries: 50, TTL: time.Minute, StaleFor: time.Minute, RefreshTimeout: 10 * time.Second})
		var keys []int
		for key := range 20 {
			keys = append(keys, key)
			c.Set(key, key)
		}
		time.Sleep(2*time.Minute - time.Second)
		for _, key := range keys {
			_, err := c.GetOrLoad(t.Context(), key, func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
			require.NoError(t, err)
		}
		time.Sleep(2 * time.Second)
		var asked []int
		results := c.GetOrLoadMany(t.Context(), keys, func(_ context.Context, keys []int) (map[int]int, error) {
			asked = append(asked, keys...)
			return map[int]int{7: 70}, nil
		})
		require.Equal(t, keys, asked)
		require.Equal(t, cache.Result[int]{Value: 70}, results[7])
		require.Equal(t, cache.Result[int]{Err: cache.ErrNotLoaded}, results[8])
	})
}
