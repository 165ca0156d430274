package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A screen keeps a chart and a bar below the lines that scroll, on a terminal.
type screen struct {
	out   io.Writer
	size  func() (width, height int, err error)
	drawn int // lines of the chart and the bar that are there
}

// newScreen returns the screen of a terminal, and nil if out is none.
func newScreen(out io.Writer) *screen {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return &screen{out: out, size: func() (int, int, error) { return term.GetSize(int(file.Fd())) }}
}

// erase takes the chart and the bar away.
func (s *screen) erase() {
	if s.drawn > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.drawn) // up, and clear from there on
	}
	s.drawn = 0
}

// What a chart needs to be worth drawing, and at most takes, in lines and columns.
const (
	leastChart, mostChart = 3, 12
	leastWidth            = 40
	axisWidth             = 14 // the values and the axis
)

// draw draws the chart of the resident memory and the bar, as far as there is room. They must have been erased.
func (s *screen) draw(kept *series, p progress) {
	width, height, err := s.size()
	if err != nil || width < leastWidth {
		return
	}
	var lines []string
	// A third of the screen, and room for the caption, the bar, and the cursor.
	if rows := min(mostChart, height/3); rows >= leastChart {
		lines = append(lines, graph(kept, width-axisWidth-1, rows)...)
	}
	lines = append(lines, p.bar(width-1))
	for _, line := range lines {
		if line == "" {
			continue
		}
		if runes := []rune(line); len(runes) >= width { // a line that wraps would be two
			line = string(runes[:width-1])
		}
		fmt.Fprintln(s.out, line)
		s.drawn++
	}
}

// graph returns the lines of a chart of the resident memory, none if there are not two measurements yet.
func graph(kept *series, width, rows int) []string {
	var values []float64
	for _, p := range kept.points() {
		values = append(values, p.Value)
	}
	if len(values) < 2 {
		return nil
	}
	chart := asciigraph.Plot(values, asciigraph.Width(min(width, max(len(values), leastWidth/2))), asciigraph.Height(rows),
		asciigraph.Precision(1), asciigraph.Caption("resident memory in MB"))
	return strings.Split(chart, "\n")
}

// Progress is how much of the time to watch is over.
type progress struct {
	elapsed, duration time.Duration // duration 0: not known
}

// bar returns a line of at most width columns that shows how far it is; without a duration it has no bar.
func (p progress) bar(width int) string {
	elapsed := p.elapsed.Round(time.Second)
	if p.duration == 0 {
		return fmt.Sprintf("%v watched, Ctrl-C ends it", elapsed)
	}
	text := fmt.Sprintf(" %v of %v", elapsed, p.duration)
	const steps, ends = 1000, 10 // the frame and the percentage
	b := progressbar.NewOptions(steps, progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetWidth(max(1, width-len(text)-ends)),
		progressbar.OptionSetElapsedTime(false), progressbar.OptionSetPredictTime(false), progressbar.OptionUseANSICodes(false))
	if err := b.Set(min(steps, int(steps*p.elapsed/p.duration))); err != nil {
		return text
	}
	return strings.TrimSpace(b.String()) + text
}
