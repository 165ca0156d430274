package metrics_test

import (
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

func newRing(t *testing.T, c metrics.RingConfig) *metrics.Ring {
	t.Helper()
	r, err := metrics.NewRing(c)
	require.NoError(t, err)
	return r
}

func TestRingConfigNamesFieldValueAndWant(t *testing.T) {
	_, err := metrics.NewRing(metrics.RingConfig{Size: -1})
	require.EqualError(t, err, "metrics: RingConfig.Size is -1, want 0 to 16777216")
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
		require.Zero(t, metrics.RingSnapshot{}.Quantile(q))
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
	require.Zero(t, s.Skipped)
}

func TestRingIsExactAtTheExtremes(t *testing.T) {
	r := newRing(t, metrics.RingConfig{Size: 3})
	r.Observe(math.MaxInt64)
	r.Observe(math.MaxInt64)
	r.Observe(0)
	r.Observe(-1)
	s := r.Snapshot()
	require.Equal(t, 3, s.Count)
	require.Zero(t, s.Min)
	require.Equal(t, time.Duration(math.MaxInt64), s.Max)
	require.Positive(t, s.Mean)
	require.Equal(t, uint64(1), s.Negative)
}

func TestRingForgetsWhenTrafficStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, metrics.RingConfig{}) // 5 minutes
		r.Observe(time.Hour)
		time.Sleep(time.Minute)
		r.Observe(time.Second)
		s := r.Snapshot()
		require.Equal(t, 2, s.Count)
		require.Equal(t, time.Minute, s.Age)

		time.Sleep(4 * time.Minute)
		require.Equal(t, 2, r.Snapshot().Count, "as old as MaxAge still counts")
		time.Sleep(time.Nanosecond)
		s = r.Snapshot()
		require.Equal(t, 1, s.Count)
		require.Equal(t, time.Second, s.Quantile(0.99))

		time.Sleep(time.Minute)
		s = r.Snapshot()
		require.Zero(t, s.Count)
		require.Zero(t, s.Quantile(0.5))
		require.Zero(t, s.Mean)
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
// must hold nothing else, and all that is lost must be counted.
func TestRingUnderConcurrentWriters(t *testing.T) {
	const writers, each = 8, 5000
	r := newRing(t, metrics.RingConfig{Size: 64, MaxAge: time.Hour})
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
		s := r.Snapshot()
		require.LessOrEqual(t, s.Count, 64)
		last := time.Duration(-1)
		for q := 0.0; q <= 1; q += 0.05 {
			v := s.Quantile(q)
			require.GreaterOrEqual(t, v, last)
			last = v
			require.Less(t, int(v%1_000_000), each)
			require.Less(t, int(v/1_000_000), writers)
		}
	}
	s := r.Snapshot()
	require.Equal(t, uint64(writers*each), s.Observed)
	require.Zero(t, s.Busy)
	require.Equal(t, 64, s.Count)
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
