package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
)

// requireFields looks at the JSON type of fields, each named by its path. There may be others.
func requireFields(t *testing.T, body string, fields string) {
	t.Helper()
	var document any
	require.NoError(t, json.Unmarshal([]byte(body), &document), body)
	for line := range strings.Lines(fields) {
		path, want, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		value := document
		for _, name := range strings.Split(path, ".") {
			object, ok := value.(map[string]any)
			require.True(t, ok, "what %s is in is no object: %s", path, body)
			value, ok = object[name]
			require.True(t, ok, "there is no %s: %s", path, body)
		}
		require.Equal(t, want, jsonType(value), path)
		if strings.HasSuffix(path, "timestamp") {
			at, err := time.Parse(time.RFC3339, value.(string))
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), at, time.Minute)
		}
	}
}

func jsonType(value any) string {
	switch value.(type) {
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return fmt.Sprint(value)
}

// decode reads an answer into a new T.
func decode[T any](t *testing.T, body string) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(body), &v), body)
	return v
}

// sendJSON posts a body for programs.
func (v *visitor) sendJSON(path, body string) (*http.Response, string) {
	v.t.Helper()
	response, text := v.read(v.Post(v.base+path, "application/json", strings.NewReader(body)))
	require.Equal(v.t, "application/json; charset=utf-8", response.Header.Get("Content-Type"), text)
	return response, text
}

const cacheFields = `
	cache.type string
	cache.cache_size number
	cache.memory_usage_mb number
	cache.max_memory_mb number
	cache.max_cache_size number`

func TestMemoryStatusHasItsFields(t *testing.T) {
	v := start(t)
	v.sendJSON("/api/match", `{"age":"adult","gender":"female","interest":["music"]}`)
	_, body := v.get("/api/memory-status")
	requireFields(t, body, cacheFields+`
		timestamp string
		process.rss_mb number
		process.vms_mb number
		process.percent number
		system.total_gb number
		system.available_gb number
		system.percent number
		monitoring.request_counts number
		monitoring.response_times number
		monitoring.error_counts number`)
	answer := decode[struct {
		Process struct {
			RSS     float64 `json:"rss_mb"`
			VMS     float64 `json:"vms_mb"`
			Percent float64
		}
		System     struct{ Percent float64 }
		Monitoring struct {
			Times int `json:"response_times"`
		}
	}](t, body)
	require.Greater(t, answer.Process.VMS, answer.Process.RSS)
	require.Greater(t, answer.Process.RSS, 5.0)
	require.Greater(t, answer.Process.Percent, 0.0)
	require.Less(t, answer.Process.Percent, 100.0)
	require.Greater(t, answer.System.Percent, 0.0)
	require.Less(t, answer.System.Percent, 100.0)
	require.Equal(t, 1, answer.Monitoring.Times)
}

func TestHealthHasItsFields(t *testing.T) {
	v := start(t)
	began := time.Now()
	v.get("/")
	took := time.Since(began)
	response, body := v.get("/api/health")
	require.Equal(t, http.StatusOK, response.StatusCode)
	requireFields(t, body, cacheFields+`
		status string
		database string
		memory.rss_mb number
		memory.percent number
		monitoring.uptime number
		monitoring.total_requests number
		monitoring.avg_response_time number
		issues array
		timestamp string`)
	answer := decode[health](t, body)
	require.Equal(t, "healthy", answer.Status)
	require.Equal(t, "connected", answer.Database)
	require.Empty(t, answer.Issues)
	require.Equal(t, 1, answer.Monitoring.Requests)
	require.Greater(t, answer.Monitoring.Average, 0.0)
	require.LessOrEqual(t, answer.Monitoring.Average, took.Seconds(), "it is in seconds")
}

type health struct {
	Status, Database string
	Issues           []string
	Monitoring       struct {
		Requests int     `json:"total_requests"`
		Average  float64 `json:"avg_response_time"`
	}
	Queue struct{ Waiting, Max, Written, Refused int }
}

