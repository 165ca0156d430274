// Package monitor keeps the house: one janitor sweeps what is cached, counted and remembered, a watch looks
// at the memory, and what they all know is one [Report].
package monitor

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/ratelimit"
	"github.com/ministryfinder/bounded/sweep"

	"github.com/ministryfinder/bounded/examples/finder/internal/alert"
	"github.com/ministryfinder/bounded/examples/finder/internal/config"
	"github.com/ministryfinder/bounded/examples/finder/internal/keepalive"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// What is dropped of the matches whenever the watch looks and the memory is short.
const (
	shrinkWhenHigh     = 0.5
	shrinkWhenCritical = 1.0
)

// Parts are what a Monitor looks after. All of them must be set, but for those that may be nil.
type Parts struct {
	Matcher  Matcher
	Sessions Container[cache.Stats]
	Tracker  Container[ratelimit.Stats]
	Answers  Container[cache.Stats] // what is kept of the site's own answers
	Database Database
	Alerts   *alert.Board
	Pinger   *keepalive.Pinger // nil: no keep-alive
	Profiles *metrics.Profiles

	Routes  []string // the patterns of the service's routes
	Metrics config.Metrics
	Limits  config.Memory
	Sweep   config.Sweep
	Logger  *slog.Logger
	Memory  func() metrics.Memory // nil: metrics.ReadMemory
}

// A Matcher is a sweeper that can make room, and forget what it knows of the ministries.
type Matcher interface {
	sweep.Sweeper
	Shrink(fraction float64) (removed int)
	Invalidate()
	Stats() (matches, ministries cache.Stats)
}

// A Container is a sweeper of bounded size that tells its figures.
type Container[S any] interface {
	sweep.Sweeper
	Stats() S
}

// A Database may be away; Sweep asks it whether it is back. That may take a while.
type Database interface {
	sweep.Sweeper
	Status() store.Status
}

// A Monitor is the janitor with all that it sweeps. It does nothing until Run is called.
type Monitor struct {
	parts    Parts
	recorder *metrics.Recorder
	watch    *metrics.Watch
	janitor  *sweep.Janitor
	live     *live
	system   *system

	mu       sync.Mutex   // guards database
	database store.Status // when it was looked at last
}

// New returns a monitor of the parts.
func New(parts Parts) (*Monitor, error) {
	m := &Monitor{parts: parts, live: newLive(), system: newSystem()}
	var err error
	m.recorder, err = metrics.NewRecorder(metrics.RecorderConfig{
		Routes: parts.Routes, MaxEndpoints: parts.Metrics.Endpoints, MaxErrors: parts.Metrics.Errors, MaxLabelBytes: int(parts.Metrics.LabelSize),
		Times: parts.Metrics.Times, TimesMaxAge: parts.Metrics.TimesAge, IdleAfter: parts.Metrics.Idle, SlowAfter: parts.Metrics.SlowAfter,
		ErrorRate: parts.Metrics.ErrorRate, ErrorMin: parts.Metrics.ErrorMin, ErrorWindow: parts.Metrics.ErrorWindow,
		OnWarn: m.warned, WarnEvery: parts.Metrics.WarnEvery,
	})
	if err != nil {
		return nil, err
	}
	m.watch, err = metrics.NewWatch(metrics.WatchConfig{
		Limit: int64(parts.Limits.Limit), High: parts.Limits.High, Critical: parts.Limits.Critical,
		Hysteresis: parts.Limits.Hysteresis, Dwell: parts.Limits.Dwell,
		GrowthWindow: parts.Limits.GrowthWindow, GrowthHorizon: parts.Limits.GrowthHorizon, GrowthConfidence: parts.Limits.GrowthConfidence,
		Read: parts.Memory, OnChange: m.levelChanged, OnGrowth: m.growthChanged, Profiles: parts.Profiles,
	})
	if err != nil {
		return nil, err
	}
	m.janitor, err = sweep.New(sweep.Config{DrainTimeout: parts.Sweep.DrainTimeout, SlowAfter: parts.Sweep.Slow, Logger: parts.Logger})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(m.addJobs(), m.addFigures()); err != nil {
		return nil, err
	}
	m.database.Up = true
	m.lookAtDatabase() // it may be away from the start
	m.look()           // so that the first visitor of the dashboard sees something
	m.live.add(m.sample())
	return m, nil
}

