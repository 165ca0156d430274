package monitor

import (
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/alert"
)

// A LiveState is what the dashboard shows beside the charts. It is the same from one look to the next unless something
// has happened.
type LiveState struct {
	Level    string      `json:"level"` // of memory: ok, high, critical
	Growth   string      `json:"growth"`
	Status   Condition   `json:"status"`
	Issues   []string    `json:"issues"`
	Database LiveDB      `json:"database"`
	Cache    cacheStatus `json:"cache"`
	Jobs     []LiveJob   `json:"jobs"`
	Alerts   []LiveAlert `json:"alerts"`
}

// A LiveDB is how the database is.
type LiveDB struct {
	Kind    string `json:"kind"`
	Up      bool   `json:"up"`
	Waiting int    `json:"waiting"` // submissions
	Max     int    `json:"max"`
	Refused uint64 `json:"refused"`
	InUse   int    `json:"connections_in_use"`
	MaxOpen int    `json:"max_connections"`
}

// A LiveJob is one of the janitor's. Its times are in milliseconds, and since 1970 where they are moments.
type LiveJob struct {
	Name      string  `json:"name"`
	Interval  float64 `json:"interval"`
	Runs      uint64  `json:"runs"`
	Removed   uint64  `json:"removed"`
	Errors    uint64  `json:"errors"`
	Panics    uint64  `json:"panics"`
	Took      float64 `json:"took"` // the last run
	Lag       float64 `json:"lag"`  // of the last run, and
	MaxLag    float64 `json:"max_lag"`
	Next      int64   `json:"next"` // 0: it runs
	Running   bool    `json:"running"`
	LastError string  `json:"last_error"`
}

// A LiveAlert is one of the board's.
type LiveAlert struct {
	Number   uint64 `json:"number"`
	At       int64  `json:"at"` // milliseconds since 1970
	Kind     string `json:"kind"`
	Level    string `json:"level"` // INFO, WARN, ERROR
	Text     string `json:"text"`
	State    string `json:"state"` // as alert.State
	Attempts int    `json:"attempts"`
}

// Live returns the state of now.
func (m *Monitor) Live() LiveState {
	r := m.Report()
	condition, issues := r.Health()
	d := r.Database
	state := LiveState{
		Level: r.Watch.Level.String(), Growth: r.Growth.String(), Status: condition, Issues: issues,
		Database: LiveDB{d.Kind, d.Up, d.Queued, d.QueueEntries, d.Refused, d.Pool.InUse, d.Pool.Max},
		Cache:    newCacheStatus(r.Matches),
		Jobs:     make([]LiveJob, len(r.Jobs)),
		Alerts:   liveAlerts(r.Alerts),
	}
	for i, j := range r.Jobs {
		next := int64(0)
		if !j.Next.IsZero() {
			next = j.Next.UnixMilli()
		}
		state.Jobs[i] = LiveJob{
			j.Name, ms(j.Interval), j.Runs, j.Removed, j.Errors, j.Panics, ms(j.LastDuration), ms(j.Lag), ms(j.MaxLag),
			next, !j.RunningSince.IsZero(), j.LastError,
		}
	}
	return state
}

func liveAlerts(alerts []alert.Alert) []LiveAlert {
	list := make([]LiveAlert, len(alerts))
	for i, a := range alerts {
		list[i] = LiveAlert{a.Number, a.At.UnixMilli(), a.Kind, a.Level.String(), a.Text, string(a.State), a.Attempts}
	}
	return list
}

// ms returns d in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
