package metrics_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/ratelimit"
	"github.com/ministryfinder/bounded/sweep"
	"github.com/stretchr/testify/require"
)

// Every container of the library, in one line each.
func TestRegisterEveryContainer(t *testing.T) {
	sessions, err := cache.New(cache.Config[string, int]{MaxEntries: 10})
	require.NoError(t, err)
	sessions.Set("a", 1)
	sessions.Get("a")
	sessions.Get("b")
	attempts, err := ratelimit.NewTracker(ratelimit.Config{})
	require.NoError(t, err)
	attempts.Fail(netip.MustParseAddr("192.0.2.1"))
	janitor, err := sweep.New(sweep.Config{})
	require.NoError(t, err)
	for _, name := range []string{"sessions", "again"} {
		_, err = janitor.Every(time.Minute, name, sessions)
		require.NoError(t, err)
	}
	_, err = janitor.Func(time.Hour, "keep-alive \"x\"", func(context.Context) error { return nil })
	require.NoError(t, err)
	janitor.SweepAll()
	times, err := metrics.NewRing(metrics.RingConfig{})
	require.NoError(t, err)
	for i := range 100 {
		times.Observe(time.Duration(i+1) * time.Millisecond)
	}
	watch, err := metrics.NewWatch(metrics.WatchConfig{Limit: 1 << 50})
	require.NoError(t, err)
	family := newFamily(t, metrics.FamilyConfig{Closed: []metrics.ClosedLabel{methods}})
	family.Inc("parish", "GET")

	r := newRecorder(t, metrics.RecorderConfig{})
	require.NoError(t, metrics.Register(r, "sessions", sessions.Stats))
	require.NoError(t, metrics.Register(r, "attempts", attempts.Stats))
	require.NoError(t, metrics.Register(r, "janitor", janitor.Jobs))
	require.NoError(t, metrics.Register(r, "query_times", times.Snapshot))
	require.NoError(t, metrics.Register(r, "memory_watch", watch.State))
	require.NoError(t, metrics.Register(r, "memory_growth", watch.Growth))
	require.NoError(t, r.AddFamily(family))

	s := r.Snapshot()
	f := exposition(t, s) // both texts, read strictly
	value := func(name string, labels ...string) float64 {
		t.Helper()
		require.NotNil(t, f[name], name)
		for _, s := range f[name].samples {
			match := len(s.labels) == len(labels)/2
			for i := 0; i < len(labels); i += 2 {
				match = match && s.labels[labels[i]] == labels[i+1]
			}
			if match {
				return s.value
			}
		}
		require.Fail(t, "no such series", "%s %v", name, labels)
		return 0
	}
	require.Equal(t, 1.0, value("sessions_hits_total"))
	require.Equal(t, 1.0, value("sessions_misses_total"))
	require.Equal(t, 10.0, value("sessions_max_entries"))
	require.Equal(t, float64(sessions.Bytes()), value("sessions_bytes"))
	require.Zero(t, value("sessions_last_victim_age_seconds"))
	require.Equal(t, 1.0, value("attempts_addresses"))
	require.Equal(t, 1.0, value("janitor_runs_total", "name", "sessions"))
	require.Equal(t, 60.0, value("janitor_interval_seconds", "name", "again"))
	require.Equal(t, 3600.0, value("janitor_interval_seconds", "name", "keep-alive \"x\""))
	require.Zero(t, value("janitor_stopped", "name", "again"))
	require.Empty(t, f["janitor_next_timestamp_seconds"].samples, "unknown while Run does not run")
	require.Equal(t, 100.0, value("query_times_observed_total"))
	require.InDelta(t, 0.099, value("query_times_p99_seconds"), 1e-12)
	require.InDelta(t, 0.1, value("query_times_max_seconds"), 1e-12)
	require.Zero(t, value("memory_watch_level"))
	require.Zero(t, value("memory_growth_confidence"))
	require.InDelta(t, time.Now().Unix(), value("memory_watch_since_timestamp_seconds"), 60)
	require.Equal(t, 1.0, value("calls_total", "tenant", "parish", "method", "GET"))
	require.Equal(t, "sessions: reads that returned a value.", f["sessions_hits_total"].help)
	require.Equal(t, "Calls.", f["calls_total"].help)
	for name, family := range f {
		require.NotEmpty(t, family.help, name)
	}

	b, err := json.Marshal(s)
	require.NoError(t, err)
	for _, want := range []string{
		`"sessions_hits_total":1`, `"janitor_next_timestamp_seconds":{"again":null,"keep-alive \"x\"":null,`, `"query_times_p50_seconds":0.05`,
		`"calls_total":{"parish":{"GET":1}}`,
	} {
		require.True(t, strings.Contains(string(b), want), want)
	}
	require.True(t, strings.Contains(r.Var().String(), `"sessions_hits_total":1`))
}

