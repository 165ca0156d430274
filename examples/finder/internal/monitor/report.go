package monitor

import (
	"fmt"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/ratelimit"
	"github.com/ministryfinder/bounded/sweep"

	"github.com/ministryfinder/bounded/examples/finder/internal/alert"
	"github.com/ministryfinder/bounded/examples/finder/internal/keepalive"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// A Report is what a Monitor knows at one moment.
type Report struct {
	Watch      metrics.WatchState
	Growth     metrics.Growth
	Limit      metrics.Bytes // that the process may have
	Matches    cache.Stats
	Ministries cache.Stats
	Sessions   cache.Stats
	Tracker    ratelimit.Stats
	Jobs       []sweep.JobStats
	Traffic    metrics.Snapshot
	Database   store.Status
	Alerts     []alert.Alert // the newest first
	KeepAlive  *keepalive.Stats
	ErrorRate  float64 // from which on the health is not good
	ErrorMin   int     // of so many requests
}

// Report returns what is known now.
func (m *Monitor) Report() Report {
	r := Report{
		Watch:     m.watch.State(),
		Growth:    m.watch.Growth(),
		Sessions:  m.parts.Sessions.Stats(),
		Tracker:   m.parts.Tracker.Stats(),
		Jobs:      m.janitor.Jobs(),
		Traffic:   m.recorder.Snapshot(),
		Database:  m.parts.Database.Status(),
		Alerts:    m.parts.Alerts.List(),
		ErrorRate: m.parts.Metrics.ErrorRate,
		ErrorMin:  m.parts.Metrics.ErrorMin,
	}
	r.Limit = m.limit(r.Watch.Memory)
	r.Matches, r.Ministries = m.parts.Matcher.Stats()
	if m.parts.Pinger != nil {
		s := m.parts.Pinger.Stats()
		r.KeepAlive = &s
	}
	return r
}

// A Condition is how well the service is.
type Condition string

// The conditions.
const (
	Healthy   Condition = "healthy"
	Warned    Condition = "warning"
	Unhealthy Condition = "unhealthy"
)

// Health returns the condition of the service, and a sentence for each thing that is wrong, never nil. The service is
// unhealthy when it turns visitors away, or will soon: when it has no memory left, or no place for their submissions.
func (r Report) Health() (Condition, []string) {
	condition, issues := Healthy, []string{}
	issue := func(c Condition, format string, args ...any) {
		issues = append(issues, fmt.Sprintf(format, args...))
		if condition != Unhealthy {
			condition = c
		}
	}
	switch r.Watch.Level {
	case metrics.LevelHigh:
		issue(Warned, "memory is getting short: %.0f%% of the limit", 100*r.Watch.Share)
	case metrics.LevelCritical:
		issue(Unhealthy, "memory is short: %.0f%% of the limit", 100*r.Watch.Share)
	}
	if r.Growth.Suspected {
		issue(Warned, "a leak is suspected: %v", r.Growth)
	}
	if d := r.Database; !d.Up {
		if d.QueueFull || d.Queued >= d.QueueEntries {
			issue(Unhealthy, "the database is away and no more submissions can wait for it: %d do", d.Queued)
		} else {
			issue(Warned, "the database is away; %d submissions wait for it", d.Queued)
		}
	}
	if recent := r.Traffic.Recent; recent.Requests >= uint64(r.ErrorMin) && recent.Rate() >= r.ErrorRate {
		issue(Warned, "%d of the last %d requests failed", recent.Failures, recent.Requests)
	}
	for _, job := range r.Jobs {
		if job.BackingOff {
			issue(Warned, "the janitor's job %q fails", job.Name)
		}
	}
	return condition, issues
}
