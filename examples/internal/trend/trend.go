// Package trend says whether a figure that rises and falls all the time rises as a whole.
package trend

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// What a trend is computed from.
const (
	maxBlocks   = 10 // at the most
	minBlocks   = 6  // at the least: fewer cannot reach the confidence that a leak is said with
	blockPoints = 3  // at the least, in each block

	// MinPoints is how many points Of needs.
	MinPoints = minBlocks * blockPoints
)

// A Point is a figure at a moment.
type Point struct {
	At    time.Time
	Value float64
}

// A Trend is how a series of points goes, in their unit.
//
// The series is cut into at most ten blocks, and of each only the lowest value is kept, its low-water mark:
// memory that a collector lets grow and cuts back has level marks, and memory that leaks has rising ones. The
// rate is the median of the slopes between any two marks (Theil, 1950; Sen, 1968), the confidence that of the
// one-sided test of Mann (1945) and Kendall (1975) with its correction for ties. It assumes that without a leak
// the marks come in any order, which is so for waves of up to about half the time watched: a longer one that is
// seen rising only looks like a leak, as does a cache that is still filling.
type Trend struct {
	Blocks     int     `json:"blocks"`
	PerHour    float64 `json:"per_hour"`             // over all marks
	LateRate   float64 `json:"second_half_per_hour"` // over the second half of them
	Confidence float64 `json:"confidence"`           // that there is growth; 0.5 says nothing
	LowWater   float64 `json:"low_water"`            // median of the marks
	Hours      float64 `json:"hours"`                // between the first and the last point
	Grown      float64 `json:"grown"`                // in that time, at the slower of the two rates
}

// Of returns the trend of points, oldest first, and false if they are fewer than MinPoints or all of one moment.
func Of(points []Point) (Trend, bool) {
	blocks := min(maxBlocks, len(points)/blockPoints)
	if blocks < minBlocks || !points[0].At.Before(points[len(points)-1].At) {
		return Trend{}, false
	}
	marks := lowWater(points, blocks)
	t := Trend{
		Blocks:     len(marks),
		PerHour:    slope(marks),
		LateRate:   slope(marks[len(marks)/2:]),
		Confidence: confidence(marks),
		LowWater:   median(values(marks)),
		Hours:      points[len(points)-1].At.Sub(points[0].At).Hours(),
	}
	t.Grown = min(t.PerHour, t.LateRate) * t.Hours
	return t, true
}

// lowWater returns the lowest of each of n blocks of as many points each.
func lowWater(points []Point, n int) []Point {
	marks := make([]Point, n)
	for i := range marks {
		marks[i] = slices.MinFunc(block(points, i, n), func(a, b Point) int { return cmp.Compare(a.Value, b.Value) })
	}
	return marks
}

// block returns the i-th of n blocks of points.
func block(points []Point, i, n int) []Point {
	return points[i*len(points)/n : (i+1)*len(points)/n]
}

// slope returns the median of the rates between any two marks, per hour.
func slope(marks []Point) float64 {
	var rates []float64
	for i, from := range marks {
		for _, to := range marks[i+1:] {
			if hours := to.At.Sub(from.At).Hours(); hours > 0 {
				rates = append(rates, (to.Value-from.Value)/hours)
			}
		}
	}
	return median(rates)
}

// confidence returns the share of trendless series that rise less than marks do.
func confidence(marks []Point) float64 {
	score := 0 // pairs that rise less pairs that fall
	ties := make(map[float64]int)
	for i, from := range marks {
		ties[from.Value]++
		for _, to := range marks[i+1:] {
			score += cmp.Compare(to.Value, from.Value)
		}
	}
	spread := func(n int) float64 { return float64(n*(n-1)*(2*n+5)) / 18 }
	variance := spread(len(marks))
	for _, n := range ties {
		variance -= spread(n)
	}
	if score == 0 || variance <= 0 {
		return 0.5
	}
	z := float64(score)
	z = (z - math.Copysign(1, z)) / math.Sqrt(variance) // the score jumps by two
	return 0.5 * math.Erfc(-z/math.Sqrt2)
}

func values(points []Point) []float64 {
	list := make([]float64, len(points))
	for i, p := range points {
		list[i] = p.Value
	}
	return list
}

// median returns the middle of list, which it sorts, and zero of none.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}
