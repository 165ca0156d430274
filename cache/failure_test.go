package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

func TestSetAndDeleteEndAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, NegativeTTL: time.Hour})
		var s source
		for name, end := range map[string]func(){
			"delete": func() { c.Delete("a") },
			"clear":  func() { c.Clear() },
			"set":    func() { c.SetTTL("a", 1, time.Minute); time.Sleep(time.Minute) },
		} {
			s.failWith(errDown)
			_, err := c.GetOrLoad(t.Context(), "a", s.load)
			require.Equal(t, errDown, err)
			s.failWith(nil)
			_, err = c.GetOrLoad(t.Context(), "a", s.load)
			require.Equal(t, errDown, err, "remembered")
			end()
			_, err = c.GetOrLoad(t.Context(), "a", s.load)
			require.NoError(t, err, name)
			c.Delete("a")
		}
		require.EqualValues(t, 3, c.Stats().NegativeHits)
	})
}

// However many keys fail, what is remembered of them is bounded, and part of Bytes.
func TestFailuresAreBounded(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxEntries: 100, MaxBytes: 1 << 20, NegativeTTL: time.Hour})
	empty := c.Bytes()
	text := make([]byte, 4000)
	for i := range 5000 {
		_, err := c.GetOrLoad(t.Context(), i, func(context.Context, int) (int, error) { return 0, errors.New(string(text)) })
		require.Error(t, err)
		require.Equal(t, empty, c.Bytes())
	}
	require.Zero(t, c.Len())
}

// The longest Backoff there is does not overflow.
func TestEndlessBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, Backoff: math.MaxInt64})
		calls := 0
		for range 10 {
			_, err := c.GetOrLoad(t.Context(), "a", func(context.Context, string) (int, error) { calls++; return 0, errDown })
			require.ErrorIs(t, err, errDown)
			time.Sleep(24 * time.Hour)
		}
		require.Equal(t, 1, calls)
	})
}

// What is remembered of failures is bounded with its keys, which whoever asks may choose.
func TestFailuresOfLongKeysAreBounded(t *testing.T) {
	type pair struct{ a, b string }
	size := func(pair, int) int64 { return 0 }
	failuresWithin(t, 64<<10, cache.Config[string, int]{}, func(text string) string { return text })
	failuresWithin(t, 64<<10, cache.Config[any, int]{}, func(text string) any { return pair{"", text} })
	failuresWithin(t, 64<<10, cache.Config[pair, int]{Size: size}, func(text string) pair { return pair{text, ""} })
	failuresWithin(t, 64<<10, cache.Config[[2]string, int]{Size: func([2]string, int) int64 { return 0 }}, func(text string) [2]string { return [2]string{1: text} })
	// What a pointer points to others may change, and it is not looked at where Size is given.
	type wide [10_000]byte
	failuresWithin(t, 1<<20, cache.Config[*wide, int]{Size: func(*wide, int) int64 { return 0 }}, func(string) *wide { return new(wide) })
}

func failuresWithin[K comparable](t *testing.T, bound int, config cache.Config[K, int], key func(string) K) {
	config.MaxBytes, config.NegativeTTL = 1<<20, time.Hour
	c := newCache(t, config)
	const n, length = 200, 2000
	keys := make([]K, n)
	for i := range keys {
		keys[i] = key(fmt.Sprintf("%*d", length, i))
		_, err := c.GetOrLoad(t.Context(), keys[i], func(context.Context, K) (int, error) { return 0, errDown })
		require.Error(t, err)
	}
	remembered := 0
	for _, k := range keys {
		if _, err := c.GetOrLoad(t.Context(), k, func(context.Context, K) (int, error) { return 1, nil }); err != nil {
			remembered++
		}
	}
	require.Greater(t, remembered, 20)
	require.LessOrEqual(t, remembered*length, bound)
}

// A back-off doubles six times, and no more.
func TestLongestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, Backoff: time.Second})
		calls := 0
		ask := func() {
			_, err := c.GetOrLoad(t.Context(), "a", func(context.Context, string) (int, error) { calls++; return 0, errDown })
			require.ErrorIs(t, err, errDown)
		}
		for n := range 10 {
			ask()
			require.Equal(t, n+1, calls)
			wait := time.Second << min(n, 6)
			time.Sleep(wait - time.Millisecond)
			ask()
			require.Equal(t, n+1, calls)
			time.Sleep(time.Millisecond)
		}
	})
}

// A panic says nothing about the key: NegativeTTL does not remember it, nor that a loader has exited.
func TestPanicsAreNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, NegativeTTL: time.Hour})
		for _, end := range []func(){func() { panic(errDown) }, runtime.Goexit} {
			<-ask(t.Context(), c, "a", func(context.Context, string) (int, error) { end(); return 0, nil })
			v, err := c.GetOrLoad(t.Context(), "a", func(context.Context, string) (int, error) { return 1, nil })
			require.NoError(t, err)
			require.Equal(t, 1, v)
			c.Delete("a")
		}
	})
}

// The smallest bounds have room for what is remembered of failures.
func TestFailuresOfASmallCache(t *testing.T) {
	for _, groups := range []bool{false, true} {
		c := newCache(t, cache.Config[string, int]{MaxBytes: 128 << 10, NegativeTTL: time.Hour, Groups: groups})
		for range 2 {
			_, err := c.GetOrLoad(t.Context(), "a", func(context.Context, string) (int, error) { return 0, errDown })
			require.ErrorIs(t, err, errDown)
		}
		require.EqualValues(t, 1, c.Stats().NegativeHits)
	}
}
