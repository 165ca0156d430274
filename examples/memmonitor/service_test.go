package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
)

// A service answers as the Python application does, and its memory is what a test says.
type service struct {
	mu     sync.Mutex // guards what follows
	rss    func(measured int) float64
	status string
	issues string // JSON
	extra  string // JSON, more fields of the cache
	asked  int    // measurements
	uptime int    // seconds
}

func newService(rss func(measured int) float64) *service {
	return &service{rss: rss, status: "healthy", issues: "[]", uptime: 3600}
}

func level(int) float64 { return 120.5 }

func leaking(i int) float64 { return 100 + 5*float64(i) }

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	cache := `{"type": "memory", "cache_size": 41, "memory_usage_mb": 3.2, "max_memory_mb": 50, "max_cache_size": 500` + s.extra + `}`
	rss := s.rss(s.asked)
	switch r.URL.Path {
	case memoryPath:
		s.asked++
		fmt.Fprintf(w, `{"timestamp": "2026-11-24T03:00:00", "process": {"rss_mb": %f, "vms_mb": 900.25, "percent": %f},
			"system": {"total_gb": 2.0, "available_gb": 1.1, "percent": 45.0}, "cache": %s,
			"monitoring": {"request_counts": 7, "response_times": 100, "error_counts": 2}}`, rss, 100*rss/2048, cache)
	case healthPath:
		if s.status == "unhealthy" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprintf(w, `{"status": %q, "database": "connected", "cache": %s, "memory": {"rss_mb": %f, "percent": 5.9},
			"monitoring": {"uptime": 3600, "total_requests": 10, "avg_response_time": 0.012}, "issues": %s, "timestamp": "2026"}`,
			s.status, cache, rss, s.issues)
	case metricsPath:
		fmt.Fprintf(w, `{"system": {"memory_percent": 45.0, "cpu_percent": 3.5, "disk_percent": 20, "uptime_seconds": %d, "uptime_human": "1:00:00"},
			"application": {"total_requests": 10, "total_errors": 2, "avg_response_time": 0.012, "slow_requests": 0, "endpoints": {}, "monitoring_data_size": 109},
			"cache": %s, "rate_limiting": {}, "timestamp": "2026"}`, s.uptime, cache)
	default:
		http.NotFound(w, r)
	}
}

// measured returns how often the memory was asked for.
func (s *service) measured() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// RoundTrip has the service answer without a network, so that a bubble's time passes.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}