// addJobs gives the janitor what is to be done regularly. What may wait for somebody else is a Func, which
// delays no sweeper.
func (m *Monitor) addJobs() error {
	p := m.parts
	var errs []error
	every := func(interval time.Duration, name string, s sweep.Sweeper) {
		_, err := m.janitor.Every(interval, name, s)
		errs = append(errs, err)
	}
	waits := func(interval time.Duration, name string, f func(context.Context) error) *sweep.Job {
		job, err := m.janitor.Func(interval, name, f)
		errs = append(errs, err)
		return job
	}
	every(p.Sweep.Cache, "cache", p.Matcher)
	every(p.Sweep.Cache, "answers", p.Answers)
	every(p.Sweep.Cache, "sessions", p.Sessions)
	every(p.Sweep.Logins, "tracker", p.Tracker)
	every(p.Sweep.Metrics, "metrics", m.recorder)
	every(p.Sweep.Memory, "memory watch", sweepFunc(m.look))
	every(sampleEvery, "charts", sweepFunc(m.note))
	waits(p.Sweep.Database, "database", m.askDatabase)
	alerts := waits(p.Sweep.Alerts, "alerts", p.Alerts.Deliver)
	if p.Pinger != nil {
		waits(p.Pinger.Every(), "keep-alive", p.Pinger.Run)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	p.Alerts.OnRaise(func() { _ = alerts.Request() }) // before Run, the first run comes by itself
	return nil
}

// addFigures adds the containers' figures to the metrics.
func (m *Monitor) addFigures() error {
	p := m.parts
	errs := []error{
		m.recorder.Gauge("go_goroutines", "Goroutines that there are.", func() float64 { return float64(runtime.NumGoroutine()) }),
		metrics.Register(m.recorder, "finder_matches", func() cache.Stats { s, _ := p.Matcher.Stats(); return s }),
		metrics.Register(m.recorder, "finder_ministries", func() cache.Stats { _, s := p.Matcher.Stats(); return s }),
		metrics.Register(m.recorder, "finder_answers", p.Answers.Stats),
		metrics.Register(m.recorder, "finder_sessions", p.Sessions.Stats),
		metrics.Register(m.recorder, "finder_tracker", p.Tracker.Stats),
		metrics.Register(m.recorder, "finder_janitor", m.janitor.Jobs),
		metrics.Register(m.recorder, "finder_memory_watch", m.watch.State),
		metrics.Register(m.recorder, "finder_memory_growth", m.watch.Growth),
		metrics.Register(m.recorder, "finder_alerts", p.Alerts.Stats),
		metrics.Register(m.recorder, "finder_database", p.Database.Status),
	}
	if p.Pinger != nil {
		errs = append(errs, metrics.Register(m.recorder, "finder_keep_alive", p.Pinger.Stats))
	}
	return errors.Join(errs...)
}

type sweepFunc func() int

func (f sweepFunc) Sweep() int { return f() }

// look is the job of the memory watch: it drops matches for as long as the memory is short.
func (m *Monitor) look() (removed int) {
	m.watch.Sweep()
	switch m.watch.Level() {
	case metrics.LevelHigh:
		return m.parts.Matcher.Shrink(shrinkWhenHigh)
	case metrics.LevelCritical:
		return m.parts.Matcher.Shrink(shrinkWhenCritical)
	}
	return 0
}

// note is the job of the charts: it keeps a sample.
func (m *Monitor) note() int {
	m.system.look()
	m.live.add(m.sample())
	return 0
}

// Run runs the janitor until ctx ends and its jobs have, as [sweep.Janitor.Run] does. Whoever watches the figures is
// told that they end.
func (m *Monitor) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, m.live.close)
	defer stop()
	return m.janitor.Run(ctx)
}

// Middleware counts the requests to next, which must be the mux.
func (m *Monitor) Middleware(next http.Handler) http.Handler { return m.recorder.Middleware(next) }

// Error counts an error of that kind.
func (m *Monitor) Error(kind string) { m.recorder.Error(kind) }

// SweepNow has everything swept now, and returns how much that removed.
func (m *Monitor) SweepNow() (removed int) { return m.janitor.SweepAll() }

// WriteProfile writes a heap profile of now.
func (m *Monitor) WriteProfile() (metrics.Profile, error) {
	runtime.GC() // the profile shows what the last collection has found
	return m.parts.Profiles.Write("asked")
}

// Profiles returns the heap profiles that are kept, the newest first.
func (m *Monitor) Profiles() ([]metrics.Profile, error) { return m.parts.Profiles.List() }

// OpenProfile opens one of them, or returns [fs.ErrNotExist].
func (m *Monitor) OpenProfile(name string) (fs.File, error) { return m.parts.Profiles.Open(name) }
