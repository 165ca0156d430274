package metrics_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/stretchr/testify/require"
)

func newRing(t testing.TB, c metrics.RingConfig) *metrics.Ring[time.Duration] {
	t.Helper()
	r, err := metrics.NewRing(c)
	require.NoError(t, err)
	return r
}

func TestRingConfigNamesFieldValueAndWant(t *testing.T) {
	_, err := metrics.NewRing(metrics.RingConfig{Size: -1})
	require.EqualError(t, err, "metrics: RingConfig.Size is -1, want 0 to 16777216")
	_, err = metrics.NewRing(metrics.RingConfig{CacheFor: -1})
	require.EqualError(t, err, "metrics: RingConfig.CacheFor is -1ns, want zero or more")
	_, err = metrics.NewRing(metrics.RingConfig{MaxAge: -time.Second})
	require.EqualError(t, err, "metrics: RingConfig.MaxAge is -1s, want zero or more")
}

func TestRingQuantileIsNearestRank(t *testing.T) {
	r := newRing(t, metrics.RingConfig{})
	for _, i := range rand.Perm(100) {
		r.Observe(time.Duration(i + 1))
	}
	s := r.Snapshot()
	require.Equal(t, 100, s.Count)
	require.Equal(t, time.Duration(1), s.Min)
	require.Equal(t, time.Duration(100), s.Max)
	require.Equal(t, time.Duration(50), s.Mean) // 50.5 in whole nanoseconds
	for percent := 1; percent <= 100; percent++ {
		require.Equal(t, time.Duration(percent), s.Quantile(float64(percent)/100), "p%d", percent)
	}
	require.Equal(t, time.Duration(1), s.Quantile(1e-300))
	require.Equal(t, time.Duration(51), s.Quantile(0.501))
}

func TestRingQuantileOfAnyArgument(t *testing.T) {
	r := newRing(t, metrics.RingConfig{})
	outside := []float64{math.NaN(), math.Inf(-1), -1, 0, 0.5, 1, 2, math.Inf(1)}
	for _, q := range outside {
		require.Zero(t, r.Snapshot().Quantile(q), "of nothing, q=%v", q)
		require.Zero(t, metrics.RingSnapshot[time.Duration]{}.Quantile(q))
	}
	r.Observe(1)
	r.Observe(3)
	s := r.Snapshot()
	want := []time.Duration{1, 1, 1, 1, 1, 3, 3, 3}
	for i, q := range outside {
		require.Equal(t, want[i], s.Quantile(q), "q=%v", q)
	}
}

func TestRingHoldsTheLastObservations(t *testing.T) {
	r := newRing(t, metrics.RingConfig{Size: 10})
	for i := range 1234 {
		r.Observe(time.Duration(i))
	}
	s := r.Snapshot()
	require.Equal(t, 10, s.Count)
	require.Equal(t, time.Duration(1224), s.Min)
	require.Equal(t, time.Duration(1233), s.Max)
	require.Equal(t, uint64(1234), s.Observed)
	require.Zero(t, s.Dropped)
}

func TestRingAtTheExtremes(t *testing.T) {
	r := newRing(t, metrics.RingConfig{Size: 3})
	r.Observe(math.MaxInt64)
	r.Observe(math.MaxInt64)
	r.Observe(0)
	r.Observe(-1)
	s := r.Snapshot()
	require.Equal(t, 3, s.Count)
	require.Zero(t, s.Min)
	require.InEpsilon(t, float64(math.MaxInt64), float64(s.Max), 1e-9)
	require.Equal(t, s.Max, s.Quantile(0.99))
	require.Positive(t, s.Mean)
	require.Equal(t, uint64(1), s.Dropped)
	require.Equal(t, uint64(3), s.Observed)

	r.Observe(1<<36 - 1)
	require.Equal(t, time.Duration(1<<36-1), r.Snapshot().Quantile(0.5), "68 s are exact")
}

// Though there is no float64 for the sum of so many.
func TestRingMeanOfEqualsIsTheirs(t *testing.T) {
	const size = 1 << 18
	r := newRing(t, metrics.RingConfig{Size: size, MaxAge: time.Hour})
	for d := time.Duration(1<<36 - 1); d > 1<<36-9; d -= 2 {
		for range size {
			r.Observe(d)
		}
		require.Equal(t, d, r.Snapshot().Mean)
	}
}

type celsius float64

func (celsius) Unit() string { return "celsius" }

