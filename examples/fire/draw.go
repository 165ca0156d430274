package main

import (
	"fmt"
	"os"
	"time"

	"github.com/ministryfinder/bounded/examples/internal/chart"
	"github.com/ministryfinder/bounded/examples/internal/trend"
)

// drawPoints is how many points the picture has, evenly spaced in time.
const drawPoints = 151

// draw draws what the memory was, from the beginning of the load until there was none, into the file name.
func (r *report) draw(name string) (err error) {
	c, err := r.chart()
	if err != nil {
		return err
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	_, err = c.WriteTo(file)
	return err
}

// chart returns the picture: the memory, and between which moments it was judged, with what came of that.
func (r *report) chart() (chart.Lines, error) {
	if len(r.samples) < 2 {
		return chart.Lines{}, fmt.Errorf("the finder was looked at %d times only", len(r.samples))
	}
	from, to := r.samples[0].at, r.samples[len(r.samples)-1].at
	step := to.Sub(from) / (drawPoints - 1)
	after := func(t time.Time) time.Duration { return t.Sub(from).Round(time.Second) }
	c := chart.Lines{
		Title: "The finder under fire: its memory in MB",
		Note:  fmt.Sprintf("%d clients. The database is killed after %v and back after %v. Between the dashed lines: the slope, with 95 %% confidence.", r.plan.clients, after(r.fault.from), after(r.restored)),
	}
	for i := range drawPoints {
		label := ""
		if i%(drawPoints/5) == 0 {
			label = (time.Duration(i) * step).Round(time.Second).String()
		}
		c.Points = append(c.Points, label)
	}
	for _, of := range []struct{ label, name string }{{"resident", resident}, {"live heap", live}} {
		seen := points(r.samples, of.name, 1e6)
		if len(seen) == 0 {
			return c, fmt.Errorf("the finder does not say what its %s is", of.label)
		}
		line, next := chart.Line{Label: of.label, Ours: of.name == resident}, 0
		for i := range drawPoints {
			at := from.Add(time.Duration(i) * step)
			for next+1 < len(seen) && !seen[next+1].At.After(at) {
				next++
			}
			line.Values = append(line.Values, seen[next].Value)
		}
		c.Lines = append(c.Lines, line)
	}
	if line, ok := trend.Through(r.warm(resident)); ok {
		point := func(t time.Time) int { return min(max(int(t.Sub(from)/step), 0), drawPoints-1) }
		c.Spans = []chart.Span{{From: point(r.load.from), To: point(r.load.to), Label: fmt.Sprintf("%+.2f MB a minute (%+.2f to %+.2f)", line.PerHour/60, line.Low/60, line.High/60)}}
	}
	return c, nil
}
