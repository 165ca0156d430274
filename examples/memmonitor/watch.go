package main

import (
	"context"
	"time"
)

// A watch measures again and again, shows what it sees, and keeps a bounded part of it.
type watch struct {
	client  *client
	options options
	console *console
	series  *series
	alerts  *alerts
	total   summary
}

func newWatch(c *client, o options, out *console) *watch {
	return &watch{client: c, options: o, console: out, series: newSeries(maxSeries), alerts: newAlerts()}
}

// run measures until ctx ends or the duration is over. Measurements are due at whole intervals from the
// beginning; one that is late is skipped, not made up for.
func (w *watch) run(ctx context.Context) {
	begun := time.Now()
	timer, tick := time.NewTimer(0), time.NewTicker(time.Second)
	defer timer.Stop()
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.console.goOn(w.series, progress{time.Since(begun), w.options.duration})
			continue
		case <-timer.C:
		}
		m := w.client.measure(ctx)
		if ctx.Err() != nil {
			return // what was cut off says nothing of the service
		}
		w.note(&m, time.Since(begun))
		if w.options.status {
			return
		}
		elapsed := time.Since(begun)
		next := elapsed.Truncate(w.options.interval) + w.options.interval
		if w.options.duration > 0 && next > w.options.duration {
			return
		}
		timer.Reset(next - elapsed)
	}
}

// note takes m in and shows it.
func (w *watch) note(m *measurement, elapsed time.Duration) {
	w.total.add(m)
	w.series.add(*m)
	lines := w.alerts.note(m)
	if !w.options.status {
		w.console.measured(m, lines, w.series, progress{elapsed, w.options.duration})
	}
}

// summarize returns what all measurements so far amount to.
func (w *watch) summarize() summary {
	s := w.total
	s.conclude(w.series, w.alerts)
	return s
}
