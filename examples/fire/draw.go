package main

import (
	"fmt"
	"os"
	"time"

	"github.com/ministryfinder/bounded/examples/internal/chart"
)

// drawPoints is how many points the picture has, evenly spaced in time.
const drawPoints = 151

// draw draws what the memory was, from the beginning of the load until there was none, into the file name.
func (r *report) draw(name string) (err error) {
	c := chart.Lines{
		Title: "The finder under fire: its memory in MB",
		Note: fmt.Sprintf("%d clients at full speed. The database is killed after %v, and is back after %v.",
			r.plan.clients, r.fault.from.Sub(r.load.from).Round(time.Second), r.restored.Sub(r.load.from).Round(time.Second)),
	}
	for _, of := range []struct{ label, name string }{{"resident", resident}, {"live heap", live}} {
		seen := points(r.samples, of.name, 1e6)
		if len(seen) == 0 {
			return fmt.Errorf("the finder does not say what its %s is", of.label)
		}
		from, step := seen[0].At, seen[len(seen)-1].At.Sub(seen[0].At)/(drawPoints-1)
		line, next := chart.Line{Label: of.label, Ours: of.name == resident}, 0
		for i := range drawPoints {
			at := from.Add(time.Duration(i) * step)
			for next+1 < len(seen) && !seen[next+1].At.After(at) {
				next++
			}
			line.Values = append(line.Values, seen[next].Value)
			if len(c.Lines) == 0 {
				label := ""
				if i%(drawPoints/5) == 0 {
					label = (time.Duration(i) * step).Round(time.Second).String()
				}
				c.Points = append(c.Points, label)
			}
		}
		c.Lines = append(c.Lines, line)
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
