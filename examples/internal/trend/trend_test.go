package trend

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// series returns n values, a minute apart.
func series(n int, value func(i int) float64) []Point {
	points := make([]Point, n)
	for i := range points {
		points[i] = Point{time.Date(2026, 11, 1, 0, i, 0, 0, time.UTC), value(i)}
	}
	return points
}

// sawtooth is memory that a collector lets grow by 40 and cuts back, every seven minutes.
func sawtooth(i int) float64 { return 100 + 40*float64(i%7)/6 }

// What is certain to rise has a rate and a confidence that say so, and what waves does not.
func TestWavesAreNoTrendAndLeaksAre(t *testing.T) {
	flat, ok := Of(series(600, sawtooth))
	require.True(t, ok)
	require.Zero(t, flat.PerHour)
	require.Equal(t, 0.5, flat.Confidence)
	require.Equal(t, 100.0, flat.LowWater)

	leak, ok := Of(series(600, func(i int) float64 { return sawtooth(i) + 0.1*float64(i) }))
	require.True(t, ok)
	require.Greater(t, leak.Confidence, 0.999)
	require.InDelta(t, 6, leak.PerHour, 0.1)
	require.InDelta(t, 6, leak.LateRate, 0.2)
	require.InDelta(t, 599*0.1, leak.Grown, 1.5)
	require.Equal(t, maxBlocks, leak.Blocks)

	shrinking, ok := Of(series(600, func(i int) float64 { return sawtooth(i) - 0.1*float64(i) }))
	require.True(t, ok)
	require.Less(t, shrinking.Confidence, 0.001)
}

// A warm-up that is over is not grown by: the second half stands still.
func TestGrownGoesByTheSlowerRate(t *testing.T) {
	warm, ok := Of(series(600, func(i int) float64 { return min(float64(i), 250) }))
	require.True(t, ok)
	require.Positive(t, warm.PerHour)
	require.Zero(t, warm.LateRate)
	require.Zero(t, warm.Grown)
}

func TestTooFewPointsAreNoTrend(t *testing.T) {
	_, ok := Of(series(MinPoints-1, sawtooth))
	require.False(t, ok)
	_, ok = Of(series(MinPoints, sawtooth))
	require.True(t, ok)
	moment := series(MinPoints, sawtooth)
	for i := range moment {
		moment[i].At = moment[0].At
	}
	_, ok = Of(moment)
	require.False(t, ok)
	_, ok = Through(moment)
	require.False(t, ok)
	_, ok = Through(series(5*blockPoints-1, sawtooth))
	require.False(t, ok)
}

// Of a hundred series without a trend few are taken for one that rises, however much neighbours resemble each other.
func TestTheConfidenceIsThatOfTheTest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const tries = 2000
	certain := 0
	for range tries {
		state := 0.0
		points := series(400, func(int) float64 {
			state = 0.8*state + r.NormFloat64()
			return 100 + state
		})
		if trend, _ := Of(points); trend.Confidence >= 0.99 {
			certain++
		}
	}
	require.Less(t, certain, tries*2/100)
}
