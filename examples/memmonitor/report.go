package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/ministryfinder/bounded/examples/internal/chart"
)

// reportHTML is the page: it stands alone, without a script and without anything from elsewhere.
//
//go:embed report.html
var reportHTML string

var reportPage = template.Must(template.New("report").Funcs(template.FuncMap{
	"clock":  func(t time.Time) string { return t.Format(clock) },
	"figure": func(n number) string { return n.format("%.1f") },
}).Parse(reportHTML))

// writeHTML writes the record as a page for a browser.
func (r record) writeHTML(out io.Writer) error {
	charts, err := r.charts()
	if err != nil {
		return err
	}
	sentences := r.Summary.sentences() // of which the last is the verdict, which the page has above
	return reportPage.Execute(out, struct {
		record
		Rows      []namedExtent
		Sentences []string
		Charts    []template.HTML
	}{r, r.Summary.rows(), sentences[:len(sentences)-1], charts})
}

// A curve is what a chart shows of the measurements.
type curve struct {
	label string
	of    func(*measurement) number
	ours  bool
}

// charts returns the charts of what is known, as SVG.
func (r record) charts() (list []template.HTML, err error) {
	for _, c := range []struct {
		title, note string
		curves      []curve
	}{
		{"Resident memory in MB", "What the process occupies of the machine.", []curve{
			{"resident", func(m *measurement) number { return m.RSS }, true},
		}},
		{"The cache in MB", "What it holds, and the most that it may.", []curve{
			{"cache", func(m *measurement) number { return m.Cache.MB }, true},
			{"limit", func(m *measurement) number { return m.Cache.MaxMB }, false},
		}},
		{"Memory in use in %", "Of what the process may have, and of the machine's.", []curve{
			{"process", func(m *measurement) number { return m.Process }, true},
			{"system", func(m *measurement) number { return m.System }, false},
		}},
		{"Kept of the requests", "How many counts, times and errors the service remembers.", []curve{
			{"requests", func(m *measurement) number { return m.CountedRequests }, true},
			{"times", func(m *measurement) number { return m.CountedTimes }, false},
			{"errors", func(m *measurement) number { return m.CountedErrors }, false},
		}},
	} {
		lines := r.lines(c.curves)
		if len(lines.Lines) == 0 {
			continue
		}
		lines.Title, lines.Note = c.title, c.note
		var svg strings.Builder
		if _, err := lines.WriteTo(&svg); err != nil {
			return nil, err
		}
		list = append(list, template.HTML(svg.String())) // made of our own words and of numbers
	}
	return list, nil
}

// chartPoints is how many points a chart has, evenly spaced in time.
const chartPoints = 121

// lines returns the curves of which something is known. Between two measurements, and where one failed, a curve
// goes on as it was.
func (r record) lines(curves []curve) (lines chart.Lines) {
	from, to := r.Summary.From, r.Summary.To
	if !from.Before(to) {
		return lines
	}
	step := to.Sub(from) / (chartPoints - 1)
	for i := range chartPoints {
		label := ""
		if i%(chartPoints/4) == 0 {
			label = (time.Duration(i) * step).Round(time.Second).String()
		}
		lines.Points = append(lines.Points, label)
	}
	for _, c := range curves {
		values, known := r.resample(c.of, from, step)
		if known {
			lines.Lines = append(lines.Lines, chart.Line{Label: c.label, Values: values, Ours: c.ours})
		}
	}
	return lines
}

// resample returns the last known figure at each point of a chart, before the first that one, and whether there
// is any.
func (r record) resample(of func(*measurement) number, from time.Time, step time.Duration) (values []float64, known bool) {
	last, next := number{}, 0
	for i := range r.Measurements {
		if last = of(&r.Measurements[i]); last.known {
			break
		}
	}
	for i := range chartPoints {
		at := from.Add(time.Duration(i) * step)
		for ; next < len(r.Measurements) && !r.Measurements[next].At.After(at); next++ {
			last = of(&r.Measurements[next]).or(last)
		}
		values = append(values, last.value)
	}
	return values, last.known
}

// Title is the page's.
func (r record) Title() string {
	return fmt.Sprintf("Memory of %s", r.URL)
}
