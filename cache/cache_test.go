package cache_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

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

func TestDelete(t *testing.T) {
	c := newCache(t, cache.Config[string, int]{MaxEntries: 10})
	c.Set("a", 1)
	require.True(t, c.Delete("a"))
	require.False(t, c.Delete("a"))
	require.False(t, has(c, "a"))
	require.Zero(t, c.Len())
	require.EqualValues(t, 1, c.Stats().Deleted)
}

func TestKeysAndValuesOfAllShapes(t *testing.T) {
	type wide struct {
		a    int8
		s    string
		b    bool
		list []int
		any  any
		big  [70]*int
		last int8
	}
	one := 1
	testShape(t, "string", func(i int) string { return fmt.Sprint(i) })
	testShape(t, "int8", func(i int) int8 { return int8(i) })
	testShape(t, "bool", func(i int) bool { return i%2 == 0 })
	testShape(t, "empty", func(int) struct{} { return struct{}{} })
	testShape(t, "empty-array", func(int) [0]string { return [0]string{} })
	testShape(t, "three-bytes", func(i int) [3]byte { return [3]byte{byte(i), 1, 2} })
	testShape(t, "any", func(i int) any { return []any{i, "a", nil, &one}[i%4] })
	testShape(t, "error", func(i int) error { return fmt.Errorf("%d", i) })
	testShape(t, "slice", func(i int) []int { return []int{i} })
	testShape(t, "map", func(i int) map[int]int { return map[int]int{i: i} })
	testShape(t, "complex", func(i int) complex128 { return complex(float64(i), 1) })
	testShape(t, "padded", func(i int) [2]struct {
		a int8
		b int64
	} {
		return [2]struct {
			a int8
			b int64
		}{{1, int64(i)}, {2, 3}}
	})
	testShape(t, "wide", func(i int) wide {
		return wide{int8(i), fmt.Sprint(i), true, []int{i}, i, [70]*int{69: &one}, 7}
	})
}

func testShape[V any](t *testing.T, name string, value func(int) V) {
	t.Run(name, func(t *testing.T) {
		c := newCache(t, cache.Config[[2]string, V]{MaxEntries: 100, MaxBytes: 1 << 20})
		key := func(i int) [2]string { return [2]string{fmt.Sprint(i), "x"} }
		for i := range 100 {
			require.True(t, c.Set(key(i), value(i)))
		}
		for i := range 100 {
			got, ok := c.Get(key(i))
			require.True(t, ok)
			require.Equal(t, value(i), got)
		}
		require.Equal(t, 100, c.DeleteFunc(func([2]string, V) bool { return true }))
	})
}

// Two equal values may differ in the bytes between their fields.
func TestDeleteFuncIgnoresPadding(t *testing.T) {
	type padded [2]struct {
		a int8
		b int64
	}
	c := newCache(t, cache.Config[int, padded]{MaxEntries: 8})
	var v padded
	b := (*[unsafe.Sizeof(v)]byte)(unsafe.Pointer(&v))
	for i := range b {
		b[i] = 0xff
	}
	c.Set(1, v)
	v[0].a = 3
	c.Set(2, v)
	c.Set(3, padded{})
	require.Equal(t, 3, c.DeleteFunc(func(int, padded) bool { return true }))
}

func TestKeysAreComparedAsGoDoes(t *testing.T) {
	c := newCache(t, cache.Config[any, int]{MaxEntries: 8})
	c.Set(1, 1)
	c.Set(int8(1), 2)
	c.Set(0.0, 3)
	c.Set(math.Copysign(0, -1), 4)
	c.Set(nil, 5)
	require.Equal(t, 4, c.Len())
	v, _ := c.Get(0.0)
	require.Equal(t, 4, v)
	v, _ = c.Get(nil)
	require.Equal(t, 5, v)
	require.Panics(t, func() { c.Set([]int{}, 1) })
	c.Set(math.NaN(), 6)
	require.False(t, has[any](c, math.NaN()))
	require.Equal(t, 5, c.Len())
	n := 0
	for range c.Keys() {
		n++
	}
	require.Equal(t, 4, n, "nobody could ask for NaN")
	c.Clear()
	require.Zero(t, c.Len())
}

