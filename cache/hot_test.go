package cache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

// The quick ways through a read and a write decide by a clock that runs, and look into one bucket. These
// tests take them, with what others would leave to the slow ones.

func TestRefreshAheadWhileTheClockRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Hour, RefreshAhead: 0.5})
		c.Set("key", 1)
		two := func(context.Context, string) (int, error) { return 2, nil }
		read := func() int {
			c.Get("key") // starts the clock
			v, err := c.GetOrLoad(t.Context(), "key", two)
			require.NoError(t, err)
			synctest.Wait()
			return v
		}
		time.Sleep(29 * time.Minute)
		require.Equal(t, 1, read())
		require.Equal(t, 1, read(), "it is not half an hour old")
		time.Sleep(2 * time.Minute)
		require.Equal(t, 1, read())
		require.Equal(t, 2, read())
	})
}

func TestALoadCountsOneMiss(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxEntries: 8})
	c.Set(0, 0)
	for key := range 4 {
		_, err := c.GetOrLoad(t.Context(), key, func(_ context.Context, k int) (int, error) { return k, nil })
		require.NoError(t, err)
	}
	require.EqualValues(t, 3, c.Stats().Misses)
	require.EqualValues(t, 1, c.Stats().Hits)
}

func TestAnotherValueIsIdleFromThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Hour, Idle: time.Minute})
		c.Set("key", 1)
		time.Sleep(30 * time.Second)
		c.Set("key", 2)
		time.Sleep(time.Minute - time.Millisecond)
		require.True(t, has(c, "key"))
		time.Sleep(time.Millisecond)
		require.False(t, has(c, "key"))
	})
}

// However often an entry was read, another value gives it another end.
func TestAnotherValueLivesAsLongAsItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Hour})
		c.Set("key", 1)
		for range 5 {
			c.Get("key")
		}
		time.Sleep(30 * time.Minute)
		c.Get("key") // starts the clock
		c.Set("key", 2)
		time.Sleep(time.Hour - time.Second)
		require.True(t, has(c, "key"))
		c.SetTTL("key", 3, time.Second)
		time.Sleep(time.Second)
		require.False(t, has(c, "key"), "it was to end sooner")
	})
}
