package chart_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/ministryfinder/bounded/examples/internal/chart"
	"github.com/stretchr/testify/require"
)

// wellFormed fails the test if svg is not XML, and returns how many elements of each name it has.
func wellFormed(t *testing.T, svg string) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return counts
		}
		require.NoError(t, err)
		if element, ok := token.(xml.StartElement); ok {
			counts[element.Name.Local]++
		}
	}
}

func TestBarsAreWellFormed(t *testing.T) {
	var b strings.Builder
	_, err := chart.Bars{Title: `a < b & "c"`, Note: "<n>", Mark: 2, Bars: []chart.Bar{
		{Label: "<x>", Value: 1, Text: "1 & 1", Class: chart.Peer},
		{Label: "y", Value: 4, Text: "4", Class: chart.Ours},
	}}.WriteTo(&b)
	require.NoError(t, err)
	counts := wellFormed(t, b.String())
	require.Equal(t, 2, counts["rect"])
	require.Equal(t, 1, counts["line"])
	require.Contains(t, b.String(), "prefers-color-scheme: dark")
	require.Contains(t, b.String(), "a &lt; b &amp;")
	// 390 units for the largest, a quarter of it for the other
	require.Contains(t, b.String(), `width="390.0"`)
	require.Contains(t, b.String(), `width="97.5"`)
}

func TestBarsOfNothing(t *testing.T) {
	for _, c := range []chart.Bars{{}, {Bars: []chart.Bar{{Label: "zero"}}}} {
		var b strings.Builder
		_, err := c.WriteTo(&b)
		require.NoError(t, err)
		wellFormed(t, b.String())
		require.NotContains(t, b.String(), "NaN")
	}
}

func TestLinesAreWellFormed(t *testing.T) {
	var b strings.Builder
	_, err := chart.Lines{Title: "hits", Points: []string{"1 %", "5 %"}, Lines: []chart.Line{
		{Label: "ours", Values: []float64{50, 60}, Ours: true},
		{Label: "<peer>", Values: []float64{40, 60}},
	}, Spans: []chart.Span{{From: 0, To: 1, Label: "<both>"}}}.WriteTo(&b)
	require.NoError(t, err)
	counts := wellFormed(t, b.String())
	require.Equal(t, 2, counts["polyline"])
	require.Equal(t, 6+2, counts["line"], "the grid, and the ends of the span")
	require.Contains(t, b.String(), `x="310.0" y="70" text-anchor="middle">&lt;both&gt;`)
	// The lowest value is at the bottom and the highest at the top.
	require.Contains(t, b.String(), `points="50.0,438.0 570.0,58.0"`)
}
