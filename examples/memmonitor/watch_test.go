package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeURL is where no network goes.
var fakeURL = &url.URL{Scheme: "http", Host: "service"}

// observe runs a watch of the service in a bubble, and returns what it summarized and printed.
func observe(t *testing.T, service http.RoundTripper, args string) (s summary, text string, w *watch) {
	o, err := parseFlags(strings.Fields(args))
	require.NoError(t, err)
	o.url = fakeURL
	var out strings.Builder
	synctest.Test(t, func(t *testing.T) {
		c := newClient(o.url, o.timeout())
		c.http.Transport = service
		w = newWatch(c, o, newConsole(&out))
		w.run(t.Context())
		s = w.summarize()
		w.console.summary(s)
		require.NoError(t, w.writeFiles(s))
	})
	return s, out.String(), w
}

func TestAnHourOfEachHalfMinuteIs121Measurements(t *testing.T) {
	s, text, w := observe(t, newService(level), "-interval 30 -duration 3600")
	require.Equal(t, 121, s.Measurements)
	require.Equal(t, 121, s.Measured)
	require.Equal(t, time.Hour, s.To.Sub(s.From))
	require.False(t, s.Leak)
	require.Equal(t, exactly(120.5), s.RSS.Mean)
	require.Equal(t, 121, strings.Count(text, "RSS    120.5 MB"), "a line for each")
	require.Contains(t, text, "no leak was found")
	require.NotContains(t, text, "\x1b", "no terminal")

	// All that the original answers is read.
	m := w.series.last()
	require.Empty(t, m.Problems)
	require.Equal(t, exactly(900.25), m.VMS)
	require.Equal(t, exactly(45), m.System)
	require.Equal(t, cacheFigures{Type: "memory", Entries: exactly(41), MaxEntries: exactly(500), MB: exactly(3.2), MaxMB: exactly(50)}, m.Cache)
	require.Equal(t, []number{exactly(7), exactly(100), exactly(2)}, []number{m.CountedRequests, m.CountedTimes, m.CountedErrors})
	require.Equal(t, []number{exactly(3.5), exactly(3600), exactly(10), exactly(2)}, []number{m.CPU, m.Uptime, m.Requests, m.Errors})
	require.Equal(t, "0.012", m.Response)
	require.Equal(t, "healthy", m.Health)
	require.Equal(t, "connected", m.Database)
}

// A leak is found among the waves of a collector, and waves alone are none.
func TestALeakIsToldFromWaves(t *testing.T) {
	wave := func(i int) float64 { return 120 + 30*float64(i%5) }
	s, text, _ := observe(t, newService(func(i int) float64 { return wave(i) + 0.5*float64(i) }), "-interval 30 -duration 3600")
	require.True(t, s.Leak)
	require.InDelta(t, 60, s.Trend.PerHour, 5)
	require.GreaterOrEqual(t, s.Trend.Confidence, 0.99)
	require.InDelta(t, 0.5*60.5, s.Growth.value, 3)
	require.InDelta(t, (2048-240)/60.0, s.TillLimit.value, 4)
	require.Contains(t, text, "growth between the halves: +3")
	require.Contains(t, text, "a leak: +")
	require.Contains(t, text, "the limit of 2048 MB is reached in about ")

	require.NotContains(t, text, "so look again later")

	young := newService(leaking)
	young.uptime = 90
	s, text, _ = observe(t, young, "-interval 30 -duration 3600")
	require.True(t, s.Leak)
	require.Contains(t, text, "the service had been up for 1m30s only when it was first measured")

	s, text, _ = observe(t, newService(wave), "-interval 30 -duration 3600")
	require.False(t, s.Leak)
	require.Contains(t, text, "no leak was found")

	s, text, _ = observe(t, newService(func(i int) float64 { return 120 + 0.001*float64(i) }), "-interval 30 -duration 3600")
	require.False(t, s.Leak)
	require.Contains(t, text, "the memory grows, but too little")
	require.NotContains(t, text, "is reached", "of what is no leak nobody knows how it goes on")

	s, _, _ = observe(t, newService(leaking), "-interval 30 -duration 60")
	require.False(t, s.Leak, "three measurements tell nothing")
	require.Contains(t, s.Verdict, "too few measurements")
}

// away answers nothing for some of the time of its bubble.
type away struct {
	*service
	from, to time.Duration
}

func (a *away) RoundTrip(r *http.Request) (*http.Response, error) {
	begun := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when each bubble does
	if d := time.Since(begun); d >= a.from && d < a.to {
		return nil, errors.New("connection refused")
	}
	return a.service.RoundTrip(r)
}

func TestAServiceThatGoesAwayIsWaitedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memory.json")
	s, text, _ := observe(t, &away{service: newService(level), from: 5 * time.Minute, to: 10 * time.Minute}, "-interval 1m -duration 20m -json "+file)
	require.Equal(t, 21, s.Measurements)
	require.Equal(t, 5, s.Failed)
	require.Equal(t, 16, s.Measured)
	require.Equal(t, 5, strings.Count(text, "failed: connection refused"))
	require.Contains(t, text, "21 measurements in 20m0s, 5 failed, 0 incomplete")

	written, err := os.ReadFile(file)
	require.NoError(t, err)
	var r record
	require.NoError(t, json.Unmarshal(written, &r))
	require.Len(t, r.Measurements, 21)
	require.Equal(t, 5, r.Summary.Failed)
	require.Equal(t, []string{"connection refused"}, r.Measurements[7].Problems)
	require.Equal(t, number{}, r.Measurements[7].RSS)
	require.Equal(t, exactly(120.5), r.Measurements[12].RSS)
}

func TestWarningsBeginAndEndOnce(t *testing.T) {
	service := newService(func(i int) float64 {
		if i >= 3 && i < 6 {
			return 1700 // of 2048 MB
		}
		return 120
	})
	s, text, _ := observe(t, service, "-interval 30 -duration 300")
	require.Equal(t, 1, strings.Count(text, "warning: process memory at 83.0 % of its limit, 80 % and more is high"))
	require.Equal(t, 1, strings.Count(text, "over: the warning of the process memory"))
	require.Equal(t, map[string]int{"process memory": 3}, s.Warnings)
	require.Contains(t, text, "warning of the process memory in 3 of 11 measurements")

	service = newService(level)
	service.status, service.issues = "unhealthy", `["Cache memory usage is high", "Database\u001b[2J is away"]`
	_, text, _ = observe(t, service, "-interval 30 -duration 60")
	require.Equal(t, 1, strings.Count(text, "warning: health is unhealthy: Cache memory usage is high; Database [2J is away"))
	require.NotContains(t, text, "\x1b")
}

func TestEachFigureHasItsWarning(t *testing.T) {
	for kind, m := range map[string]measurement{
		"process memory": {Process: exactly(80)},
		"system memory":  {System: exactly(80)},
		"cache":          {Cache: cacheFigures{MB: exactly(40), MaxMB: exactly(50)}},
		"health":         {Health: "degraded"},
	} {
		list := m.warnings()
		require.Len(t, list, 1, kind)
		require.Equal(t, kind, list[0].kind)
	}
	none := measurement{Process: exactly(79.9), System: exactly(79.9), Cache: cacheFigures{MB: exactly(39.9), MaxMB: exactly(50)}, Health: "Healthy"}
	require.Empty(t, none.warnings())
	require.Empty(t, new(measurement).warnings(), "what is not known is not warned of")
}

// What is watched for ever takes bounded memory, and covers all of the time.
func TestASeriesIsBounded(t *testing.T) {
	s := newSeries(100)
	for i := range 12_345 {
		s.add(measurement{RSS: exactly(float64(i))})
		require.LessOrEqual(t, len(s.kept), 100)
		for j, m := range s.kept {
			require.Equal(t, float64(j*s.stride), m.RSS.value)
		}
	}
	require.Greater(t, len(s.kept), 49)
	require.Equal(t, 12_344.0, s.last().RSS.value)
}

// A context that ends is an interrupt: the watch is over at once, and half a measurement is none.
func TestAnInterruptEndsTheWatchAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := newClient(fakeURL, time.Second)
		c.http.Transport = newService(level)
		w := newWatch(c, options{url: fakeURL, interval: time.Minute}, newConsole(io.Discard))
		time.AfterFunc(150*time.Second, cancel)
		begun := time.Now()
		w.run(ctx)
		require.Equal(t, 150*time.Second, time.Since(begun))
		require.Equal(t, 3, w.summarize().Measured)
	})
}

func TestNumbersThatAreNoneAreUnknown(t *testing.T) {
	_, err := parse([]byte(`{"a": "12.5", "b": "NaN", "c": -1, "d": null, "e": {"f": [1, 2]}, "g": 1e400}`))
	require.Error(t, err, "no number of that size")
	d, err := parse([]byte(`{"a": "12.5", "b": "NaN", "c": -1, "d": null, "e": {"f": [1, 2]}}`))
	require.NoError(t, err)
	require.Equal(t, exactly(12.5), d.at("a").number())
	for _, name := range []string{"b", "c", "d", "e", "none"} {
		require.False(t, d.at(name).number().known, name)
	}
	require.Equal(t, exactly(2), d.at("e", "f").size())
	require.False(t, exactly(math.Inf(1)).known)
	_, err = parse([]byte(`[1]`))
	require.Error(t, err)
}
