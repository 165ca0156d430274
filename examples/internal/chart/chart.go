// Package chart draws bars and lines as SVG, readable on light and on dark pages.
package chart

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// style gives the colours, by what the reader's page is. Text is drawn in the reader's own font.
const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.note { fill: #59636e; font-size: 12px }
.bar { fill: #8c959f } .ours { fill: #0969da } .over { fill: #cf222e }
.line { fill: none; stroke: #8c959f; stroke-width: 1.5 } .ourline { fill: none; stroke: #0969da; stroke-width: 3 }
.grid { stroke: #d1d9e0; stroke-width: 1 } .mark { stroke: #1f2328; stroke-width: 1; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .note { fill: #9198a1 }
.bar { fill: #656c76 } .ours { fill: #4493f8 } .over { fill: #f85149 }
.line { stroke: #656c76 } .ourline { stroke: #4493f8 } .grid { stroke: #3d444d } .mark { stroke: #f0f6fc }
}
</style>
`

// A Bar is one row of a bar chart.
type Bar struct {
	Label string
	Value float64
	Text  string // what is written behind the bar
	Class Class
}

// A Class says how a bar is coloured.
type Class string

const (
	Peer Class = "bar"
	Ours Class = "ours"
	Over Class = "over" // over its bound, or slower than it should be
)

// Bars is a chart of horizontal bars.
type Bars struct {
	Title, Note string
	Mark        float64 // where a dashed line is drawn; 0: nowhere
	Bars        []Bar
}

const (
	width      = 760
	labelWidth = 220
	textWidth  = 150
	rowHeight  = 22
	head       = 58
)

// WriteTo writes the chart as an SVG document.
func (c Bars) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	height := head + rowHeight*len(c.Bars) + 12
	begin(&b, c.Title, c.Note, height)
	most := c.Mark
	for _, bar := range c.Bars {
		most = max(most, bar.Value)
	}
	scale := 0.0
	if most > 0 {
		scale = (width - labelWidth - textWidth) / most
	}
	mark := labelWidth + scale*c.Mark
	if c.Mark > 0 {
		fmt.Fprintf(&b, `<line class="mark" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", mark, mark, head-4, height-8)
	}
	for i, bar := range c.Bars {
		y := head + i*rowHeight
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelWidth-8, y+15, escape(bar.Label))
		length := scale * bar.Value
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`, bar.Class, labelWidth, y+3, length, rowHeight-6)
		x := labelWidth + length
		if x < mark && x+textWidth > mark {
			x = mark // so that the mark does not strike the text through
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", x+6, y+15, escape(bar.Text))
	}
	return end(&b, w)
}

// A Line is one line of a line chart, with a value at each of its points.
type Line struct {
	Label  string
	Values []float64
	Ours   bool
}

// Lines is a chart of lines over the same points, evenly spaced.
type Lines struct {
	Title, Note string
	Points      []string // the labels of the points
	Lines       []Line
	Spans       []Span
}

// A Span is a part of the points of which something is to be said: it stands between two dashed lines.
type Span struct {
	From, To int
	Label    string
}

const (
	plotHeight = 380
	plotLeft   = 50
	plotRight  = width - 190
	plotTop    = head
	plotBottom = head + plotHeight
)

// WriteTo writes the chart as an SVG document. Each line is named at its end.
func (c Lines) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	begin(&b, c.Title, c.Note, plotBottom+34)
	low, high := c.span()
	y := func(value float64) float64 { return plotBottom - (value-low)/(high-low)*plotHeight }
	x := func(point int) float64 {
		return plotLeft + float64(point)/float64(max(len(c.Points)-1, 1))*(plotRight-plotLeft)
	}
	for i := range 6 {
		value := low + (high-low)*float64(i)/5
		fmt.Fprintf(&b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, plotLeft, plotRight, y(value), y(value))
		fmt.Fprintf(&b, `<text class="note" x="%d" y="%.1f" text-anchor="end">%.0f</text>`+"\n", plotLeft-6, y(value)+4, value)
	}
	for i, point := range c.Points {
		if point == "" {
			continue
		}
		fmt.Fprintf(&b, `<text class="note" x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x(i), plotBottom+20, escape(point))
	}
	for _, span := range c.Spans {
		for _, point := range []int{span.From, span.To} {
			fmt.Fprintf(&b, `<line class="mark" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x(point), x(point), plotTop-4, plotBottom)
		}
		fmt.Fprintf(&b, `<text class="note" x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", (x(span.From)+x(span.To))/2, plotTop+12, escape(span.Label))
	}
	lines := slices.Clone(c.Lines)
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(last(b), last(a)) })
	labelled := math.Inf(-1) // where the last label stands
	for _, line := range lines {
		points := make([]string, len(line.Values))
		for i, value := range line.Values {
			points[i] = fmt.Sprintf("%.1f,%.1f", x(i), y(value))
		}
		class, weight := "line", ""
		if line.Ours {
			class, weight = "ourline", ` font-weight="700"`
		}
		fmt.Fprintf(&b, `<polyline class="%s" points="%s"/>`, class, strings.Join(points, " "))
		labelled = max(y(last(line))+4, labelled+15)
		fmt.Fprintf(&b, `<text x="%d" y="%.1f"%s>%s %.2f</text>`+"\n", plotRight+8, labelled, weight, escape(line.Label), last(line))
	}
	return end(&b, w)
}

// span returns round numbers below and above all values.
func (c Lines) span() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, line := range c.Lines {
		low, high = min(low, slices.Min(line.Values)), max(high, slices.Max(line.Values))
	}
	low, high = 5*math.Floor(low/5), 5*math.Ceil(high/5)
	if low == high {
		high += 5
	}
	return low, high
}

func last(line Line) float64 { return line.Values[len(line.Values)-1] }

func begin(b *strings.Builder, title, note string, height int) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(b, "<title>%s</title>\n%s", escape(title), style)
	fmt.Fprintf(b, `<text class="title" x="8" y="22">%s</text><text class="note" x="8" y="41">%s</text>`+"\n", escape(title), escape(note))
}

func end(b *strings.Builder, w io.Writer) (int64, error) {
	b.WriteString("</svg>\n")
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