func TestValueLargerThanTheBoundIsRefusedAndTakesTheOldOneAlong(t *testing.T) {
	type removal struct {
		key    string
		n      int
		reason cache.Reason
	}
	var removed []removal
	c := newCache(t, cache.Config[string, []byte]{MaxBytes: 64 << 10, OnRemove: func(k string, v []byte, r cache.Reason) {
		removed = append(removed, removal{k, len(v), r})
	}})
	require.True(t, c.Set("a", make([]byte, 10)))
	require.True(t, c.Set("b", make([]byte, 10)))
	require.False(t, c.Set("a", make([]byte, 64<<10)))

	require.False(t, has(c, "a"))
	require.True(t, has(c, "b"), "what was refused evicted another")
	require.Equal(t, []removal{{"a", 10, cache.Replaced}, {"a", 64 << 10, cache.Refused}}, removed)
	st := c.Stats()
	require.Equal(t, []uint64{2, 1, 1, 0}, []uint64{st.Sets, st.Refused, st.Replaced, st.Evicted})
}

func TestSizeIsWhatAnEntryHoldsBesideItsWords(t *testing.T) {
	size := int64(0)
	c := newCache(t, cache.Config[int, int]{MaxBytes: 1 << 20, Size: func(int, int) int64 { return size }})
	c.Set(1, 1)
	before := c.Bytes()
	for _, size = range []int64{1000, 100_000, 0, -5, math.MinInt64} {
		require.True(t, c.Set(1, 1))
		require.InDelta(t, max(0, size), c.Bytes()-before, 15)
	}
	for _, size = range []int64{1 << 20, 1 << 40, math.MaxInt64} {
		require.False(t, c.Set(1, 1))
	}
	require.EqualValues(t, 3, c.Stats().Refused)
}

// A size that no bound could hold is refused where bytes are not bounded as well, and does not upset the count.
func TestAbsurdSizeIsRefusedWithoutAByteBound(t *testing.T) {
	size := int64(0)
	c := newCache(t, cache.Config[int, int]{MaxEntries: 8, Size: func(int, int) int64 { return size }})
	require.True(t, c.Set(1, 1))
	before := c.Bytes()
	for _, size = range []int64{1 << 40, math.MaxInt64 - 1, math.MaxInt64} {
		require.False(t, c.Set(1, 2))
		require.False(t, c.Set(2, 2))
		require.Equal(t, before, c.Bytes())
	}
	size = 1<<36 - 16
	for i := range 16 {
		require.True(t, c.Set(i, 1))
	}
	c.Clear()
	require.Less(t, c.Bytes(), before)
	size = 0
	require.NoError(t, c.Resize(0, math.MaxInt64))
	size = math.MaxInt64
	require.False(t, c.Set(1, 2))
}

