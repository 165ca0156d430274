package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// The size of a chart in its own units; the page scales it.
const (
	chartWidth  = 600
	chartHeight = 120
)

// chartRows is how many samples the table of a chart has.
const chartRows = 10

// A chart is some figures of the samples over time. Without JavaScript it is what is drawn and listed here; with it,
// live.js draws the same and goes on.
type chart struct {
	ID, Title string
	Unit      string // how figures are written: bytes, percent or ms
	Note      string // what the figures are measured against
	Top       string // the end of the scale, which begins at zero
	Series    []series
	Times     []string // of the rows of its table, the newest first
}

// A series is one figure of the samples.
type series struct {
	Label  string
	Key    string  // of the sample's JSON
	Factor float64 // from that to the unit of the chart
	Bound  bool    // it is a limit, and not worth a chart that is mostly empty

	Points string   // of a polyline
	Now    string   // the last figure
	Rows   []string // figures of the table
}

// roomForBound is how many times as high as the figures a limit may be to have its line on the chart.
const roomForBound = 12

// charts returns the dashboard's charts.
func charts(samples []monitor.Sample, r monitor.Report) []chart {
	share := func(part, whole float64) float64 {
		if whole <= 0 {
			return 0
		}
		return 100 * part / whole
	}
	m := r.Matches
	memoryNote, cacheNote := "no limit is known", humanize.Comma(int64(m.Entries))+" entries in the cache"
	if _, ok := r.Limit.Get(); ok {
		memoryNote = "limit " + r.Limit.String()
	}
	if m.MaxEntries > 0 && m.MaxBytes > 0 {
		cacheNote = "bounds " + humanize.Comma(int64(m.MaxEntries)) + " entries and " + humanize.Bytes(uint64(m.MaxBytes))
	}
	all := []chart{
		{ID: "memory", Title: "Memory of the process", Unit: "bytes", Note: memoryNote, Series: []series{
			{Label: "resident", Key: "rss", Factor: 1}, {Label: "Go heap", Key: "heap", Factor: 1}, {Label: "limit", Key: "limit", Factor: 1, Bound: true},
		}},
		{ID: "cache", Title: "Cached matches, of their bounds", Unit: "percent", Note: cacheNote, Series: []series{
			{Label: "entries", Key: "entries", Factor: share(1, float64(m.MaxEntries))}, {Label: "bytes", Key: "cache_bytes", Factor: share(1, float64(m.MaxBytes))},
		}},
		{ID: "hits", Title: "Hit ratio", Unit: "percent", Note: "of the matches asked for in each 2 s", Series: []series{
			{Label: "hits", Key: "hit_ratio", Factor: 100},
		}},
		{ID: "latency", Title: "Response times", Unit: "ms", Note: "of the last " + strconv.Itoa(r.Traffic.Times.Count) + " requests", Series: []series{
			{Label: "median", Key: "p50", Factor: 1}, {Label: "95 of 100", Key: "p95", Factor: 1}, {Label: "99 of 100", Key: "p99", Factor: 1},
		}},
	}
	for i := range all {
		all[i].draw(samples)
	}
	return all
}

// figure returns a figure of a sample by the key it has in JSON, and reports whether it is known.
func figure(s monitor.Sample, key string) (value float64, ok bool) {
	var bytes *int64
	var float *float64
	switch key {
	case "rss":
		bytes = s.RSS
	case "heap":
		bytes = s.Heap
	case "limit":
		bytes = s.Limit
	case "cache_bytes":
		bytes = &s.CacheBytes
	case "entries":
		return float64(s.Entries), true
	case "hit_ratio":
		float = s.HitRatio
	case "p50":
		float = s.P50
	case "p95":
		float = s.P95
	case "p99":
		float = s.P99
	default:
		panic("web: a sample has no figure " + key)
	}
	switch {
	case bytes != nil:
		return float64(*bytes), true
	case float != nil:
		return *float, true
	}
	return 0, false
}

// draw fills in what is drawn and listed.
func (c *chart) draw(samples []monitor.Sample) {
	if len(samples) == 0 {
		return
	}
	top, limit := 0.0, 0.0
	for _, s := range c.Series {
		for _, sample := range samples {
			value, _ := figure(sample, s.Key)
			if s.Bound {
				limit = max(limit, value*s.Factor)
			} else {
				top = max(top, value*s.Factor)
			}
		}
	}
	if limit <= roomForBound*top {
		top = max(top, limit)
	}
	if top == 0 {
		top = 1
	}
	c.Top = c.format(top)
	first, last := samples[0].At, samples[len(samples)-1].At
	span := max(float64(last-first), 1)
	rows := pick(samples, chartRows)
	for _, sample := range rows {
		c.Times = append(c.Times, time.UnixMilli(sample.At).UTC().Format(time.TimeOnly))
	}
	for i := range c.Series {
		s := &c.Series[i]
		var points strings.Builder
		for _, sample := range samples {
			value, ok := figure(sample, s.Key)
			if y := value * s.Factor; ok && y <= top {
				fmt.Fprintf(&points, "%.1f,%.1f ", float64(sample.At-first)*chartWidth/span, chartHeight-y*(chartHeight-8)/top)
			}
		}
		s.Points = strings.TrimSpace(points.String())
		s.Now = c.write(samples[len(samples)-1], *s)
		for _, sample := range rows {
			s.Rows = append(s.Rows, c.write(sample, *s))
		}
	}
}

// pick returns n of the samples, or all if there are fewer, at equal distances and the newest first.
func pick(samples []monitor.Sample, n int) (picked []monitor.Sample) {
	step := max(1, len(samples)/n)
	for i := len(samples) - 1; i >= 0 && len(picked) < n; i -= step {
		picked = append(picked, samples[i])
	}
	return picked
}

// write returns a figure as a person reads it.
func (c *chart) write(sample monitor.Sample, s series) string {
	value, ok := figure(sample, s.Key)
	if !ok {
		return "–"
	}
	return c.format(value * s.Factor)
}

// format returns a figure with its unit. live.js does the same.
func (c *chart) format(value float64) string {
	switch c.Unit {
	case "bytes":
		return humanize.Bytes(uint64(max(value, 0)))
	case "percent":
		if 0 < value && value < 1 {
			return strconv.FormatFloat(value, 'f', 2, 64) + " %"
		}
		return strconv.FormatFloat(value, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " ms"
}

// bar returns how much of a bar of 100 is filled.
func bar(part, whole any) float64 {
	p, w := number(part), number(whole)
	if !(w > 0) {
		return 0
	}
	return 100 * min(max(p/w, 0), 1)
}

// number returns a figure of a template, which may be of any of three types.
func number(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		return v
	}
	panic(fmt.Sprintf("web: %T is no figure", v))
}

// A column is one rectangle of a bar chart.
type column struct {
	X, Y, Width, Height float64
	Day                 store.Day
}

func columns(days []store.Day) []column {
	top := 1
	for _, day := range days {
		top = max(top, day.N)
	}
	width := float64(chartWidth) / float64(max(len(days), 1))
	drawn := make([]column, len(days))
	for i, day := range days {
		height := max(float64(day.N)*(chartHeight-8)/float64(top), 1)
		drawn[i] = column{float64(i)*width + width/10, chartHeight - height, width * 8 / 10, height, day}
	}
	return drawn
}
