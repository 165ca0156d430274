package main

import (
	"fmt"
	"math"
	"time"

	"github.com/ministryfinder/bounded/examples/internal/trend"
)

// A summary is what all measurements amount to.
type summary struct {
	From         time.Time `json:"from"`
	To           time.Time `json:"to"`
	Measurements int       `json:"measurements"` // that were tried
	Measured     int       `json:"measured"`     // that succeeded
	Failed       int       `json:"failed"`
	Incomplete   int       `json:"incomplete"` // of those measured: some answer was missing
	Kept         int       `json:"kept"`       // measurements that growth and trend are computed from
	KeptOneIn    int       `json:"kept_one_in"`

	RSS     extent `json:"rss_mb"`
	Process extent `json:"process_percent"`
	System  extent `json:"system_percent"`
	Cache   extent `json:"cache_mb"`

	Growth number       `json:"growth_between_halves_mb"` // mean RSS of the second half less that of the first
	Trend  *trend.Trend `json:"rss_mb_trend"`             // null: too few measurements
	Limit  number       `json:"limit_mb"`
	// TillLimit is unknown if there is no limit, or no growth towards it.
	TillLimit number `json:"hours_till_limit"`

	// Young is how many seconds the service had been up when it was first measured, if it has been watched for
	// longer than that. What fills its caches in that time looks like a leak.
	Young number `json:"uptime_at_first_seconds_if_young"`

	Warnings map[string]int `json:"warnings"` // measurements with a warning, by kind
	Leak     bool           `json:"leak"`
	Verdict  string         `json:"verdict"`

	firstUptime number // seconds
}

// An extent is within what a figure was. It is exact, however many measurements are kept.
type extent struct {
	Min  number `json:"min"`
	Mean number `json:"mean"`
	Max  number `json:"max"`
	n    int
}

// add takes v in, if it is known.
func (e *extent) add(v number) {
	if !v.known {
		return
	}
	if e.n++; e.n == 1 {
		e.Min, e.Mean, e.Max = v, v, v
		return
	}
	e.Min.value = min(e.Min.value, v.value)
	e.Max.value = max(e.Max.value, v.value)
	e.Mean.value += (v.value - e.Mean.value) / float64(e.n)
}

// add counts m.
func (s *summary) add(m *measurement) {
	if s.Measurements++; s.Measurements == 1 {
		s.From = m.At
	}
	s.To = m.At
	if m.failed() {
		s.Failed++
		return
	}
	s.Measured++
	if len(m.Problems) > 0 {
		s.Incomplete++
	}
	if s.Measured == 1 {
		s.firstUptime = m.Uptime
	}
	s.RSS.add(m.RSS)
	s.Process.add(m.Process)
	s.System.add(m.System)
	s.Cache.add(m.Cache.MB)
	s.Limit = m.limit().or(s.Limit)
}

// conclude computes what needs all measurements.
func (s *summary) conclude(kept *series, a *alerts) {
	s.Kept, s.KeptOneIn, s.Warnings = len(kept.kept), kept.stride, a.counts
	points := kept.points()
	if s.firstUptime.known && s.firstUptime.value < s.To.Sub(s.From).Seconds() {
		s.Young = s.firstUptime
	}
	s.Growth = halves(points)
	if t, ok := trend.Of(points); ok {
		s.Trend = &t
	}
	switch {
	case s.Measured == 0:
		s.Verdict = "nothing could be measured"
		return
	case s.Trend == nil:
		s.Verdict = fmt.Sprintf("too few measurements of the resident memory to tell a leak: %d, want %d or more", len(points), trend.MinPoints)
		return
	}
	s.Leak = leaks(s.Trend)
	s.TillLimit = tillLimit(s.Limit, points, s.Trend)
	if s.Leak {
		s.Verdict = fmt.Sprintf("a leak: %s MB an hour, at %s confidence", signed(s.Trend.PerHour), percent(s.Trend.Confidence))
		return
	}
	s.Verdict = "no leak was found"
	if s.Trend.Confidence >= leakConfidence {
		s.Verdict += ": the memory grows, but too little, or not in the second half"
	}
}

// What makes growth a leak.
const (
	leakConfidence = 0.99
	leakShare      = 0.01 // of the low water
	leakMB         = 1
)

// leaks reports whether the growth is certain and matters.
func leaks(t *trend.Trend) bool {
	return t.Confidence >= leakConfidence && t.Grown >= max(leakMB, leakShare*t.LowWater)
}

// points returns the resident memory where it is known.
func (s *series) points() []trend.Point {
	var list []trend.Point
	for _, m := range s.kept {
		if m.RSS.known {
			list = append(list, trend.Point{At: m.At, Value: m.RSS.value})
		}
	}
	return list
}

// halves returns the mean of the second half of points less that of the first; a middle one is in neither.
func halves(points []trend.Point) number {
	n := len(points) / 2
	if n == 0 {
		return number{}
	}
	mean := func(half []trend.Point) (sum float64) {
		for _, p := range half {
			sum += p.Value / float64(n)
		}
		return sum
	}
	return exactly(mean(points[len(points)-n:]) - mean(points[:n]))
}

// tillLimit returns in how many hours the memory reaches the limit at the rate of the second half, if that is
// certain to be more than zero.
func tillLimit(limit number, points []trend.Point, t *trend.Trend) number {
	if !limit.known || t.Confidence < leakConfidence || t.LateRate <= 0 {
		return number{}
	}
	now := points[len(points)-1].Value
	return exactly(math.Max(0, limit.value-now) / t.LateRate)
}