type oddStats struct {
	RSSBytes, HTTPRequests uint64
	Ratio                  float32
	Words                  uint16
	Enabled                bool
	Note                   string
	Name                   string
	At                     time.Time
	hidden                 int
}

func TestRegisterOtherStructs(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	odd := oddStats{RSSBytes: 1, HTTPRequests: 2, Ratio: 0.5, Words: 3, Enabled: true, Name: "no label of a single one", hidden: 1}
	require.NoError(t, metrics.Register(r, "odd", func() oddStats { return odd }))
	require.NoError(t, metrics.Register(r, "empty", func() []oddStats { return nil }))
	var names []string
	values := map[string]float64{}
	for _, v := range r.Snapshot().Values {
		names = append(names, v.Name)
		values[v.Name] = v.Value
		require.Equal(t, v.Name != "odd_at_timestamp_seconds", v.Known)
		require.Nil(t, v.Labels)
	}
	require.Equal(t, []string{"odd_at_timestamp_seconds", "odd_enabled", "odd_http_requests_total", "odd_ratio", "odd_rss_bytes_total", "odd_words"}, names)
	require.Equal(t, map[string]float64{"odd_at_timestamp_seconds": 0, "odd_enabled": 1, "odd_http_requests_total": 2, "odd_ratio": 0.5, "odd_rss_bytes_total": 1, "odd_words": 3}, values)
	require.Equal(t, "odd: http requests.", r.Snapshot().Values[2].Help)
}

type badUnit int64

func (badUnit) Unit() string { return "no unit\n" }

// traffic counts, and says its unit.
type traffic uint64

func (traffic) Unit() string { return "bytes" }

type pointer struct{ unit string }

func (p *pointer) Unit() string { return p.unit }

// Figures that are not durations say their units too.
func TestRegisterSaysUnits(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	ring, err := metrics.NewRingOf[celsius](metrics.RingConfig{})
	require.NoError(t, err)
	ring.Observe(36.6)
	require.NoError(t, metrics.Register(r, "room", ring.Snapshot))
	bad, err := metrics.NewRingOf[badUnit](metrics.RingConfig{})
	require.NoError(t, err)
	require.NoError(t, metrics.Register(r, "bad", bad.Snapshot))
	require.NoError(t, metrics.Register(r, "other", func() struct {
		Heat celsius
		P    *pointer
		Sent traffic
	} {
		return struct {
			Heat celsius
			P    *pointer
			Sent traffic
		}{Heat: 20, Sent: 7}
	}))
	f := exposition(t, r.Snapshot())
	for _, name := range []string{"room_min_celsius", "room_max_celsius", "room_mean_celsius", "room_p99_celsius"} {
		require.NotNil(t, f[name], name)
		require.InEpsilon(t, 36.6, f[name].samples[0].value, 1e-6)
	}
	require.InDelta(t, 20, f["other_heat_celsius"].samples[0].value, 0)
	require.InDelta(t, 7, f["other_sent_bytes_total"].samples[0].value, 0)
	require.NotNil(t, f["bad_p50"])
	require.Contains(t, r.Var().String(), `"room_p50_celsius":36.59999`)
}

