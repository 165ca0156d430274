package monitor

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
)

// Health answers 200 while the database does, and 503 otherwise.
func (m *Monitor) Health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	answer := struct {
		Status   string        `json:"status"`
		Database string        `json:"database"`
		Memory   metrics.Level `json:"memory"`
	}{"ok", "ok", m.watch.Level()}
	status := http.StatusOK
	if err := m.parts.Database.Ping(ctx); err != nil {
		answer.Status, answer.Database = "unavailable", "unreachable"
		status = http.StatusServiceUnavailable
		m.Error("database unreachable")
		m.parts.Logger.Error("health: database unreachable", "error", err)
	}
	WriteJSON(w, status, answer)
}

// MemoryStatus answers with what the memory watch and the containers know.
func (m *Monitor) MemoryStatus(w http.ResponseWriter, _ *http.Request) {
	r := m.Report()
	answer := struct {
		Level      metrics.Level  `json:"level"`
		Share      float64        `json:"share_of_limit"`
		Memory     metrics.Memory `json:"memory"`
		Matches    cacheStatus    `json:"matches"`
		Ministries cacheStatus    `json:"ministries"`
		Sessions   Size           `json:"sessions"`
		Tracker    Size           `json:"tracker"`
		Janitor    []jobStatus    `json:"janitor"`
	}{
		r.Watch.Level, r.Watch.Share, metrics.ReadMemory(),
		newCacheStatus(r.Matches), newCacheStatus(r.Ministries), r.Sessions, r.Tracker, make([]jobStatus, len(r.Jobs)),
	}
	for i, job := range r.Jobs {
		answer.Janitor[i] = jobStatus{job.Name, job.Interval.Seconds(), job.Runs, job.Removed, job.Panics}
	}
	WriteJSON(w, http.StatusOK, answer)
}

type cacheStatus struct {
	Size
	MaxBytes int64   `json:"max_bytes"` // 0: not bounded
	Hits     uint64  `json:"hits"`
	Misses   uint64  `json:"misses"`
	HitRatio float64 `json:"hit_ratio"`
	Evicted  uint64  `json:"evicted"`
}

func newCacheStatus(s cache.Stats) cacheStatus {
	return cacheStatus{Size{s.Entries, s.MaxEntries, s.Bytes}, s.MaxBytes, s.Hits, s.Misses, s.HitRatio(), s.Evicted}
}

type jobStatus struct {
	Name     string  `json:"name"`
	Interval float64 `json:"interval_seconds"`
	Runs     uint64  `json:"runs"`
	Removed  uint64  `json:"removed"`
	Panics   uint64  `json:"panics"`
}

// Metrics answers with a snapshot as JSON.
func (m *Monitor) Metrics() http.Handler { return m.recorder.JSONHandler() }

// Prometheus answers with a snapshot as Prometheus reads it.
func (m *Monitor) Prometheus() http.Handler { return m.recorder.PrometheusHandler() }

// WriteJSON answers with v, which must be encodable, as indented JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // a type of this program cannot be encoded
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever went away misses nothing
}
