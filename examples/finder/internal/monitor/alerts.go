package monitor

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ministryfinder/bounded/metrics"
)

// levelChanged tells that memory has become short, or is no longer so.
func (m *Monitor) levelChanged(e metrics.Event) {
	level := slog.LevelInfo
	switch e.To {
	case metrics.LevelHigh:
		level = slog.LevelWarn
	case metrics.LevelCritical:
		level = slog.LevelError
	}
	m.parts.Alerts.Raise(level, "memory", e.String())
}

// growthChanged tells that a leak is suspected, or no longer is.
func (m *Monitor) growthChanged(g metrics.Growth) {
	if g.Suspected {
		m.parts.Alerts.Raise(slog.LevelWarn, "growth", "A leak is suspected: "+g.String()+".")
	} else {
		m.parts.Alerts.Raise(slog.LevelInfo, "growth", "A leak is no longer suspected: "+g.String()+".")
	}
}

// warned tells that many requests fail. Slow ones go to the log only.
func (m *Monitor) warned(w metrics.Warning) {
	if w.Kind == metrics.HighErrorRate {
		m.parts.Alerts.Raise(slog.LevelWarn, "errors", w.String())
		return
	}
	m.parts.Logger.Warn(w.String())
}

// askDatabase is the job that notices that the database has gone away or is back, and writes what waits.
func (m *Monitor) askDatabase(context.Context) error {
	m.parts.Database.Sweep()
	s := m.parts.Database.Status()
	m.mu.Lock()
	before := m.wasUp
	m.wasUp = s.Up
	m.mu.Unlock()
	switch {
	case before && !s.Up:
		m.parts.Alerts.Raise(slog.LevelError, "database", fmt.Sprintf("The database is away (%s). Submissions wait, up to %d of them.", s.LastError, s.QueueEntries))
	case !before && s.Up:
		m.parts.Alerts.Raise(slog.LevelInfo, "database", fmt.Sprintf("The database is back. %d submissions that had to wait have been written since the start.", s.Written))
	}
	return nil
}
