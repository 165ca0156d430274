// Package promparse_test reads what a metrics.Recorder writes with the parsers of Prometheus itself.
package promparse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/ratelimit"
	"github.com/ministryfinder/bounded/sweep"
)

// odd are names that clients can make up, which end up as values of labels.
var odd = []string{
	`say "hi"`, `back\slash`, `ends in \`, "two\nlines", "carriage\rreturn", "\x00\x7f\t", "not UTF-8: \xff\xfe", "half a rune: \xe4\xb8",
	"世界 🌍 \u2028", " spaces ", `{a="b"} 1`, "# EOF", "", "other", "retired", strings.Repeat("long ", 1000),
}

// newRecorder returns a recorder with all that the library has registered, all of which has been used.
func newRecorder(t *testing.T) *metrics.Recorder {
	t.Helper()
	r, err := metrics.NewRecorder(metrics.RecorderConfig{
		Routes: []string{"GET /", "POST /login"}, MaxEndpoints: len(odd) - 2, MaxErrors: len(odd) - 4, OnWarn: func(metrics.Warning) {},
	})
	require.NoError(t, err)
	for i, name := range odd {
		for n := range 20 {
			r.Record(name, []int{200, 204, 301, 404, 500, 0}[n%6], time.Duration(1+n*i)*time.Millisecond)
			r.Error(name)
		}
	}
	r.Record("GET /", 200, 3*time.Second)

	sessions, err := cache.New(cache.Config[string, int]{MaxEntries: 10})
	require.NoError(t, err)
	for i := range 20 {
		sessions.Set(fmt.Sprint(i), i)
		sessions.Get(fmt.Sprint(i / 2))
	}
	attempts, err := ratelimit.NewTracker(ratelimit.Config{})
	require.NoError(t, err)
	_ = attempts.Fail(netip.MustParseAddr("192.0.2.1")) // let in, for the first time
	janitor, err := sweep.New(sweep.Config{})
	require.NoError(t, err)
	for _, name := range []string{"sessions", odd[0], odd[3], odd[6]} {
		_, err = janitor.Func(time.Minute, name, func(context.Context) error { return nil })
		require.NoError(t, err)
	}
	janitor.SweepAll()
	times, err := metrics.NewRing(metrics.RingConfig{})
	require.NoError(t, err)
	empty, err := metrics.NewRing(metrics.RingConfig{})
	require.NoError(t, err)
	sizes, err := metrics.NewRingOf[float64](metrics.RingConfig{})
	require.NoError(t, err)
	room, err := metrics.NewRingOf[celsius](metrics.RingConfig{})
	require.NoError(t, err)
	for i := range 100 {
		times.Observe(time.Duration(i+1) * time.Millisecond)
		sizes.Observe(1e300 / float64(i+1))
		room.Observe(celsius(i))
	}
	watch, err := metrics.NewWatch(metrics.WatchConfig{Limit: 1 << 50})
	require.NoError(t, err)
	watch.Sweep()
	calls, err := metrics.NewFamily(metrics.FamilyConfig{
		Name: "calls_total", Help: "Calls, by \"tenant\"\nand C:\\method.", Label: "tenant", MaxSeries: len(odd) - 2,
		Closed: []metrics.ClosedLabel{{Name: "method", Values: []string{"GET", "PO\"ST\n"}}},
	})
	require.NoError(t, err)
	for _, name := range odd {
		calls.Inc(name, "GET")
		calls.Add(1<<60, name, "PO\"ST\n")
		calls.Inc(name, "neither")
	}

	require.NoError(t, metrics.Register(r, "sessions", sessions.Stats))
	require.NoError(t, metrics.Register(r, "attempts", attempts.Stats))
	require.NoError(t, metrics.Register(r, "janitor", janitor.Jobs))
	require.NoError(t, metrics.Register(r, "query_times", times.Snapshot))
	require.NoError(t, metrics.Register(r, "empty_times", empty.Snapshot))
	require.NoError(t, metrics.Register(r, "sizes", sizes.Snapshot))
	require.NoError(t, metrics.Register(r, "room", room.Snapshot))
	require.NoError(t, metrics.Register(r, "memory_growth", watch.Growth))
	require.NoError(t, metrics.Register(r, "memory_watch", watch.State))
	require.NoError(t, r.AddFamily(calls))
	require.NoError(t, r.Gauge("temperature_celsius", "Degrees, \\ and\nmore.", func() float64 { return -1.5e-300 }))
	require.NoError(t, r.Gauge("unknown_celsius", "Of which there is nothing to say.", func() float64 { panic("broken") }))
	require.NoError(t, r.Counter("ticks_total", "Ticks.", func() float64 { return 1 << 53 }))
	return r
}

// celsius is a figure that says its unit.
type celsius float64

func (celsius) Unit() string { return "celsius" }

// series returns the name of a series with its labels in order.
func series(name string, pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fmt.Sprintf("%s=%q", pairs[i], pairs[i+1]))
	}
	slices.Sort(list)
	return name + "{" + strings.Join(list, ",") + "}"
}

// all returns each series that there must be of a snapshot, with its value.
func all(s metrics.Snapshot) map[string]float64 {
	want := make(map[string]float64)
	counts := func(endpoint string, c metrics.Counts) {
		for class, n := range c.Status {
			want[series("http_requests_total", "endpoint", endpoint, "status", []string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}[class])] = float64(n)
		}
		want[series("http_request_duration_seconds_sum", "endpoint", endpoint)] = c.Duration.Seconds()
		want[series("http_request_duration_seconds_count", "endpoint", endpoint)] = float64(c.Requests)
		want[series("http_slow_requests_total", "endpoint", endpoint)] = float64(c.Slow)
	}
	quantiles := map[string]float64{"0.5": 0.5, "0.9": 0.9, "0.95": 0.95, "0.99": 0.99}
	for _, e := range s.Endpoints {
		counts(e.Name, e.Counts)
		if e.Missed > 0 {
			want[series("http_requests_other_max", "endpoint", e.Name)] = float64(e.Missed)
		}
		for name, q := range quantiles {
			if e.Times.Count > 0 {
				want[series("http_request_duration_seconds", "endpoint", e.Name, "quantile", name)] = e.Times.Quantile(q).Seconds()
			}
		}
	}
	counts(metrics.OtherName, s.Other)
	counts(metrics.RetiredName, s.Retired)
	for name, q := range quantiles {
		want[series("http_overall_request_duration_seconds", "quantile", name)] = s.Times.Quantile(q).Seconds()
	}
	for _, e := range s.Errors {
		want[series("errors_total", "kind", e.Kind)] = float64(e.Count)
		if e.Missed > 0 {
			want[series("errors_other_max", "kind", e.Kind)] = float64(e.Missed)
		}
	}
	want[series("errors_total", "kind", metrics.OtherName)] = float64(s.ErrorsOther)
	want[series("errors_total", "kind", metrics.RetiredName)] = float64(s.ErrorsRetired)
	for name, v := range map[string]float64{
		"http_overall_request_duration_seconds_sum": s.Total.Duration.Seconds(), "http_overall_request_duration_seconds_count": float64(s.Total.Requests),
		"http_requests_in_flight": float64(s.InFlight), "http_recent_error_ratio": s.Recent.Rate(), "uptime_seconds": s.Uptime.Seconds(),
		"metrics_clipped_names_total": float64(s.Losses.ClippedNames), "metrics_endpoints_retired_total": float64(s.Losses.EndpointsRetired),
		"metrics_error_kinds_retired_total": float64(s.Losses.ErrorsRetired), "metrics_negative_durations_total": float64(s.Losses.NegativeDurations),
		"http_aborted_requests_total": float64(s.Losses.AbortedRequests), "metrics_warnings_suppressed_total": float64(s.Losses.WarningsSuppressed),
		"metrics_callback_panics_total": float64(s.Losses.CallbackPanics),
	} {
		want[series(name)] = v
	}
	for name, b := range map[string]metrics.Bytes{
		"process_resident_memory_bytes": s.Memory.RSS, "process_peak_resident_memory_bytes": s.Memory.PeakRSS,
		"go_memory_heap_bytes": s.Memory.GoHeap, "go_memory_live_bytes": s.Memory.GoLive, "go_memory_total_bytes": s.Memory.GoTotal,
		"go_memory_limit_bytes": s.Memory.GoLimit, "cgroup_memory_limit_bytes": s.Memory.CgroupLimit, "cgroup_memory_usage_bytes": s.Memory.CgroupUsage,
		"cgroup_memory_cache_bytes": s.Memory.CgroupCache, "system_memory_total_bytes": s.Memory.SystemTotal, "system_memory_available_bytes": s.Memory.SystemAvailable,
	} {
		if n, ok := b.Get(); ok {
			want[series(name)] = float64(n)
		}
	}
	for _, v := range s.Values {
		var pairs []string
		for _, l := range v.Labels {
			pairs = append(pairs, l.Name, l.Value)
		}
		if v.Known {
			want[series(v.Name, pairs...)] = v.Value
		}
	}
	return want
}

// figures returns what the application named.
func figures(s metrics.Snapshot) map[string]metrics.Value {
	named := make(map[string]metrics.Value)
	for _, v := range s.Values {
		named[v.Name] = v
	}
	return named
}

// The text format 0.0.4, read by the library that Prometheus's own tools read it with.
func TestTextIsReadByExpfmt(t *testing.T) {
	s := newRecorder(t).Snapshot()
	var text bytes.Buffer
	require.NoError(t, s.WritePrometheus(&text))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text.Bytes()))
	require.NoError(t, err)

	got := make(map[string]float64)
	for name, f := range families {
		require.NotEmpty(t, f.GetHelp(), name)
		require.Equal(t, f.GetType() == dto.MetricType_COUNTER, strings.HasSuffix(name, "_total"), name)
		require.Contains(t, []dto.MetricType{dto.MetricType_COUNTER, dto.MetricType_GAUGE, dto.MetricType_SUMMARY}, f.GetType(), name)
		for _, m := range f.GetMetric() {
			var pairs []string
			for _, l := range m.GetLabel() {
				pairs = append(pairs, l.GetName(), l.GetValue())
			}
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				got[series(name, pairs...)] = m.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				got[series(name, pairs...)] = m.GetGauge().GetValue()
			case dto.MetricType_SUMMARY:
				for _, q := range m.GetSummary().GetQuantile() {
					got[series(name, append(slices.Clip(pairs), "quantile", fmt.Sprint(q.GetQuantile()))...)] = q.GetValue()
				}
				got[series(name+"_sum", pairs...)] = m.GetSummary().GetSampleSum()
				got[series(name+"_count", pairs...)] = float64(m.GetSummary().GetSampleCount())
			}
		}
	}
	require.Equal(t, all(s), got)
	for name, v := range figures(s) {
		if f := families[name]; f != nil { // the parser leaves out a family without samples
			require.Equal(t, v.Help, f.GetHelp(), name)
			require.Equal(t, v.Counter, f.GetType() == dto.MetricType_COUNTER, name)
		}
	}
}

func TestTextHasNothingForPromlintToSay(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, newRecorder(t).Snapshot().WritePrometheus(&text))
	problems, err := promlint.New(&text).Lint()
	require.NoError(t, err)
	for _, p := range problems {
		// The figures of a ring have a gauge of how many observations it holds, which falls: it is no part of a
		// summary.
		if !slices.Contains([]string{"query_times_count", "empty_times_count", "sizes_count", "room_count"}, p.Metric) || !strings.Contains(p.Text, `"_count" suffix`) {
			require.Fail(t, p.Metric, p.Text)
		}
	}
}

// Both formats, read by the parser that a Prometheus server scrapes with.
func TestServerReadsBothFormats(t *testing.T) {
	s := newRecorder(t).Snapshot()
	for _, format := range []struct {
		name, contentType string
		write             func(metrics.Snapshot, io.Writer) error
	}{
		{"text", "text/plain; version=0.0.4", metrics.Snapshot.WritePrometheus},
		{"open-metrics", "application/openmetrics-text; version=1.0.0", metrics.Snapshot.WriteOpenMetrics},
	} {
		t.Run(format.name, func(t *testing.T) {
			var text bytes.Buffer
			require.NoError(t, format.write(s, &text))
			read, err := scrape(text.Bytes(), format.contentType)
			require.NoError(t, err)
			require.Equal(t, all(s), read.values)
			open := format.name == "open-metrics"
			for name, v := range figures(s) {
				kind := model.MetricTypeGauge
				if v.Counter {
					kind = model.MetricTypeCounter
				}
				if open && v.Counter {
					name = strings.TrimSuffix(name, "_total")
				}
				require.Equal(t, kind, read.types[name], name)
				require.Equal(t, v.Help, read.helps[name], name)
			}
			require.Equal(t, model.MetricTypeSummary, read.types["http_request_duration_seconds"])
			require.Len(t, read.helps, len(read.types), "each has a help text")
			if !open {
				require.Empty(t, read.units)
				return
			}
			require.NotContains(t, read.types, "ticks_total")
			for name := range read.types {
				want := ""
				for _, unit := range []string{"seconds", "bytes", "ratio"} {
					if strings.HasSuffix(name, "_"+unit) {
						want = unit
					}
				}
				require.Equal(t, want, read.units[name], name)
			}
			_, err = scrape(bytes.TrimSuffix(text.Bytes(), []byte("# EOF\n")), format.contentType)
			require.Error(t, err, "the end is what tells a whole answer")
		})
	}
}

// What Handler answers a server that says which formats it can read, under the content type that it gives.
func TestServerReadsHandler(t *testing.T) {
	server := httptest.NewServer(newRecorder(t).Handler())
	defer server.Close()
	for _, accept := range []string{
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
		"text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	} {
		request, err := http.NewRequest(http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		request.Header.Set("Accept", accept)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		first, _, _ := strings.Cut(accept, ";")
		require.True(t, strings.HasPrefix(response.Header.Get("Content-Type"), first), response.Header.Get("Content-Type"))
		read, err := scrape(body, response.Header.Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, 1.0, read.values[series("http_slow_requests_total", "endpoint", "GET /")])
	}
}

// A scraped is what a server makes of a text.
type scraped struct {
	values       map[string]float64
	types        map[string]model.MetricType
	helps, units map[string]string
}

func scrape(text []byte, contentType string) (scraped, error) {
	read := scraped{make(map[string]float64), make(map[string]model.MetricType), make(map[string]string), make(map[string]string)}
	parser, err := textparse.New(text, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return read, err
	}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return read, err
		}
		switch entry {
		case textparse.EntryType:
			name, kind := parser.Type()
			if read.types[string(name)] != "" {
				return read, fmt.Errorf("family %s given twice", name)
			}
			read.types[string(name)] = kind
		case textparse.EntryHelp:
			name, help := parser.Help()
			read.helps[string(name)] = string(help)
		case textparse.EntryUnit:
			name, unit := parser.Unit()
			read.units[string(name)] = string(unit)
		case textparse.EntrySeries:
			_, at, value := parser.Series()
			var l labels.Labels
			parser.Labels(&l)
			var pairs []string
			l.Range(func(l labels.Label) {
				if l.Name != model.MetricNameLabel {
					pairs = append(pairs, l.Name, l.Value)
				}
			})
			id := series(l.Get(model.MetricNameLabel), pairs...)
			if _, ok := read.values[id]; ok || at != nil {
				return read, fmt.Errorf("series %s given twice, or with a time", id)
			}
			read.values[id] = value
		default:
			return read, fmt.Errorf("entry of kind %v", entry)
		}
	}
}
