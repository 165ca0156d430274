package cache_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

func newCache[K comparable, V any](t testing.TB, config cache.Config[K, V]) *cache.Cache[K, V] {
	t.Helper()
	c, err := cache.New(config)
	require.NoError(t, err)
	return c
}

func TestGetReturnsWhatWasSet(t *testing.T) {
	c := newCache(t, cache.Config[string, int]{MaxEntries: 10})

	require.True(t, c.Set("a", 1))
	require.True(t, c.Set("a", 2))

	v, ok := c.Get("a")
	require.True(t, ok)
	require.Equal(t, 2, v)
	v, ok = c.Get("b")
	require.False(t, ok)
	require.Zero(t, v)
	require.Equal(t, 1, c.Len())
}
