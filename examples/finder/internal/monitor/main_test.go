package monitor_test

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/ratelimit"

	"github.com/ministryfinder/bounded/examples/finder/internal/alert"
	"github.com/ministryfinder/bounded/examples/finder/internal/config"
	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// A house is a monitor whose parts a test can change.
type house struct {
	*monitor.Monitor
	parts monitor.Parts
	log   *bytes.Buffer

	mu          sync.Mutex // guards what follows
	memory      metrics.Memory
	database    store.Status
	swept       int // of the database
	shrunk      float64
	invalidated int
	matches     cache.Stats
}

const limit = 1_000_000_000

// newHouse returns a monitor of a service in which all is well.
func newHouse(t *testing.T, change func(*house)) *house {
	t.Helper()
	conf := defaults(t)
	h := &house{log: &bytes.Buffer{}}
	h.memory = metrics.Memory{RSS: metrics.BytesOf(limit / 10), SystemTotal: metrics.BytesOf(8e9), SystemAvailable: metrics.BytesOf(6e9)}
	h.database = store.Status{Kind: "postgresql", Up: true, Ministries: store.FromDatabase, QueueEntries: 5}
	profiles, err := metrics.NewProfiles(metrics.ProfilesConfig{Dir: t.TempDir()})
	require.NoError(t, err)
	conf.Memory.Limit = limit
	logger := slog.New(slog.NewTextHandler(h.log, nil))
	h.parts = monitor.Parts{
		Matcher: matcher{h}, Sessions: container[cache.Stats]{}, Answers: container[cache.Stats]{}, Tracker: container[ratelimit.Stats]{},
		Database: database{h}, Profiles: profiles, Alerts: alert.New(alert.Config{Keep: 10, Logger: logger}),
		Routes: []string{"GET /"}, Metrics: conf.Metrics, Limits: conf.Memory, Sweep: conf.Sweep, Logger: logger,
		Memory: func() metrics.Memory { h.mu.Lock(); defer h.mu.Unlock(); return h.memory },
	}
	if change != nil {
		change(h)
	}
	h.Monitor, err = monitor.New(h.parts)
	require.NoError(t, err)
	return h
}

// defaults returns the configuration of an empty environment.
func defaults(t *testing.T) config.Config {
	t.Helper()
	c, err := config.Read()
	require.NoError(t, err)
	return c
}

func (h *house) set(change func()) { h.mu.Lock(); defer h.mu.Unlock(); change() }

func (h *house) setRSS(n int64) { h.set(func() { h.memory.RSS = metrics.BytesOf(n) }) }

// texts returns the kinds and the texts of the alerts, the newest first.
func (h *house) texts() (texts []string) {
	for _, a := range h.Report().Alerts {
		texts = append(texts, a.Kind+": "+a.Text)
	}
	return texts
}

type matcher struct{ h *house }

func (m matcher) Sweep() int           { return 0 }
func (m matcher) Shrink(f float64) int { m.h.set(func() { m.h.shrunk = f }); return 7 }
func (m matcher) Invalidate()          { m.h.set(func() { m.h.invalidated++ }) }
func (m matcher) Stats() (matches, ministries cache.Stats) {
	m.h.set(func() { matches = m.h.matches })
	return
}

type database struct{ h *house }

func (d database) Sweep() int               { d.h.set(func() { d.h.swept++ }); return 0 }
func (d database) Status() (s store.Status) { d.h.set(func() { s = d.h.database }); return }

type container[S any] struct{}

func (container[S]) Sweep() int       { return 0 }
func (container[S]) Stats() (stats S) { return }

// rest lets time pass in a bubble, until the janitor has nothing to do.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

const moment = 20 * time.Second // longer than each of the janitor's intervals that matter
