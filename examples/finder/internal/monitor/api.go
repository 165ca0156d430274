package monitor

import (
	"net/http"
	"time"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/ratelimit"
)

// The answers that other programs read. A figure that the machine does not tell is null; times are in seconds.

type memoryStatus struct {
	Timestamp  time.Time       `json:"timestamp"`
	Process    processStatus   `json:"process"`
	System     systemMemory    `json:"system"`
	Cache      cacheStatus     `json:"cache"`
	Monitoring monitoringSizes `json:"monitoring"`

	Level   metrics.Level `json:"level"`          // of the memory watch
	Share   float64       `json:"share_of_limit"` // that the process needs
	Memory  memoryDetails `json:"memory"`
	Janitor []jobStatus   `json:"janitor"`
}

type processStatus struct {
	RSS     *float64 `json:"rss_mb"`
	VMS     *float64 `json:"vms_mb"`
	Percent *float64 `json:"percent"` // of the memory that the process may have
}

type systemMemory struct {
	Total     *float64 `json:"total_gb"`
	Available *float64 `json:"available_gb"`
	Percent   *float64 `json:"percent"` // in use
}

// memoryDetails are bytes.
type memoryDetails struct {
	metrics.Memory
	Limit metrics.Bytes `json:"limit_bytes"` // that the process may have: the least of all limits
}

// cacheStatus is of the cache of matches.
type cacheStatus struct {
	Type       string  `json:"type"`
	Entries    int     `json:"cache_size"`
	MB         float64 `json:"memory_usage_mb"`
	MaxMB      float64 `json:"max_memory_mb"`
	MaxEntries int     `json:"max_cache_size"`

	Hits     uint64  `json:"hits"`
	Misses   uint64  `json:"misses"`
	HitRatio float64 `json:"hit_ratio"`
	Evicted  uint64  `json:"evicted"`
	Expired  uint64  `json:"expired"`
}

func newCacheStatus(s cache.Stats) cacheStatus {
	return cacheStatus{
		"memory", s.Entries, float64(s.Bytes) / megabyte, float64(s.MaxBytes) / megabyte, s.MaxEntries,
		s.Hits, s.Misses, round(s.HitRatio()), s.Evicted, s.Expired,
	}
}

// monitoringSizes says how much is kept of the requests: endpoints, times, and kinds of errors.
type monitoringSizes struct {
	Requests int `json:"request_counts"`
	Times    int `json:"response_times"`
	Errors   int `json:"error_counts"`
}

func newMonitoringSizes(s metrics.Snapshot) monitoringSizes {
	return monitoringSizes{len(s.Endpoints), s.Times.Count, len(s.Errors)}
}

func (m monitoringSizes) sum() int { return m.Requests + m.Times + m.Errors }

type jobStatus struct {
	Name     string  `json:"name"`
	Interval float64 `json:"interval_seconds"`
	Runs     uint64  `json:"runs"`
	Removed  uint64  `json:"removed"`
	Errors   uint64  `json:"errors"`
	Panics   uint64  `json:"panics"`
	Took     float64 `json:"last_duration_seconds"`
	Lag      float64 `json:"lag_seconds"`
}

// MemoryStatus answers with what the memory watch and the containers know.
func (m *Monitor) MemoryStatus(w http.ResponseWriter, _ *http.Request) {
	r, memory := m.Report(), metrics.ReadMemory()
	limit := m.limit(memory)
	answer := memoryStatus{
		Timestamp: time.Now().UTC(),
		Process:   processStatus{in(memory.RSS, megabyte), in(m.system.virtual(), megabyte), percent(memory.RSS, limit)},
		System: systemMemory{
			in(memory.SystemTotal, gigabyte), in(memory.SystemAvailable, gigabyte),
			percent(used(memory.SystemTotal, memory.SystemAvailable), memory.SystemTotal),
		},
		Cache:      newCacheStatus(r.Matches),
		Monitoring: newMonitoringSizes(r.Traffic),
		Level:      r.Watch.Level, Share: round(r.Watch.Share),
		Memory:  memoryDetails{memory, limit},
		Janitor: make([]jobStatus, len(r.Jobs)),
	}
	for i, j := range r.Jobs {
		answer.Janitor[i] = jobStatus{j.Name, j.Interval.Seconds(), j.Runs, j.Removed, j.Errors, j.Panics, seconds(j.LastDuration), seconds(j.Lag)}
	}
	WriteJSON(w, http.StatusOK, answer)
}

type health struct {
	Status     Condition        `json:"status"`
	Database   string           `json:"database"` // "connected" or "disconnected"
	Cache      cacheStatus      `json:"cache"`
	Memory     healthMemory     `json:"memory"`
	Monitoring healthMonitoring `json:"monitoring"`
	Issues     []string         `json:"issues"` // a sentence each
	Timestamp  time.Time        `json:"timestamp"`

	Queue queueStatus `json:"queue"`
}

type healthMemory struct {
	RSS     *float64 `json:"rss_mb"`
	Percent *float64 `json:"percent"`
}

type healthMonitoring struct {
	Uptime   float64 `json:"uptime"`
	Requests uint64  `json:"total_requests"`
	Average  float64 `json:"avg_response_time"` // of the last ones
}

