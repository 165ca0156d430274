// Package monitor keeps the house: one janitor sweeps what is cached, counted and remembered, a watch looks
// at the memory, and what they all know is one [Report].
package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/sweep"
)

// How often the janitor does what.
const (
	cacheInterval   = time.Minute
	trackerInterval = time.Hour
	metricsInterval = 5 * time.Minute
	watchInterval   = 10 * time.Second
)

// What is dropped of the matches whenever the watch looks and the memory is short.
const (
	shrinkWhenHigh     = 0.5
	shrinkWhenCritical = 1.0
)

// Parts are what a Monitor looks after. All of them must be set, but for Logger and Memory.
type Parts struct {
	Matcher  Matcher
	Sessions Container
	Tracker  Container
	Answers  sweep.Sweeper // what is kept of the site's own answers
	Database interface{ Ping(context.Context) error }

	Routes      []string // the patterns of the service's routes
	MemoryLimit int64    // bytes of RSS; 0: only the limits of runtime and container
	Logger      *slog.Logger
	Memory      func() metrics.Memory // nil: metrics.ReadMemory
}

// A Matcher is a sweeper that can make room.
type Matcher interface {
	sweep.Sweeper
	Shrink(fraction float64) (removed int)
	Stats() (matches, ministries cache.Stats)
}

// A Container is a sweeper of bounded size.
type Container interface {
	sweep.Sweeper
	Len() int
	Bytes() int64
	Cap() int
}

// A Monitor is the janitor with all that it sweeps. It does nothing until Run is called.
type Monitor struct {
	parts    Parts
	recorder *metrics.Recorder
	watch    *metrics.Watch
	janitor  *sweep.Janitor

	mu      sync.Mutex // guards history
	history history
}

// New returns a monitor of the parts.
func New(parts Parts) (*Monitor, error) {
	if parts.Logger == nil {
		parts.Logger = slog.Default()
	}
	m := &Monitor{parts: parts}
	log := parts.Logger
	var err error
	m.recorder, err = metrics.NewRecorder(metrics.RecorderConfig{
		Routes: parts.Routes,
		OnWarn: func(w metrics.Warning) { log.Warn(w.String()) },
	})
	if err != nil {
		return nil, err
	}
	m.watch, err = metrics.NewWatch(metrics.WatchConfig{
		Limit: parts.MemoryLimit, Read: parts.Memory,
		OnChange: func(e metrics.Event) { log.Warn(e.String()) },
	})
	if err != nil {
		return nil, err
	}
	m.janitor, err = sweep.New(sweep.Config{DrainTimeout: 2 * time.Second, Logger: log})
	if err != nil {
		return nil, err
	}
	for _, job := range []struct {
		name     string
		interval time.Duration
		sweeper  sweep.Sweeper
	}{
		{"cache", cacheInterval, parts.Matcher},
		{"answers", cacheInterval, parts.Answers},
		{"sessions", cacheInterval, parts.Sessions},
		{"tracker", trackerInterval, parts.Tracker},
		{"metrics", metricsInterval, m.recorder},
		{"memory watch", watchInterval, sweepFunc(m.look)},
	} {
		if _, err := m.janitor.Every(job.interval, job.name, job.sweeper); err != nil {
			return nil, err
		}
	}
	if err := m.addFigures(); err != nil {
		return nil, err
	}
	m.look() // so that the first visitor of the dashboard sees something
	return m, nil
}

type sweepFunc func() int

func (f sweepFunc) Sweep() int { return f() }

// look is the job of the memory watch: it drops matches for as long as the memory is short, and notes the figures.
func (m *Monitor) look() (removed int) {
	m.watch.Sweep()
	switch m.watch.Level() {
	case metrics.LevelHigh:
		removed = m.parts.Matcher.Shrink(shrinkWhenHigh)
	case metrics.LevelCritical:
		removed = m.parts.Matcher.Shrink(shrinkWhenCritical)
	}
	matches, _ := m.parts.Matcher.Stats()
	memory := m.watch.State().Memory
	rss, _ := memory.RSS.Get()
	heap, _ := memory.GoHeap.Get()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history.add(Sample{RSS: rss, Heap: heap, Cache: matches.Bytes})
	return removed
}

// addFigures adds the containers' figures to the metrics.
func (m *Monitor) addFigures() error {
	for _, figure := range []struct {
		name, help string
		read       func() int64
	}{
		{"finder_matches_entries", "Sets of answers whose suggestions are cached.", func() int64 { s, _ := m.parts.Matcher.Stats(); return int64(s.Entries) }},
		{"finder_matches_bytes", "Memory of the cached suggestions.", func() int64 { s, _ := m.parts.Matcher.Stats(); return s.Bytes }},
		{"finder_sessions_entries", "Sessions of administrators.", func() int64 { return int64(m.parts.Sessions.Len()) }},
		{"finder_tracker_entries", "Addresses with failed sign-ins.", func() int64 { return int64(m.parts.Tracker.Len()) }},
		{"finder_tracker_bytes", "Memory of the login tracker.", m.parts.Tracker.Bytes},
	} {
		if err := m.recorder.Gauge(figure.name, figure.help, func() float64 { return float64(figure.read()) }); err != nil {
			return fmt.Errorf("monitor: %w", err)
		}
	}
	for _, figure := range []struct {
		name, help string
		read       func(cache.Stats) uint64
	}{
		{"finder_matches_hits_total", "Matches that came from the cache.", func(s cache.Stats) uint64 { return s.Hits }},
		{"finder_matches_misses_total", "Matches that did not come from the cache.", func(s cache.Stats) uint64 { return s.Misses }},
		{"finder_matches_evicted_total", "Matches that were evicted.", func(s cache.Stats) uint64 { return s.Evicted }},
	} {
		if err := m.recorder.Counter(figure.name, figure.help, func() float64 {
			s, _ := m.parts.Matcher.Stats()
			return float64(figure.read(s))
		}); err != nil {
			return fmt.Errorf("monitor: %w", err)
		}
	}
	return nil
}

// Run runs the janitor until ctx ends and its jobs have, as [sweep.Janitor.Run] does.
func (m *Monitor) Run(ctx context.Context) error { return m.janitor.Run(ctx) }

// Middleware counts the requests to next, which must be the mux.
func (m *Monitor) Middleware(next http.Handler) http.Handler { return m.recorder.Middleware(next) }

// Error counts an error of that kind.
func (m *Monitor) Error(kind string) { m.recorder.Error(kind) }