func TestAnUnhealthyServiceAnswers500(t *testing.T) {
	t.Setenv("MEMORY_LIMIT", "1MB")
	v := start(t)
	response, body := v.get("/api/health")
	require.Equal(t, http.StatusInternalServerError, response.StatusCode)
	answer := decode[health](t, body)
	require.Equal(t, "unhealthy", answer.Status)
	require.Len(t, answer.Issues, 1)
	require.Contains(t, answer.Issues[0], "memory is short")
	require.Equal(t, "connected", answer.Database)
	response, _ = v.get("/")
	require.Equal(t, http.StatusOK, response.StatusCode, "it goes on as well as it can")
}

func TestMetricsHasItsFields(t *testing.T) {
	v := start(t)
	v.get("/")
	v.get("/admin/ministries/none")
	v.post("/admin/sign-in", map[string][]string{"user": {"admin"}, "password": {"a guess"}})
	_, body := v.get("/api/metrics")
	requireFields(t, body, cacheFields+`
		system.memory_percent number
		system.cpu_percent number
		system.disk_percent number
		system.uptime_seconds number
		system.uptime_human string
		application.total_requests number
		application.total_errors number
		application.avg_response_time number
		application.slow_requests number
		application.endpoints object
		application.monitoring_data_size number
		rate_limiting object
		timestamp string`)
	answer := decode[struct {
		Application struct {
			Requests  int            `json:"total_requests"`
			Errors    int            `json:"total_errors"`
			Size      int            `json:"monitoring_data_size"`
			Kinds     map[string]int `json:"errors"`
			Endpoints map[string]struct {
				Requests int
				P99      float64
			}
		}
		RateLimiting struct {
			Addresses int `json:"tracked_addresses"`
			Failed    int
		} `json:"rate_limiting"`
	}](t, body)
	require.Equal(t, 4, answer.Application.Requests, "two and one redirected")
	require.Equal(t, 1, answer.Application.Errors)
	require.Equal(t, map[string]int{"sign-in refused": 1}, answer.Application.Kinds)
	require.Equal(t, 1, answer.Application.Endpoints["GET /{$}"].Requests)
	require.Greater(t, answer.Application.Endpoints["GET /{$}"].P99, 0.0)
	require.Greater(t, answer.Application.Size, 4)
	require.Equal(t, 1, answer.RateLimiting.Failed)
	require.Equal(t, 1, answer.RateLimiting.Addresses)
}

func TestPrometheusReadsAllFigures(t *testing.T) {
	v := start(t)
	response, body := v.get("/metrics")
	require.Contains(t, response.Header.Get("Content-Type"), "text/plain")
	for _, name := range []string{
		"go_goroutines", "finder_matches_entries", "finder_tracker_addresses", "finder_sessions_entries", "finder_alerts_kept", "finder_database_queued",
		"finder_janitor_runs", "finder_memory_watch_level",
	} {
		require.Contains(t, body, "\n"+name, name)
	}
}

func TestGetMinistriesAreTheActiveOnesByKey(t *testing.T) {
	v := start(t)
	_, body := v.sendJSON("/api/get-ministries", "{}")
	ministries := decode[map[string]catalog.Ministry](t, body)
	builtIn, err := catalog.BuiltIn()
	require.NoError(t, err)
	require.Len(t, ministries, len(builtIn))
	for _, m := range builtIn {
		require.Equal(t, m, ministries[m.Key])
	}
	v.signIn()
	v.post("/admin/ministries/rosary/active", map[string][]string{"active": {"no"}})
	_, body = v.sendJSON("/api/get-ministries", "")
	ministries = decode[map[string]catalog.Ministry](t, body)
	require.NotContains(t, ministries, "rosary", "at once")
	require.Len(t, ministries, len(builtIn)-1)
}

type submitted struct {
	Success bool
	Message string
	ID      string `json:"submission_id"`
	Field   string
}

// count returns how many submissions the office sees.
func (v *visitor) count() string {
	v.t.Helper()
	_, body := v.get("/admin/submissions")
	_, rest, ok := strings.Cut(body, `<b id="found">`)
	require.True(v.t, ok, body)
	n, _, _ := strings.Cut(rest, "<")
	return n
}