// What a container of this library counts is explained, not spelt out from its name.
func TestVocabularyHasEachField(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	require.NoError(t, metrics.Register(r, "cache", func() (s cache.Stats) { return }))
	require.NoError(t, metrics.Register(r, "tracker", func() (s ratelimit.Stats) { return }))
	require.NoError(t, metrics.Register(r, "jobs", func() []sweep.JobStats { return make([]sweep.JobStats, 1) }))
	require.NoError(t, metrics.Register(r, "watch", func() (s metrics.WatchState) { return }))
	require.NoError(t, metrics.Register(r, "growth", func() (s metrics.Growth) { return }))
	require.NoError(t, metrics.Register(r, "ring", func() (s metrics.RingSnapshot[time.Duration]) { return }))
	var spelt []string
	for _, v := range r.Snapshot().Values {
		container, words, _ := strings.Cut(v.Help, ": ")
		name := strings.TrimPrefix(v.Name, container+"_")
		for _, suffix := range []string{"_total", "_seconds", "_timestamp"} {
			name = strings.TrimSuffix(name, suffix)
		}
		if strings.ReplaceAll(name, "_", " ")+"." == words {
			spelt = append(spelt, v.Name)
		}
	}
	require.Empty(t, spelt)
	require.Contains(t, helpOf(r, "tracker_observed_total"), "a network reached a limit")
	require.Contains(t, helpOf(r, "ring_observed_total"), "observations made")
}

func helpOf(r *metrics.Recorder, name string) string {
	for _, v := range r.Snapshot().Values {
		if v.Name == name {
			return v.Help
		}
	}
	return ""
}

func TestRegisterBoundsRows(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	type job struct {
		Name string
		Runs uint64
	}
	require.NoError(t, metrics.Register(r, "jobs", func() []job {
		rows := make([]job, 1500)
		for i := range rows {
			rows[i].Name = strings.Repeat("x", 1000) + "\xff" // the same for all, once it is cut
		}
		return rows
	}))
	values := r.Snapshot().Values
	require.Len(t, values, 1000)
	require.True(t, strings.HasSuffix(values[1].Labels[0].Value, "x (2)"), "two of one name are told apart")
	exposition(t, r.Snapshot())
	type figures struct{ Figures uint64 }
	require.NoError(t, metrics.Register(r, "nameless", func() []figures { return make([]figures, 2) }))
	require.Contains(t, r.Var().String(), `"nameless_figures_total":{"0":0,"1":0}`)
}

func TestRegisterRefuses(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{MaxGauges: 7})
	type figures struct{ Hits, Misses uint64 }
	stats := func() figures { return figures{} }
	require.NoError(t, metrics.Register(r, "a", stats))
	require.ErrorIs(t, metrics.Register(r, "a", stats), metrics.ErrDuplicateName)
	require.ErrorIs(t, r.Gauge("a_hits", "", func() float64 { return 0 }), metrics.ErrDuplicateName, "which OpenMetrics calls a_hits_total")
	require.ErrorContains(t, metrics.Register(r, "b c", stats), "want [a-zA-Z_:]")
	require.ErrorContains(t, metrics.Register[figures](r, "b", nil), "nil")
	require.ErrorContains(t, metrics.Register(r, "b", func() int { return 0 }), "returns int, want a struct or a slice of structs")
	require.ErrorContains(t, metrics.Register(r, "b", func() struct{ a int } { return struct{ a int }{} }), "want one with exported numbers")
	require.ErrorContains(t, r.Gauge("b_total", "", func() float64 { return 0 }), "want it to end in _total if it is a counter's and only then")
	require.NoError(t, metrics.Register(r, "panics", func() figures { panic("in stats") }))
	require.NoError(t, metrics.Register(r, "b", stats))
	require.ErrorIs(t, metrics.Register(r, "c", stats), metrics.ErrTooManyGauges)
	s := r.Snapshot()
	require.Equal(t, metrics.Value{Name: "panics_hits_total", Help: "panics: reads that returned a value.", Counter: true}, s.Values[4])
	require.Equal(t, uint64(1), s.Losses.CallbackPanics)
}