func TestConfigErrors(t *testing.T) {
	type config = cache.Config[string, int]
	for want, c := range map[string]config{
		"cache: Config.MaxEntries and MaxBytes are both 0, want at least one bound": {},
		"cache: Config.MaxEntries is -1, want 0 to 1073741824":                      {MaxEntries: -1},
		"cache: Config.MaxEntries is 1073741825, want 0 to 1073741824":              {MaxEntries: 1<<30 + 1},
		"cache: Config.MaxBytes is -1, want zero or more":                           {MaxBytes: -1},
		"cache: Config.TTL is -1s, want zero or more":                               {MaxEntries: 1, TTL: -time.Second},
		"cache: Config.Idle is -1ns, want zero or more":                             {MaxEntries: 1, Idle: -1},
		"cache: Config.Jitter is -0.1, want at least 0 and less than 1":             {MaxEntries: 1, Jitter: -0.1},
		"cache: Config.Jitter is 1, want at least 0 and less than 1":                {MaxEntries: 1, Jitter: 1},
		"cache: Config.Jitter is NaN, want at least 0 and less than 1":              {MaxEntries: 1, Jitter: math.NaN()},
		"cache: Config.MaxLoads is -1, want zero or more":                           {MaxEntries: 1, MaxLoads: -1},
		"cache: Config.StaleFor is -1s, want zero or more":                          {MaxEntries: 1, StaleFor: -time.Second},
		"cache: Config.StaleIfError is -1s, want zero or more":                      {MaxEntries: 1, StaleIfError: -time.Second},
		"cache: Config.RefreshAhead is -0.5, want at least 0 and less than 1":       {MaxEntries: 1, TTL: 1, RefreshAhead: -0.5},
		"cache: Config.RefreshAhead is 1, want at least 0 and less than 1":          {MaxEntries: 1, TTL: 1, RefreshAhead: 1},
		"cache: Config.RefreshAhead is NaN, want at least 0 and less than 1":        {MaxEntries: 1, TTL: 1, RefreshAhead: math.NaN()},
		"cache: Config.RefreshAhead is 0.5 of a TTL of 0, want a TTL":               {MaxEntries: 1, RefreshAhead: 0.5},
		"cache: Config.RefreshTimeout is -1s, want zero or more":                    {MaxEntries: 1, RefreshTimeout: -time.Second},
		"cache: Config.NegativeTTL is -1s, want zero or more":                       {MaxEntries: 1, NegativeTTL: -time.Second},
		"cache: Config.Backoff is -1s, want zero or more":                           {MaxEntries: 1, Backoff: -time.Second},
	} {
		require.EqualError(t, c.Validate(), want)
		none, err := cache.New(c)
		require.EqualError(t, err, want)
		require.Nil(t, none)
	}
	require.NoError(t, config{MaxEntries: 1 << 20, MaxBytes: 1 << 20, Jitter: 0.99}.Validate())
}

func TestBoundWithoutRoomForAnEntryIsRefused(t *testing.T) {
	type config = cache.Config[string, int]
	var minimum int64
	_, err := cache.New(config{MaxBytes: 1})
	_, scanErr := fmt.Sscanf(err.Error(), "cache: Config.MaxBytes is 1, want at least %d, or nothing fits", &minimum)
	require.NoError(t, scanErr, err)
	_, err = cache.New(config{MaxBytes: minimum - 1})
	require.Error(t, err)

	c := newCache(t, config{MaxBytes: minimum})
	require.True(t, c.Set("", 1))
	require.Equal(t, minimum, c.Bytes())
	require.True(t, c.Set("", 2))

	require.EqualError(t, c.Resize(0, 1), fmt.Sprintf("cache: Resize: MaxBytes is 1, want at least %d, or nothing fits", minimum))
	require.EqualError(t, c.Resize(0, 0), "cache: Resize: MaxEntries and MaxBytes are both 0, want at least one bound")
	require.EqualError(t, c.Resize(-1, 0), "cache: Resize: MaxEntries is -1, want 0 to 1073741824")
	require.EqualError(t, c.Resize(0, -1), "cache: Resize: MaxBytes is -1, want zero or more")
	require.Equal(t, minimum, c.MaxBytes(), "a refused Resize changes nothing")
}

func TestResizeEvictsWhatIsOver(t *testing.T) {
	c := newCache(t, cache.Config[int, string]{MaxEntries: 1000})
	for i := range 1000 {
		c.Set(i, strings.Repeat("x", 100))
	}
	require.NoError(t, c.Resize(100, 0))
	require.Equal(t, 100, c.Len())
	require.Equal(t, 100, c.MaxEntries())
	require.EqualValues(t, 900, c.Stats().Evicted)
	require.NoError(t, c.Resize(0, 16<<10))
	require.Zero(t, c.MaxEntries())
	require.LessOrEqual(t, c.Bytes(), int64(16<<10))
	require.NoError(t, c.Resize(2000, 1<<20))
	for i := range 2000 {
		c.Set(i, "")
	}
	require.Equal(t, 2000, c.Len())
}

func TestShrinkEvictsAFractionAndGivesItsMemoryBack(t *testing.T) {
	c := newCache(t, cache.Config[int, string]{MaxEntries: 1000})
	for i := range 1000 {
		c.Set(i, strings.Repeat("x", 100))
	}
	full := c.Bytes()
	for _, fraction := range []float64{0, -1, math.NaN(), math.Inf(-1)} {
		require.Zero(t, c.Shrink(fraction))
	}
	require.Equal(t, 250, c.Shrink(0.25))
	require.Equal(t, 750, c.Len())
	require.InDelta(t, 0.75, float64(c.Bytes())/float64(full), 0.05)
	require.Equal(t, 1000, c.MaxEntries())
	require.Equal(t, 750, c.Shrink(math.Inf(1)))
	require.Zero(t, c.Len())
	require.Less(t, c.Bytes(), int64(10<<10))
}

