package cache_test

import (
	"math"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

// grain is to what an entry's time is kept.
const grain = 100 * time.Microsecond

func has[K comparable, V any](c *cache.Cache[K, V], key K) bool {
	_, ok := c.Peek(key)
	return ok
}

func TestEntryLivesForItsTTL(t *testing.T) {
	for _, ttl := range []time.Duration{
		500 * time.Microsecond, time.Millisecond, 999 * time.Millisecond, 5 * time.Second, time.Minute, 365 * 24 * time.Hour,
	} {
		t.Run(ttl.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: ttl})
				d := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Second})
				early := grain
				if ttl >= time.Minute {
					early += time.Millisecond // set by the coarse clock
				}
				time.Sleep(12345 * time.Microsecond)
				require.True(t, c.Set("a", 1))
				require.True(t, d.SetTTL("a", 1, ttl))
				require.True(t, d.SetTTL("for ever", 1, 0))

				time.Sleep(ttl - early)
				require.True(t, has(c, "a"))
				require.True(t, has(d, "a"))

				time.Sleep(early)
				_, ok := c.Get("a")
				require.False(t, ok)
				require.False(t, has(c, "a"))
				require.False(t, has(d, "a"))
				require.True(t, has(d, "for ever"))
				for range c.All() {
					require.Fail(t, "All has an expired entry")
				}
				require.Equal(t, 1, c.Len(), "nobody swept")
			})
		})
	}
}

func TestReadsDoNotProlongATTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Second})
		c.Set("a", 1)
		reads := 0
		for start := time.Now(); ; time.Sleep(grain) {
			if _, ok := c.Get("a"); !ok {
				require.InDelta(t, time.Second, time.Since(start), float64(2*grain))
				break
			}
			reads++
		}
		require.Equal(t, uint64(reads), c.Stats().Hits)
	})
}

func TestNegativeTTLStoresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8})
		c.Set("a", 1)
		require.False(t, c.SetTTL("a", 2, -1))
		require.Zero(t, c.Len())
	})
}

func TestEndlessTTLsDoNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, Idle: math.MaxInt64, Jitter: 0.5})
		time.Sleep(time.Hour)
		c.SetTTL("a", 1, math.MaxInt64)
		c.SetTTL("b", 1, math.MaxInt64-1)
		c.Set("c", 1)
		time.Sleep(20 * 365 * 24 * time.Hour)
		for _, key := range []string{"a", "b", "c"} {
			_, ok := c.Get(key)
			require.True(t, ok, key)
		}
	})
}

func TestIdleSlidesWithinTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: 10 * time.Second, Idle: 2 * time.Second})
		for _, key := range []string{"read", "peeked", "left"} {
			c.Set(key, 1)
		}
		for second := 1; second <= 9; second++ {
			time.Sleep(time.Second)
			_, ok := c.Get("read")
			require.True(t, ok, second)
			if second < 2 {
				require.True(t, has(c, "peeked"))
			}
		}
		require.False(t, has(c, "peeked"), "Peek put off the end")
		require.False(t, has(c, "left"))
		time.Sleep(time.Second - 2*time.Millisecond)
		require.True(t, has(c, "read"))
		time.Sleep(2 * time.Millisecond)
		require.False(t, has(c, "read"), "idle beyond the TTL")
	})
}

func TestJitterOnlyShortens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		c := newCache(t, cache.Config[int, int]{MaxEntries: n, TTL: 10 * time.Second, Jitter: 0.2})
		for i := range n {
			c.Set(i, i)
		}
		time.Sleep(8*time.Second - grain)
		require.Zero(t, c.Sweep())
		time.Sleep(time.Second)
		require.InDelta(t, n/2, c.Sweep(), n/10)
		time.Sleep(time.Second + grain)
		c.Sweep()
		require.Zero(t, c.Len())
	})
}

func TestSweepRemovesTheExpiredAndTellsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reasons := map[cache.Reason]int{}
		c := newCache(t, cache.Config[int, int]{
			MaxEntries: 5000, OnRemove: func(_, _ int, r cache.Reason) { reasons[r]++ },
		})
		for i := range 5000 {
			c.SetTTL(i, i, time.Duration(1+i%5)*time.Second)
		}
		for second := range 5 {
			require.Zero(t, c.Sweep())
			time.Sleep(time.Second)
			before := c.Len()
			require.Equal(t, before/(5-second), c.Sweep())
		}
		require.Zero(t, c.Len())
		require.Equal(t, map[cache.Reason]int{cache.Expired: 5000}, reasons)
		require.Equal(t, uint64(5000), c.Stats().Expired)
	})
}

func TestKeyCanBeSetAgainAfterItsExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reasons []cache.Reason
		c := newCache(t, cache.Config[string, int]{
			MaxEntries: 8, TTL: time.Second, OnRemove: func(_ string, _ int, r cache.Reason) { reasons = append(reasons, r) },
		})
		c.Set("a", 1)
		time.Sleep(time.Second)
		require.True(t, c.Set("a", 2))
		v, ok := c.Get("a")
		require.True(t, ok)
		require.Equal(t, 2, v)
		c.Set("a", 3)
		time.Sleep(time.Second)
		require.False(t, c.Delete("a"), "Delete counts an expired entry as absent")
		require.Equal(t, []cache.Reason{cache.Expired, cache.Replaced, cache.Expired}, reasons)
		require.Zero(t, c.Stats().Deleted)
	})
}

func TestNewcomerTakesTheRoomOfTheExpired(t *testing.T) {
	for _, n := range []int{16, 500, 10_000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, cache.Config[int, int]{MaxEntries: n})
				for i := range n {
					ttl := time.Hour
					if i%2 == 0 {
						ttl = time.Second
					}
					c.SetTTL(i, i, ttl)
				}
				time.Sleep(time.Second)
				for i := range n / 2 * 9 / 10 {
					c.Set(n+i, i)
				}
				// A shard may have used up its expired entries before the others.
				if n == 500 {
					require.Zero(t, c.Stats().Evicted)
				}
				require.LessOrEqual(t, int(c.Stats().Evicted), n/20)
				require.LessOrEqual(t, c.Len(), n)
			})
		})
	}
}

// The coarse clock, which is behind by up to a millisecond, does not shorten a life of milliseconds, nor prolong it.
func TestShortLivesAreTimedPrecisely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8})
		for range 100 {
			c.Get("a") // keeps the clock running
			time.Sleep(990 * time.Microsecond)
			c.Get("a")
			c.SetTTL("a", 1, 3*time.Millisecond)
			time.Sleep(3*time.Millisecond - grain)
			require.True(t, has(c, "a"))
			time.Sleep(grain)
			require.False(t, has(c, "a"))
			_, ok := c.Get("a")
			require.False(t, ok)
		}
	})
}

// An idle time of a millisecond is not shortened by the coarse clock.
func TestShortIdleTimesAreTimedPrecisely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, idle := range []time.Duration{time.Millisecond, 20 * time.Millisecond} {
			c := newCache(t, cache.Config[string, int]{MaxEntries: 8, Idle: idle})
			c.Set("a", 1)
			for range 100 {
				time.Sleep(idle - 2*grain)
				_, ok := c.Get("a")
				require.True(t, ok)
			}
			time.Sleep(idle)
			require.False(t, has(c, "a"))
		}
	})
}
