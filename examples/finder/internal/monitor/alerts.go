package monitor

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ministryfinder/bounded/metrics"

	"github.com/ministryfinder/bounded/examples/finder/internal/store"
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
	m.lookAtDatabase()
	return nil
}

// lookAtDatabase tells what is new of the database.
func (m *Monitor) lookAtDatabase() {
	s := m.parts.Database.Status()
	m.mu.Lock()
	before := m.database
	m.database = s
	m.mu.Unlock()
	if s.Up && s.Ministries != store.FromDatabase {
		// What the quiz has cached is not what the database has.
		m.parts.Matcher.Invalidate()
	}
	raise := m.parts.Alerts.Raise
	switch {
	case before.Up && !s.Up:
		raise(slog.LevelError, "database", fmt.Sprintf("The database is away (%s). Submissions wait, up to %d of them.", s.LastError, s.QueueEntries))
	case !before.Up && s.Up:
		raise(slog.LevelInfo, "database", fmt.Sprintf("The database is back. %d submissions that had to wait have been written since the start.", s.Written))
	}
	if s.QueueFull && !before.QueueFull {
		raise(slog.LevelError, "queue", fmt.Sprintf("Submissions are refused: %d wait for the database already.", s.Queued))
	}
}
