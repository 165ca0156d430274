package metrics

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// feed adds the values of f, one each tenth of a block, for so many blocks and one value more.
func feed(t *trend, blocks int, f func(at time.Duration) float64) {
	for i := range blocks*10 + 1 {
		at := time.Duration(i) * t.block / 10
		t.add(at, f(at))
	}
}

func TestTrendOfALineIsTheLine(t *testing.T) {
	for _, rate := range []float64{0.001, -0.001} {
		tr := trend{block: time.Minute}
		feed(&tr, 40, func(at time.Duration) float64 { return 7 + rate*at.Seconds() })
		s, ok := tr.estimate()
		require.True(t, ok)
		require.Equal(t, trendPoints, s.points)
		require.InDelta(t, rate, s.rate, 1e-12)
		require.InDelta(t, rate, s.low, 1e-12)
		require.InDelta(t, rate, s.high, 1e-12)
		if rate > 0 {
			require.Greater(t, s.confidence, 0.999999)
		} else {
			require.Less(t, s.confidence, 0.000001)
		}
		end := tr.marks[(tr.ended-1)%trendPoints]
		require.InDelta(t, end.value, s.last, 1e-9)
	}
}

func TestTrendNeedsEightMarks(t *testing.T) {
	tr := trend{block: time.Minute}
	feed(&tr, minTrendPoints-1, func(at time.Duration) float64 { return 1 })
	_, ok := tr.estimate()
	require.False(t, ok)
	feed(&tr, minTrendPoints, func(at time.Duration) float64 { return 1 })
	s, ok := tr.estimate()
	require.True(t, ok)
	require.Zero(t, s.rate)
	require.Equal(t, 0.5, s.confidence, "a constant says nothing") //nolint:testifylint // exactly
	tr.reset()
	_, ok = tr.estimate()
	require.False(t, ok)
}

// The heap grows 40-fold between two collections, and its low-water marks do not.
func TestTrendIsNotFooledByASawTooth(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	tr := trend{block: time.Minute}
	feed(&tr, 32, func(at time.Duration) float64 {
		return 10 + 400*math.Mod(at.Seconds(), 47)/47 + random.Float64()
	})
	s, ok := tr.estimate()
	require.True(t, ok)
	require.Less(t, s.confidence, 0.99)

	// With a leak of a quarter of the tooth's height in half an hour, they do.
	tr.reset()
	feed(&tr, 32, func(at time.Duration) float64 {
		return 10 + 400*math.Mod(at.Seconds(), 47)/47 + random.Float64() + 100*at.Minutes()/30
	})
	s, _ = tr.estimate()
	require.Greater(t, s.confidence, 0.9999)
	require.InDelta(t, 100./30/60, s.rate, 0.01)
}

// A few outliers do not move the slope, as they move that of least squares.
func TestTrendWithstandsOutliers(t *testing.T) {
	tr := trend{block: time.Minute}
	n := 0
	for i := range trendPoints + 1 {
		v := float64(i)
		if i == 3 || i == 30 || i == 31 || i == 17 {
			v = 1e6
			n++
		}
		tr.add(time.Duration(i)*time.Minute, v)
	}
	s, ok := tr.estimate()
	require.True(t, ok)
	require.Equal(t, 4, n)
	require.InDelta(t, 1./60, s.rate, 0.003)
}

// The confidence is what it says: of trendless series one in twenty shows 95 %,
// and one in a hundred 99 %. And 95 of a hundred intervals contain the true slope.
func TestTrendConfidenceIsCalibrated(t *testing.T) {
	const series, rate = 4000, 0.01
	random := rand.New(rand.NewPCG(3, 4))
	above95, above99, inside := 0, 0, 0
	for range series {
		flat, rising := trend{block: time.Minute}, trend{block: time.Minute}
		for i := range trendPoints + 1 {
			at := time.Duration(i) * time.Minute
			flat.add(at, random.NormFloat64())
			rising.add(at, random.NormFloat64()+rate*at.Seconds())
		}
		s, _ := flat.estimate()
		if s.confidence > 0.95 {
			above95++
		}
		if s.confidence > 0.99 {
			above99++
		}
		if s, _ = rising.estimate(); s.low <= rate && rate <= s.high {
			inside++
		}
	}
	require.InDelta(t, 0.05, float64(above95)/series, 0.014)
	require.InDelta(t, 0.01, float64(above99)/series, 0.006)
	require.InDelta(t, 0.95, float64(inside)/series, 0.015)
}

