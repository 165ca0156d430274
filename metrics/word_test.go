package metrics

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Codes are in the order of the values, and a value comes back a little too small if at all: an
// integer by less than a billionth of itself, a fraction by less than two.
func FuzzWord(f *testing.F) {
	f.Add(int64(1<<36-1), int64(1<<36), 0.0, math.Copysign(0, -1))
	f.Add(int64(math.MaxInt64), int64(math.MinInt64), math.MaxFloat64, math.SmallestNonzeroFloat64)
	f.Add(int64(1<<36), int64(1<<36+1), math.Inf(1), math.NaN())
	f.Add(int64(0), int64(1<<62), 1.0, 1+1e-9)
	f.Add(int64(1<<36+1), int64(1<<62+1<<27-1), 1+0x1p-29-0x1p-52, 0x1p-29-0x1p-80)
	f.Fuzz(func(t *testing.T, a, b int64, c, d float64) {
		checkCodes(t, time.Duration(a), time.Duration(b))
		checkCodes(t, c, d)
	})
}

func checkCodes[T Number](t *testing.T, a, b T) {
	ca, okA := encode(a)
	cb, okB := encode(b)
	require.Equal(t, a >= 0 && !math.IsInf(float64(a), 0), okA)
	if !okA || !okB {
		return
	}
	if a <= b {
		require.LessOrEqual(t, ca, cb)
	} else {
		require.GreaterOrEqual(t, ca, cb)
	}
	require.Less(t, ca, uint64(1<<40-1))
	got := decode[T](ca)
	require.LessOrEqual(t, got, a)
	if float64(a) > 1e-300 { // below are the denormal numbers
		least := 1e-9
		if fractional[T]() {
			least = 2e-9
		}
		require.LessOrEqual(t, float64(a)-float64(got), float64(a)*least)
	}
	if !fractional[T]() && a < 1<<exact {
		require.Equal(t, a, got)
	}
	again, _ := encode(got)
	require.Equal(t, ca, again)
	w := newWord(ca, math.MaxInt64)
	require.NotZero(t, w)
	require.Equal(t, ca, w.code())
}

func TestWordAge(t *testing.T) {
	const lap = 1 << tickBits
	for _, at := range []int64{0, 1, lap - 1, lap, 5*lap - 1, 5 * lap} {
		w := newWord(0, at)
		require.Equal(t, int64(0), w.age(at))
		require.Equal(t, int64(100), w.age(at+100))
		require.Equal(t, int64(lap/2), w.age(at+lap/2))
		if at > 0 {
			require.Equal(t, int64(0), w.age(at-1), "made after the reader looked at its clock")
		}
	}
}

// A word that would look young again after 2^24 ticks is forgotten by whoever
// reads or sweeps the ring before.
func TestRingForgetsForGood(t *testing.T) {
	for name, forget := range map[string]func(r *Ring[float64], at time.Duration){
		"snapshot": func(r *Ring[float64], at time.Duration) { r.snapshot(at, nil) },
		"sweep": func(r *Ring[float64], at time.Duration) {
			r.clock.base = time.Now().Add(-at)
			require.Equal(t, 3, r.Sweep())
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRing[float64](RingConfig{Size: 3, MaxAge: time.Minute}, newClock(time.Minute))
			for range 3 {
				r.observe(0, 7)
			}
			lap := time.Duration(1) << (tickBits + r.shift)
			require.Equal(t, 3, r.snapshot(30*time.Second, nil).Count)
			forget(r, time.Hour)
			require.Zero(t, r.snapshot(lap, nil).Count)
		})
	}
}

// So long nothing looks young again, as the documentation of MaxAge says.
func TestRingIsOldForLong(t *testing.T) {
	for _, maxAge := range []time.Duration{1<<20 - 1, 1 << 20, 1<<20 + 1, time.Minute, 9 * time.Minute} {
		for _, ages := range []time.Duration{2, 1000, 114_687} {
			r := newRing[float64](RingConfig{Size: 3, MaxAge: maxAge}, newClock(0))
			r.observe(0, 7)
			require.Zero(t, r.snapshot(ages*maxAge, nil).Count, "%d times %v", ages, maxAge)
		}
	}
}

// The rank is that of the decimal number, however many observations there are.
func TestNearestRankIsExact(t *testing.T) {
	for _, places := range []int64{10, 100, 1000, 10_000} {
		for _, n := range []int64{1, 7, 99, 1000, 1_100_999, 10_000_099, 16_000_099, maxRingSize - 1, maxRingSize} {
			for k := int64(1); k < places; k++ {
				want := (k*n + places - 1) / places
				if rank := int64(nearestRank(float64(k)/float64(places), int(n))); rank != want {
					require.Equal(t, want, rank, "%d/%d of %d", k, places, n)
				}
			}
		}
	}
}

func TestRingPlaces(t *testing.T) {
	for size := 1; size <= 300; size++ {
		r := newRing[int64](RingConfig{Size: size, MaxAge: time.Minute}, newClock(0))
		require.GreaterOrEqual(t, len(r.words), size)
		require.Less(t, len(r.words), 2*size)
		for n := range len(r.words) {
			r.observe(0, int64(n))
		}
		for i := range r.words {
			require.NotZero(t, r.words[i].Load(), "size %d: each place is of one observation", size)
		}
	}
}