func TestSubmitKeepsAnswersAndRecommendations(t *testing.T) {
	v := start(t)
	v.signIn()
	response, body := v.sendJSON("/api/submit", `{"answers":{"age":"adult","gender":"female","interest":["music"]},"recommendations":["rosary","cantors"]}`)
	require.Equal(t, http.StatusOK, response.StatusCode)
	requireFields(t, body, `
		success boolean
		message string
		submission_id string`)
	first := decode[submitted](t, body)
	require.True(t, first.Success)
	require.NotEmpty(t, first.ID)
	require.NotEmpty(t, first.Message)
	require.Equal(t, "1", v.count())

	_, body = v.sendJSON("/api/submit", `{"answers":{"age":"senior","gender":"female"},"submission_id":"`+first.ID+`"}`)
	require.Equal(t, first.ID, decode[submitted](t, body).ID)
	require.Equal(t, "1", v.count(), "changed answers are one submission")
	_, body = v.sendJSON("/api/submit", `{"answers":{"age":"senior","gender":"female"},"submission_id":"my own"}`)
	require.Len(t, decode[submitted](t, body).ID, 26, "a name that nobody can guess")
	require.Equal(t, "2", v.count())
	_, body = v.get("/admin/submissions")
	require.Regexp(t, `<time datetime="[^"]+">\d+ \w{3} 20\d\d \d\d:\d\d</time>`, body, "with the year: they are kept for long")
}

func TestBadRequestsOfProgramsAreExplained(t *testing.T) {
	v := start(t)
	keys := strings.Repeat(`"rosary",`, 200) + `"rosary"`
	for _, test := range []struct {
		name, path, body string
		status           int
		field, message   string
	}{
		{"no-json", "/api/submit", `age=adult`, 400, "body", `want one JSON object`},
		{"two-objects", "/api/submit", `{"answers":{"age":"adult","gender":"male"}}{}`, 400, "body", `want one JSON object`},
		{"empty", "/api/submit", ``, 400, "body", `want one JSON object`},
		{"a-name", "/api/submit", `{"answers":{"age":"adult","gender":"male"},"name":"Ann"}`, 400, "name", `want only known fields`},
		{"no-answers", "/api/submit", `{}`, 400, "age", `age is "", want one of child`},
		{"wrong-type", "/api/submit", `{"answers":[]}`, 400, "answers", `want a JSON object`},
		{"wrong-answer", "/api/submit", `{"answers":{"age":"17","gender":"male"}}`, 400, "age", `age is "17", want one of child`},
		{"no-key", "/api/submit", `{"answers":{"age":"adult","gender":"male"},"recommendations":["The Rosary"]}`, 400, "recommendations", `want keys of ministries`},
		{"many-keys", "/api/submit", `{"answers":{"age":"adult","gender":"male"},"recommendations":[` + keys + `]}`, 400, "recommendations", `"201 keys", want at most 200`},
		{"long", "/api/submit", `{"answers":{"age":"` + strings.Repeat("a", 100_000) + `"}}`, 413, "", "the body is longer than 65536 bytes"},
		{"long-match", "/api/match", `{"age":"` + strings.Repeat("a", 100_000) + `"}`, 413, "", "the body is longer than 65536 bytes"},
		{"nothing-there", "/api/nothing", `{}`, 404, "", "there is nothing here"},
		{"no-post", "/api/health", `{}`, 405, "", "/api/health takes GET only"},
	} {
		t.Run(test.name, func(t *testing.T) {
			response, body := v.sendJSON(test.path, test.body)
			require.Equal(t, test.status, response.StatusCode, body)
			answer := decode[struct{ Error, Message, Field string }](t, body)
			require.Equal(t, test.field, answer.Field)
			require.Contains(t, answer.Error+answer.Message, test.message)
			require.Less(t, len(body), 500)
			if test.path == "/api/submit" {
				require.False(t, decode[submitted](t, body).Success)
				require.NotEmpty(t, answer.Message)
			}
		})
	}
	response, body := v.get("/api/submit")
	require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)
	require.Equal(t, "POST", response.Header.Get("Allow"))
	require.Contains(t, body, "/api/submit takes POST only")

	request, err := http.NewRequest(http.MethodPost, v.base+"/api/submit", strings.NewReader(`{}`))
	require.NoError(t, err)
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	response, body = v.read(v.Do(request))
	require.Equal(t, http.StatusForbidden, response.StatusCode)
	require.Contains(t, decode[struct{ Error string }](t, body).Error, "from another site")
}
