package web

import (
	"fmt"
	"strings"

	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
)

// The size of a chart in its own units; the page scales it.
const (
	chartWidth  = 600
	chartHeight = 120
)

// A line is the points of one SVG polyline, with the largest value among them.
type line struct {
	Points string
	Max    int64
}

// sparkline draws one figure of the samples: "rss", "heap" or "cache". The chart begins at zero.
func sparkline(samples []monitor.Sample, figure string) line {
	values := make([]int64, len(samples))
	var top int64 = 1
	for i, s := range samples {
		switch figure {
		case "rss":
			values[i] = known(s.RSS)
		case "heap":
			values[i] = known(s.Heap)
		case "cache":
			values[i] = s.CacheBytes
		}
		top = max(top, values[i])
	}
	if len(values) == 1 {
		values = append(values, values[0]) // one look is a flat line
	}
	var points strings.Builder
	for i, v := range values {
		x := float64(i) * chartWidth / float64(len(values)-1)
		y := chartHeight - float64(v)*(chartHeight-8)/float64(top)
		fmt.Fprintf(&points, "%.1f,%.1f ", x, y)
	}
	return line{strings.TrimSpace(points.String()), top}
}

// known returns n, or 0 if it is not known.
func known(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
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
	Value               int
}

func columns(values []int) []column {
	top := 1
	for _, v := range values {
		top = max(top, v)
	}
	width := float64(chartWidth) / float64(max(len(values), 1))
	drawn := make([]column, len(values))
	for i, v := range values {
		height := max(float64(v)*(chartHeight-8)/float64(top), 1)
		drawn[i] = column{float64(i)*width + 1, chartHeight - height, width - 2, height, v}
	}
	return drawn
}
