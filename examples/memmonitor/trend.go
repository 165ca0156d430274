package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// What a trend is computed from.
const (
	trendBlocks    = 10 // at the most
	minTrendBlocks = 6  // at the least: fewer cannot reach the confidence that a leak is said with
	blockPoints    = 3  // at the least, in each block
)

// A point is a figure at a moment.
type point struct {
	at    time.Time
	value float64
}

// A trend says whether a figure that rises and falls all the time rises as a whole.
//
// The series is cut into at most ten blocks, and of each only the lowest value is kept, its low-water mark: memory that a collector
// lets grow and cuts back has level marks, and memory that leaks has rising ones. The rate is the median of the slopes between any two marks
// (Theil, 1950; Sen, 1968), the confidence that of the one-sided test of Mann (1945) and Kendall (1975) with its
// correction for ties. It assumes that without a leak the marks come in any order, which is so for waves of up to about half the time watched:
// a longer one that is seen rising only looks like a leak, as does a cache that is still filling.
type trend struct {
	Blocks     int     `json:"blocks"`
	MBPerHour  float64 `json:"mb_per_hour"`             // over all marks
	LateRate   float64 `json:"second_half_mb_per_hour"` // over the second half of them
	Confidence float64 `json:"confidence"`              // that there is growth; 0.5 says nothing
	LowWater   float64 `json:"low_water_mb"`            // median of the marks
	Hours      float64 `json:"hours"`                   // between the first and the last point
	GrownMB    float64 `json:"grown_mb"`                // in that time, at the slower of the two rates
}

// What makes growth a leak.
const (
	leakConfidence = 0.99
	leakShare      = 0.01 // of the low water
	leakMB         = 1
)

// leak reports whether the growth is certain and matters.
func (t *trend) leak() bool {
	return t.Confidence >= leakConfidence && t.GrownMB >= max(leakMB, leakShare*t.LowWater)
}

// trendOf returns the trend of points, oldest first, and nil if they are too few.
func trendOf(points []point) *trend {
	blocks := min(trendBlocks, len(points)/blockPoints)
	if blocks < minTrendBlocks || !points[0].at.Before(points[len(points)-1].at) {
		return nil
	}
	marks := lowWater(points, blocks)
	t := &trend{
		Blocks:     len(marks),
		MBPerHour:  slope(marks),
		LateRate:   slope(marks[len(marks)/2:]),
		Confidence: confidence(marks),
		LowWater:   median(values(marks)),
		Hours:      points[len(points)-1].at.Sub(points[0].at).Hours(),
	}
	t.GrownMB = min(t.MBPerHour, t.LateRate) * t.Hours
	return t
}

// lowWater returns the lowest of each of n blocks of as many points each.
func lowWater(points []point, n int) []point {
	marks := make([]point, n)
	for i := range marks {
		block := points[i*len(points)/n : (i+1)*len(points)/n]
		marks[i] = slices.MinFunc(block, func(a, b point) int { return cmp.Compare(a.value, b.value) })
	}
	return marks
}

// slope returns the median of the rates between any two marks, per hour.
func slope(marks []point) float64 {
	var rates []float64
	for i, from := range marks {
		for _, to := range marks[i+1:] {
			if hours := to.at.Sub(from.at).Hours(); hours > 0 {
				rates = append(rates, (to.value-from.value)/hours)
			}
		}
	}
	return median(rates)
}

// confidence returns the share of trendless series that rise less than marks do.
func confidence(marks []point) float64 {
	score := 0 // pairs that rise less pairs that fall
	ties := make(map[float64]int)
	for i, from := range marks {
		ties[from.value]++
		for _, to := range marks[i+1:] {
			score += cmp.Compare(to.value, from.value)
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

func values(points []point) []float64 {
	list := make([]float64, len(points))
	for i, p := range points {
		list[i] = p.value
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