func TestStats(t *testing.T) {
	c := newCache(t, cache.Config[string, int]{MaxEntries: 2, MaxBytes: 1 << 20})
	require.Zero(t, c.Stats().HitRatio())
	c.Set("a", 1)
	c.Set("b", 1)
	c.Set("b", 2)
	c.Set("c", 3)
	c.Delete("c")
	c.Peek("b")
	c.Get("nothing")
	for range 3 {
		for key := range c.Keys() {
			c.Get(key)
		}
	}
	st := c.Stats()
	require.Equal(t, uint64(4), st.Sets)
	require.Equal(t, []uint64{3, 1}, []uint64{st.Hits, st.Misses})
	require.Equal(t, []uint64{1, 0, 1, 1, 0, 0}, []uint64{st.Evicted, st.Expired, st.Deleted, st.Replaced, st.Cleared, st.Refused})
	require.Equal(t, []int{1, 2}, []int{st.Entries, st.MaxEntries})
	require.Equal(t, []int64{c.Bytes(), 1 << 20}, []int64{st.Bytes, st.MaxBytes})
	require.InDelta(t, 0.75, st.HitRatio(), 1e-9)

	c.Clear()
	require.Equal(t, uint64(1), c.Stats().Cleared)

	st = cache.Stats{Entries: 1234, MaxEntries: 5000, Bytes: 2_500_000, Hits: 3000, Misses: 1000, Evicted: 12, Expired: 3456, Refused: 1}
	require.Equal(t, "1,234 of 5,000 entries in 2.5 MB of any; 3,000 hits and 1,000 misses (75.0 %); 12 evicted, 3,456 expired, 1 refused", st.String())
}

// The sentence tells what is not bounded, and that nothing was read yet.
func TestStatsOfAnEmptyCache(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxBytes: 50_000_000})
	require.Regexp(t, `^0 of any entries in [0-9.]+ kB of 50 MB; 0 hits and 0 misses \(0.0 %\); 0 evicted, 0 expired, 0 refused$`, c.Stats().String())
}

// What Stats says of the last victim is what OnRemove could have known, to a sixteenth of the time in which the
// cache turns over, and not more than about four such times.
func TestAgeOfTheLastVictim(t *testing.T) {
	const n, turnover = 1000, 1000 * time.Second
	synctest.Test(t, func(t *testing.T) {
		set := map[int]time.Time{}
		var age, oldest time.Duration
		c := newCache(t, cache.Config[int, int]{MaxEntries: n, OnRemove: func(key, _ int, _ cache.Reason) { age = time.Since(set[key]) }})
		require.Zero(t, c.Stats().LastVictimAge)
		for i := range 10 * n {
			if i == 5*n {
				c.Shrink(0.5) // or only the youngest would go
			}
			set[i] = time.Now()
			c.Set(i, i)
			if i > n {
				got := c.Stats().LastVictimAge
				require.LessOrEqual(t, got, age+turnover/16+2*time.Second, "victim %d", i-n)
				full := time.Duration(i-n) * time.Second // a cache that fills turns over faster
				require.GreaterOrEqual(t, got, min(age, 3*turnover, full)-turnover/16-2*time.Second, "victim %d", i-n)
			}
			oldest = max(oldest, age)
			time.Sleep(time.Second)
		}
		require.Greater(t, oldest, turnover/2, "no victim was old")
	})
}

func TestReasonString(t *testing.T) {
	for want, r := range map[string]cache.Reason{
		"evicted": cache.Evicted, "expired": cache.Expired, "deleted": cache.Deleted, "replaced": cache.Replaced,
		"cleared": cache.Cleared, "refused": cache.Refused, "reason 77": 77,
	} {
		require.Equal(t, want, r.String())
	}
}