func TestRingOfOtherFigures(t *testing.T) {
	r, err := metrics.NewRingOf[celsius](metrics.RingConfig{})
	require.NoError(t, err)
	for _, v := range []celsius{36.6, 0, 41.5, celsius(math.NaN()), celsius(math.Inf(1)), celsius(math.Inf(-1)), -1} {
		r.Observe(v)
	}
	s := r.Snapshot()
	require.Equal(t, 3, s.Count)
	require.Equal(t, uint64(4), s.Dropped)
	require.Zero(t, s.Min)
	require.InEpsilon(t, 36.6, float64(s.Quantile(0.5)), 1e-8)
	require.InEpsilon(t, 41.5, float64(s.Max), 1e-8)
	require.InEpsilon(t, 78.1/3, float64(s.Mean), 1e-8)
	r.Observe(math.MaxFloat64)
	r.Observe(math.MaxFloat64)
	s = r.Snapshot()
	require.Equal(t, s.Max, s.Mean, "a sum beyond all numbers")
	require.InEpsilon(t, math.MaxFloat64, float64(s.Max), 1e-8)
	b, err := s.MarshalJSON()
	require.NoError(t, err)
	require.True(t, json.Valid(b))
	require.Contains(t, string(b), `"min_celsius":0,`)
	require.Contains(t, string(b), `"too_few":["p50","p90","p95","p99"],"dropped":4}`)
}

func TestRingSaysWhichQuantilesRestOnEnough(t *testing.T) {
	r := newRing(t, metrics.RingConfig{})
	for n := range 1000 {
		s := r.Snapshot()
		require.Equal(t, n >= 20, s.Enough(0.5))
		require.Equal(t, n >= 100, s.Enough(0.1))
		require.Equal(t, n >= 100, s.Enough(0.9))
		require.False(t, s.Enough(0.99))
		require.False(t, s.Enough(math.NaN()))
		require.False(t, s.Enough(1))
		r.Observe(1)
	}
	require.True(t, r.Snapshot().Enough(0.99))
}

func TestRingForgetsWhenTrafficStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, metrics.RingConfig{}) // 5 minutes
		r.Observe(time.Hour)
		time.Sleep(time.Minute)
		r.Observe(time.Second)
		s := r.Snapshot()
		require.Equal(t, 2, s.Count)
		require.InDelta(t, time.Minute, s.Age, float64(5*time.Minute/64))

		time.Sleep(4*time.Minute - 5*time.Minute/64 - 1)
		require.Equal(t, 2, r.Snapshot().Count, "to a 64th of MaxAge")
		time.Sleep(5*time.Minute/64 + 2)
		s = r.Snapshot()
		require.Equal(t, 1, s.Count, "older than MaxAge by a nanosecond")
		require.Equal(t, time.Second, s.Quantile(0.99))

		time.Sleep(time.Minute)
		s = r.Snapshot()
		require.Zero(t, s.Count)
		require.Zero(t, s.Quantile(0.5))
		require.Zero(t, s.Mean)
	})
}

// Whatever the pace of the observations: with many, few or none in a period of
// the ring's clock.
func TestRingAgesAtAnyPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, maxAge := range []time.Duration{1, 100, time.Microsecond, time.Second, time.Minute, 10 * time.Hour} {
			r := newRing(t, metrics.RingConfig{Size: 5000, MaxAge: maxAge})
			for pace := max(maxAge/1000, 1); pace < 4*maxAge; pace = 3*pace + 1 {
				for range 1000 {
					r.Observe(1)
					time.Sleep(pace)
				}
				within := int(maxAge / pace)
				require.LessOrEqual(t, r.Snapshot().Count, max(within, 1), "%v every %v", maxAge, pace)
				require.GreaterOrEqual(t, r.Snapshot().Count, min(within, 1000)*60/64-2, "%v every %v", maxAge, pace)
				time.Sleep(maxAge)
				require.Zero(t, r.Snapshot().Count)
			}
		}
	})
}

// Whatever the phase in which an observation is made: never beyond MaxAge, and at least until
// a thirtieth before it. That is what documentation says, and no more.
func TestRingForgetsWithinAThirtiethOfMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		early := 0
		for _, maxAge := range []time.Duration{5 * time.Minute, time.Minute, 65 * time.Second, 3 * time.Second, 129} {
			r := newRing(t, metrics.RingConfig{MaxAge: maxAge})
			off := 0.0
			for range 500 {
				time.Sleep(maxAge + maxAge/97 + 1)
				require.Zero(t, r.Snapshot().Count, "older than %v", maxAge)
				r.Observe(1)
				time.Sleep(maxAge * 29 / 30)
				s := r.Snapshot()
				require.Equal(t, 1, s.Count, "%v: a thirtieth too early", maxAge)
				off = max(off, math.Abs(float64(s.Age-maxAge*29/30))/float64(maxAge))
				time.Sleep(maxAge / 60)
				early += 1 - r.Snapshot().Count
			}
			require.LessOrEqual(t, off, 1/50.0, "Age")
		}
		require.Positive(t, early, "it is not a sixtieth")
	})
}

