package trend

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The figures of Anscombe's first set: slope 0.500, standard error 0.118 (The American Statistician 27, 1973).
func TestTheLineIsThatOfLeastSquares(t *testing.T) {
	y := []float64{4.26, 5.68, 7.24, 4.82, 6.95, 8.81, 8.04, 8.33, 10.84, 7.58, 9.96} // by x, from 4 to 14
	var points []Point
	for i, value := range y {
		for j := range blockPoints { // whose means are x and y
			at := time.Duration(i)*time.Hour + time.Duration(j-1)*time.Minute
			points = append(points, Point{time.Date(2026, 11, 1, 4, 0, 0, 0, time.UTC).Add(at), value + float64(j-1)})
		}
	}
	line, ok := Through(points)
	require.True(t, ok)
	require.InDelta(t, 0.500, line.PerHour, 0.001)
	require.InDelta(t, 0.118, line.Error, 0.001)
	require.InDelta(t, 0.500-2.262*0.118, line.Low, 0.001, "nine degrees of freedom")
	require.InDelta(t, 0.500+2.262*0.118, line.High, 0.001)
	require.True(t, line.Rises())

	level, ok := Through(series(100, func(int) float64 { return 7 }))
	require.True(t, ok)
	require.False(t, level.Rises())
	require.False(t, math.IsNaN(level.Error))
}

// The table of Student's distribution, as books have it.
func TestStudentIsThatOfTheTables(t *testing.T) {
	for freedom, want := range map[float64]float64{2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 10: 2.228, 18: 2.101, 60: 2.000} {
		require.InEpsilon(t, want, student(freedom), 0.01, freedom)
	}
}

// watched is what is seen of a figure in two minutes, four times a second: value after so many minutes, and
// noise whose neighbours resemble each other for a time.
func watched(r *rand.Rand, resemble time.Duration, noise float64, value func(minutes float64) float64) []Point {
	const every = time.Second / 4
	keep := 0.0
	if resemble > 0 {
		keep = math.Exp(-float64(every) / float64(resemble))
	}
	state := r.NormFloat64()
	points := make([]Point, 480)
	for i := range points {
		at := time.Duration(i) * every
		points[i] = Point{time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(at), value(at.Minutes()) + noise*state}
		state = keep*state + math.Sqrt(1-keep*keep)*r.NormFloat64()
	}
	return points
}

// The interval holds the slope about as often as it says, however long the noise goes one way.
func TestTheIntervalHoldsTheSlope(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const tries = 2000
	for _, resemble := range []time.Duration{0, time.Second / 2, 2 * time.Second, 5 * time.Second, 10 * time.Second} {
		for _, perMinute := range []float64{0, 0.5} {
			held, rising := 0, 0
			for range tries {
				line, ok := Through(watched(r, resemble, 0.4, func(minutes float64) float64 { return 40 + perMinute*minutes }))
				require.True(t, ok)
				if line.Low <= 60*perMinute && 60*perMinute <= line.High {
					held++
				}
				if line.Rises() {
					rising++
				}
			}
			require.Greater(t, held, tries*92/100, "%v, %v", resemble, perMinute)
			if perMinute == 0 {
				require.Less(t, rising, tries*4/100, "%v", resemble)
			}
		}
	}
}

// What a service's memory does: what is level is not taken for rising, and what leaks is found.
func TestRisingIsTold(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	saw := func(period float64) func(float64) float64 { // a collector's, in minutes
		return func(minutes float64) float64 { return 40 + math.Mod(minutes, period)/period }
	}
	leak := func(perMinute float64) func(float64) float64 {
		return func(minutes float64) float64 { return 40 + perMinute*minutes }
	}
	for _, test := range []struct {
		name        string
		noise       float64 // MB
		value       func(minutes float64) float64
		least, most int // of a hundred series rise
	}{
		{"level", 0.4, leak(0), 0, 6},
		{"level-and-silent", 0, leak(0), 0, 0},
		{"falling", 0.4, leak(-1), 0, 0},
		{"saw-of-two-seconds", 0.1, saw(2. / 60), 0, 6},
		{"saw-of-twenty-seconds", 0.1, saw(20. / 60), 0, 0},
		{"saw-of-two-seconds-and-leak", 0.1, func(m float64) float64 { return saw(2./60)(m) + m }, 100, 100},
		{"leak-of-1-MB-a-minute", 0.4, leak(1), 100, 100},
		{"leak-of-100-kB-a-minute", 0.1, leak(0.1), 70, 100},
		{"growth-that-slows-down", 0.4, func(m float64) float64 { return 40 + 5*(1-math.Exp(-m)) }, 80, 100},
		{"plateau", 0.4, func(m float64) float64 { return 40 + 5*(1-math.Exp(-6*(m+2))) }, 0, 6}, // watched from its third minute on
	} {
		t.Run(test.name, func(t *testing.T) {
			rising := 0
			for range 100 {
				line, ok := Through(watched(r, time.Second, test.noise, test.value))
				require.True(t, ok)
				require.False(t, math.IsNaN(line.Low))
				require.LessOrEqual(t, line.Low, line.PerHour)
				require.GreaterOrEqual(t, line.High, line.PerHour)
				if line.Rises() {
					rising++
				}
			}
			require.GreaterOrEqual(t, rising, test.least)
			require.LessOrEqual(t, rising, test.most)
		})
	}
}