// The next lower score is two less.
func TestConfidenceIsCorrectedForSteps(t *testing.T) {
	for score, want := range map[int]float64{0: 0.5, 1: 0.5, -1: 0.5, 11: 0.8413, -11: 0.1587} {
		require.InDelta(t, want, confidence(score, 10), 1e-4, "%d", score)
	}
	require.InDelta(t, 0.5, confidence(7, 0), 0, "all are equal")
}

// It is easier to be suspected any longer than to become so.
func TestSuspicionHasHysteresis(t *testing.T) {
	c := WatchConfig{}.withDefaults()
	for _, g := range []struct {
		confidence    float64
		horizons      float64
		becomes, goes bool
	}{
		{0.9991, 1, true, false}, {0.9989, 1, false, false}, {0.9991, 1.01, false, false},
		{0.901, 2, false, false}, {0.899, 2, false, true}, {0.9991, 2.01, false, true},
	} {
		at := time.Unix(0, 0)
		growth := Growth{At: at, Marks: trendPoints, Confidence: g.confidence, LimitAt: at.Add(time.Duration(g.horizons * float64(c.GrowthHorizon)))}
		require.Equal(t, g.becomes, growth.suspected(c, false), "%v", g)
		require.Equal(t, !g.goes, growth.suspected(c, true), "%v", g)
	}
}

func TestTrendWithTiesIsNotOverconfident(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	above := 0
	const series = 4000
	for range series {
		tr := trend{block: time.Minute}
		for i := range trendPoints + 1 {
			tr.add(time.Duration(i)*time.Minute, float64(random.IntN(3)))
		}
		if s, _ := tr.estimate(); s.confidence > 0.95 {
			above++
		}
	}
	require.InDelta(t, 0.05, float64(above)/series, 0.014)
}

// How often noise is suspected that is looked at again and again, for a month.
func TestGrowthSuspectsNoiseSeldom(t *testing.T) {
	const days = 30
	random := rand.New(rand.NewPCG(7, 8))
	tr := trend{block: defaultGrowthWindow / trendPoints}
	told := map[float64]int{0.999: 0, 0.9999: 0}
	suspected := map[float64]bool{}
	for now := time.Duration(0); now < days*24*time.Hour; now += tr.block {
		tr.add(now, 0.5+0.05*random.NormFloat64())
		s, ok := tr.estimate()
		if !ok {
			continue
		}
		g := growthOf(s, gib, time.Unix(0, 0).Add(now))
		for confidence := range told {
			before := suspected[confidence]
			suspected[confidence] = g.suspected(WatchConfig{GrowthConfidence: confidence}.withDefaults(), before)
			if suspected[confidence] && !before {
				told[confidence]++
			}
		}
	}
	require.InDelta(t, days/4., told[0.999], 6)
	require.LessOrEqual(t, told[0.9999], 3)
}

func FuzzTrend(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
	f.Fuzz(func(t *testing.T, readings []byte) {
		tr := trend{block: 3}
		var now time.Duration
		for i := 0; i+1 < len(readings); i += 2 {
			now += time.Duration(readings[i] % 16)
			tr.add(now, float64(readings[i+1]))
			s, ok := tr.estimate()
			require.Equal(t, tr.ended >= minTrendPoints, ok)
			if !ok {
				continue
			}
			require.False(t, math.IsNaN(s.rate) || math.IsInf(s.rate, 0))
			require.LessOrEqual(t, s.low, s.rate)
			require.GreaterOrEqual(t, s.high, s.rate)
			require.True(t, s.confidence >= 0 && s.confidence <= 1)
			require.Positive(t, s.window)
			g := growthOf(s, 256, time.Unix(0, 0))
			require.True(t, s.rate > 0 || g.LimitAt.IsZero())
			require.True(t, g.LimitAt.IsZero() || !g.LimitAt.Before(g.LimitSoonest))
			require.NotEmpty(t, g.String())
		}
	})
}