// The ring has eight places for five observations.
func TestRingSweepReturnsHowManyWereHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, made := range []int{0, 3, 5, 8, 100} {
			r := newRing(t, metrics.RingConfig{Size: 5})
			for range made {
				r.Observe(1)
			}
			require.Equal(t, min(made, 5), r.Snapshot().Count)
			require.Zero(t, r.Sweep())
			time.Sleep(5*time.Minute + 1)
			require.Equal(t, min(made, 5), r.Sweep())
			require.Zero(t, r.Sweep())
			require.Zero(t, r.Snapshot().Count)
		}
	})
}

func TestRingCachedIsNoOlderThanCacheFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, metrics.RingConfig{CacheFor: time.Minute})
		r.Observe(1)
		require.Equal(t, 1, r.Cached().Count)
		r.Observe(2)
		time.Sleep(time.Minute - 1)
		require.Equal(t, 1, r.Cached().Count)
		time.Sleep(time.Nanosecond)
		require.Equal(t, 2, r.Cached().Count)
		require.Equal(t, time.Duration(2), r.Cached().Quantile(1))
	})
}

func TestRingSnapshotDoesNotChange(t *testing.T) {
	r := newRing(t, metrics.RingConfig{Size: 2})
	r.Observe(1)
	s := r.Snapshot()
	r.Observe(2)
	r.Observe(3)
	require.Equal(t, time.Duration(1), s.Quantile(1))
}

// Writers write values that only they may write, at their own pace; a snapshot
// must hold nothing else, and nothing that is long gone.
func TestRingUnderConcurrentWriters(t *testing.T) {
	for _, size := range []int{10, 100, 1000} {
		t.Run(fmt.Sprint("size=", size), func(t *testing.T) { testConcurrentWriters(t, size) })
	}
}

func testConcurrentWriters(t *testing.T, size int) {
	const writers, each = 8, 5000
	r := newRing(t, metrics.RingConfig{Size: size, MaxAge: time.Hour, CacheFor: time.Nanosecond})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r.Observe(time.Duration(w*1_000_000 + i))
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for _, s := range []metrics.RingSnapshot[time.Duration]{r.Snapshot(), r.Cached()} {
			require.LessOrEqual(t, s.Count, size)
			last := time.Duration(-1)
			for q := 0.0; q <= 1; q += 0.05 {
				v := s.Quantile(q)
				require.GreaterOrEqual(t, v, last)
				last = v
				require.Less(t, int(v%1_000_000), each)
				require.Less(t, int(v/1_000_000), writers)
			}
		}
	}
	s := r.Snapshot()
	require.Equal(t, uint64(writers*each), s.Observed)
	require.Equal(t, size, s.Count)
	require.Equal(t, size, r.Cached().Count)
}

func FuzzRingAgainstASortedSlice(f *testing.F) {
	f.Add([]byte{3, 1, 2}, 0.5)
	f.Add([]byte{}, 0.99)
	f.Fuzz(func(t *testing.T, values []byte, q float64) {
		const size = 7
		r := newRing(t, metrics.RingConfig{Size: size, MaxAge: time.Hour})
		for _, v := range values {
			r.Observe(time.Duration(v))
		}
		last := slices.Clone(values[max(0, len(values)-size):])
		slices.Sort(last)
		s := r.Snapshot()
		require.Equal(t, len(last), s.Count)
		got := s.Quantile(q)
		if len(last) == 0 {
			require.Zero(t, got)
			return
		}
		// By the definition: the smallest value that at least q of all do not exceed.
		atMost := func(v time.Duration) int {
			n, _ := slices.BinarySearch(last, byte(v)+1)
			if v == 255 {
				n = len(last)
			}
			return n
		}
		share := func(v time.Duration) float64 { return float64(atMost(v)) / float64(len(last)) }
		q = min(max(q, 0), 1)
		if math.IsNaN(q) {
			q = 0
		}
		require.Contains(t, last, byte(got))
		require.GreaterOrEqual(t, share(got)+1e-6, q)
		if i, _ := slices.BinarySearch(last, byte(got)); i > 0 {
			require.Less(t, share(time.Duration(last[i-1]))-1e-6, q)
		}
	})
}
