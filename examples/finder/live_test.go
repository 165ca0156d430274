package main

import (
	"bufio"
	"compress/gzip"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
)

// An events reads a stream of server-sent events.
type events struct {
	t     *testing.T
	lines *bufio.Reader
}

// next returns the next event of that name, and false when the stream has ended.
func (e *events) next(name string) (data string, ok bool) {
	e.t.Helper()
	for {
		line, err := e.lines.ReadString('\n')
		if err == io.EOF {
			return "", false
		}
		require.NoError(e.t, err)
		if strings.TrimSpace(line) != "event: "+name {
			continue
		}
		for {
			line, err := e.lines.ReadString('\n')
			require.NoError(e.t, err)
			part, more := strings.CutPrefix(line, "data: ")
			if !more {
				return data, true
			}
			data += part
		}
	}
}

func (v *visitor) events() *events {
	v.t.Helper()
	response, err := v.Get(v.base + "/admin/live/events")
	require.NoError(v.t, err)
	v.t.Cleanup(func() { response.Body.Close() })
	require.Equal(v.t, http.StatusOK, response.StatusCode)
	require.Equal(v.t, "text/event-stream", response.Header.Get("Content-Type"))
	require.Empty(v.t, response.Header.Values("Set-Cookie"), "to look on is no use of the session")
	return &events{v.t, bufio.NewReader(response.Body)}
}

func TestFiguresComeAsTheyAre(t *testing.T) {
	v := start(t)
	response, body := v.get("/admin/live/events")
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	require.Contains(t, body, "sign in first")
	for _, path := range []string{"/admin/live/samples", "/admin/live/alerts"} {
		response, _ := v.get(path)
		require.Equal(t, "/admin/sign-in", response.Request.URL.Path)
	}

	v.signIn()
	e := v.events()
	data, ok := e.next("samples")
	require.True(t, ok)
	require.NotEmpty(t, decode[[]monitor.Sample](t, data))
	report, ok := e.next("report")
	require.True(t, ok)
	_, page := v.get("/admin")
	for _, part := range []string{"now", "janitor", "alerts", "traffic"} {
		tag := `<section id="` + part + `" data-live`
		require.Contains(t, report, tag)
		require.Contains(t, page, tag, "so that it can be replaced")
	}
	require.Contains(t, report, "sqlite")
	require.NotContains(t, report, "<script")
	data, ok = e.next("sample")
	require.True(t, ok)
	require.NotNil(t, decode[monitor.Sample](t, data).RSS)

	_, body = v.get("/api/metrics")
	require.NotContains(t, body, "live/events", "what lasts long is not slow")
	v.post("/admin/sign-out", nil)
	for ok {
		_, ok = e.next("sample") // until it ends, with the session
	}
}

// A stream ends as it should: who reads it is not cut off in the middle, when the time for finishing requests
// is over.
func TestStreamsEndWithTheFinder(t *testing.T) {
	v := start(t)
	v.signIn()
	e := v.events()
	_, ok := e.next("samples")
	require.True(t, ok)
	ended := make(chan error)
	go func() {
		_, err := io.Copy(io.Discard, e.lines)
		ended <- err
	}()
	v.stop()
	require.NoError(t, <-ended)
}

func TestSweepAndHeapProfile(t *testing.T) {
	v := start(t)
	v.post("/admin/sweep", nil)
	v.post("/admin/profiles", nil)
	v.signIn()
	_, body := v.json(http.MethodPost, "/admin/sweep")
	requireFields(t, body, "removed number")
	response, _ := v.post("/admin/sweep", nil)
	require.Equal(t, "/admin", response.Request.URL.Path, "without a script")
	response, body = v.post("/admin/profiles", nil)
	require.Equal(t, "/admin", response.Request.URL.Path)
	require.Contains(t, body, "A heap profile of")

	_, body = v.json(http.MethodPost, "/admin/profiles")
	requireFields(t, body, "name string\nreason string\nbytes number")
	name := decode[struct{ Name string }](t, body).Name
	response, body = v.get("/admin/profiles/" + name)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Contains(t, response.Header.Get("Content-Disposition"), name)
	unzipped, err := gzip.NewReader(strings.NewReader(body))
	require.NoError(t, err)
	profile, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	require.Contains(t, string(profile), "\x60\x80\x80\x04", "the period, field 12 of the format: 65,536 bytes")
	for _, name := range []string{"none", "..%2Ffinder.db", "heap-unfinished"} {
		response, _ = v.get("/admin/profiles/" + name)
		require.Equal(t, http.StatusNotFound, response.StatusCode, name)
	}
}

// json sends a request as a script does.
func (v *visitor) json(method, path string) (*http.Response, string) {
	v.t.Helper()
	request, err := http.NewRequest(method, v.base+path, nil)
	require.NoError(v.t, err)
	request.Header.Set("Accept", "application/json")
	return v.read(v.Do(request))
}

func TestProgramsReadTheOfficeWithBasicAuth(t *testing.T) {
	v := start(t)
	ask := func(path, password string) (*http.Response, string) {
		request, err := http.NewRequest(http.MethodGet, v.base+path, nil)
		require.NoError(t, err)
		request.SetBasicAuth("admin", password)
		return v.read(v.Do(request))
	}
	response, body := ask("/admin/live/samples", password)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NotEmpty(t, decode[[]monitor.Sample](t, body))
	for range 3 {
		response, _ = ask("/admin/live/samples", "a guess")
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		v.post("/admin/sign-in", url.Values{"user": {"admin"}, "password": {"a guess"}})
	}
	response, _ = ask("/admin/live/samples", password)
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode, "the form and basic auth have one guard")
}

func TestEachAnswerHasItsHeaders(t *testing.T) {
	t.Setenv("SECURE_COOKIES", "true")
	v := start(t)
	for _, path := range []string{"/", "/none", "/results", "/admin/sign-in", "/static/style.css", "/api/health", "/api/none", "/metrics", "/admin/live/events"} {
		response, body := v.get(path)
		h := response.Header
		policy := h.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'", path)
		require.NotContains(t, policy, "unsafe", path)
		require.Contains(t, policy, "frame-ancestors 'none'")
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"))
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"))
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Resource-Policy"))
		require.NotEmpty(t, h.Get("Permissions-Policy"))
		require.Contains(t, h.Get("Strict-Transport-Security"), "max-age=")
		require.NotContains(t, body, "<style", path)
		require.NotContains(t, body, " style=", path)
		require.NotContains(t, body, " onclick=", path)
	}
}