// queueStatus is of the submissions that wait for the database.
type queueStatus struct {
	Waiting int    `json:"waiting"`
	Max     int    `json:"max"`
	Written uint64 `json:"written"`
	Refused uint64 `json:"refused"`
}

// Health answers how the service is: 200, or 500 if it is unhealthy. See [Report.Health] for what that means.
func (m *Monitor) Health(w http.ResponseWriter, _ *http.Request) {
	r, memory := m.Report(), metrics.ReadMemory()
	condition, issues := r.Health()
	status, database := http.StatusOK, "connected"
	if condition == Unhealthy {
		status = http.StatusInternalServerError
	}
	if !r.Database.Up {
		database = "disconnected"
	}
	WriteJSON(w, status, health{
		Status: condition, Database: database, Issues: issues, Timestamp: time.Now().UTC(),
		Cache:      newCacheStatus(r.Matches),
		Memory:     healthMemory{in(memory.RSS, megabyte), percent(memory.RSS, m.limit(memory))},
		Monitoring: healthMonitoring{seconds(r.Traffic.Uptime), r.Traffic.Total.Requests, seconds(r.Traffic.Times.Mean)},
		Queue:      queueStatus{r.Database.Queued, r.Database.QueueEntries, r.Database.Written, r.Database.Refused},
	})
}

type figures struct {
	System       systemFigures      `json:"system"`
	Application  applicationFigures `json:"application"`
	Cache        cacheStatus        `json:"cache"`
	RateLimiting rateLimiting       `json:"rate_limiting"`
	Timestamp    time.Time          `json:"timestamp"`
}

type systemFigures struct {
	Memory *float64 `json:"memory_percent"` // in use, as for the two below
	CPU    *float64 `json:"cpu_percent"`
	Disk   *float64 `json:"disk_percent"`
	Uptime float64  `json:"uptime_seconds"` // of the service
	Human  string   `json:"uptime_human"`
}

type applicationFigures struct {
	Requests  uint64                     `json:"total_requests"`
	Errors    uint64                     `json:"total_errors"` // of all kinds
	Average   float64                    `json:"avg_response_time"`
	Slow      uint64                     `json:"slow_requests"`
	Endpoints map[string]endpointFigures `json:"endpoints"` // by route
	Size      int                        `json:"monitoring_data_size"`

	Failures   uint64            `json:"failed_requests"` // answered with a 5xx
	ErrorKinds map[string]uint64 `json:"errors"`
}

type endpointFigures struct {
	Requests uint64  `json:"requests"`
	Failures uint64  `json:"failures"` // answered with a 5xx
	Slow     uint64  `json:"slow"`
	Average  float64 `json:"avg_response_time"` // of all; the quantiles are of the last ones
	P50      float64 `json:"p50"`
	P95      float64 `json:"p95"`
	P99      float64 `json:"p99"`
}

type rateLimiting struct {
	Addresses    int    `json:"tracked_addresses"`
	MaxAddresses int    `json:"max_addresses"`
	Attempts     uint64 `json:"attempts"`
	Failed       uint64 `json:"failed"`
	Lockouts     uint64 `json:"lockouts"`
	Denied       uint64 `json:"denied"`
}

func newRateLimiting(s ratelimit.Stats) rateLimiting {
	return rateLimiting{s.Addresses, s.MaxAddresses, s.Begun, s.Failed, s.Lockouts, s.Denied()}
}

// Metrics answers with figures of the machine and of the requests.
func (m *Monitor) Metrics(w http.ResponseWriter, _ *http.Request) {
	r, memory := m.Report(), metrics.ReadMemory()
	t := r.Traffic
	application := applicationFigures{
		Requests: t.Total.Requests, Errors: t.ErrorsTotal, Average: seconds(t.Times.Mean), Slow: t.Total.Slow,
		Endpoints: make(map[string]endpointFigures, len(t.Endpoints)), Size: newMonitoringSizes(t).sum(),
		Failures: t.Total.Status[5], ErrorKinds: make(map[string]uint64, len(t.Errors)),
	}
	for _, e := range t.Endpoints {
		if e.Requests == 0 { // a route that nobody has asked for yet
			continue
		}
		f := endpointFigures{Requests: e.Requests, Failures: e.Status[5], Slow: e.Slow, Average: seconds(e.Duration / time.Duration(e.Requests))}
		if e.Times.Count > 0 {
			f.P50, f.P95, f.P99 = seconds(e.Times.Quantile(0.5)), seconds(e.Times.Quantile(0.95)), seconds(e.Times.Quantile(0.99))
		}
		application.Endpoints[e.Name] = f
	}
	for _, e := range t.Errors {
		application.ErrorKinds[e.Kind] = e.Count
	}
	WriteJSON(w, http.StatusOK, figures{
		System: systemFigures{
			Memory: percent(used(memory.SystemTotal, memory.SystemAvailable), memory.SystemTotal),
			CPU:    m.system.cpuPercent(), Disk: m.system.diskPercent(),
			Uptime: seconds(t.Uptime), Human: t.Uptime.Truncate(time.Second).String(),
		},
		Application: application, Cache: newCacheStatus(r.Matches), RateLimiting: newRateLimiting(r.Tracker), Timestamp: time.Now().UTC(),
	})
}

// Prometheus answers with all figures as Prometheus reads them.
func (m *Monitor) Prometheus() http.Handler { return m.recorder.PrometheusHandler() }
