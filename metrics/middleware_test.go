package metrics_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/stretchr/testify/require"
)

func serve(h http.Handler, method, path string) (rec *httptest.ResponseRecorder, panicked any) {
	rec = httptest.NewRecorder()
	defer func() { panicked = recover() }()
	h.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
	return rec, nil
}

func TestMiddlewareNamesRoutesNotPaths(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ministries/{id}", func(w http.ResponseWriter, req *http.Request) {
		if req.PathValue("id") == "0" {
			http.NotFound(w, req)
		}
	})
	h := r.Middleware(mux)
	for _, path := range []string{"/ministries/0", "/ministries/1", "/ministries/2", "/wp-login.php", "/.env"} {
		serve(h, "GET", path)
	}
	serve(h, "POST", "/ministries/1")
	s := r.Snapshot()
	requireExact(t, s)
	require.Len(t, s.Endpoints, 2)
	require.Equal(t, [6]uint64{2: 2, 4: 1}, endpointOf(t, s, "GET /ministries/{id}").Status)
	require.Equal(t, [6]uint64{4: 3}, endpointOf(t, s, metrics.UnmatchedName).Status)
	require.Zero(t, s.InFlight)
}

func TestMiddlewareNotesTheStatusSent(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	for name, c := range map[string]struct {
		class   int
		panics  any
		handler http.HandlerFunc
	}{
		"nothing sent":           {2, nil, func(http.ResponseWriter, *http.Request) {}},
		"body only":              {2, nil, func(w http.ResponseWriter, _ *http.Request) { w.Write(nil); w.WriteHeader(500) }},
		"first header counts":    {3, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302); w.WriteHeader(500) }},
		"early hints come first": {4, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(404) }},
		"switching protocols":    {1, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101) }},
		"flush sends 200":        {2, nil, func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.WriteHeader(500) }},
		"panic":                  {5, "boom", func(http.ResponseWriter, *http.Request) { panic("boom") }},
		"panic after 200":        {5, "boom", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); panic("boom") }},
		"abort":                  {0, http.ErrAbortHandler, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		"abort after 200":        {2, http.ErrAbortHandler, func(w http.ResponseWriter, _ *http.Request) { w.Write(nil); panic(http.ErrAbortHandler) }},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			before := r.Snapshot()
			_, panicked := serve(r.Middleware(c.handler), "GET", "/")
			require.Equal(t, c.panics, panicked, "the panic goes on")
			after := r.Snapshot()
			want := before.Total.Status
			want[c.class]++
			require.Equal(t, want, after.Total.Status)
			require.Equal(t, c.panics == http.ErrAbortHandler, after.Losses.AbortedRequests == before.Losses.AbortedRequests+1)
			require.Zero(t, after.InFlight)
		})
	}
}

func TestMiddlewareRecordsGoexitAs500(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(r.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() })), "GET", "/")
	}()
	<-done
	require.Equal(t, [6]uint64{5: 1}, r.Snapshot().Total.Status)
}

// Through a real server, what the ResponseWriter can do is still there.
func TestMiddlewareKeepsWhatTheResponseWriterCan(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	mux := http.NewServeMux()
	release := make(chan struct{})
	mux.HandleFunc("/flush", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-release
	})
	mux.HandleFunc("/control", func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			http.Error(w, err.Error(), 500)
		}
	})
	mux.HandleFunc("/copy", func(w http.ResponseWriter, _ *http.Request) {
		n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("copied"))
		if n != 6 || err != nil {
			panic("not copied")
		}
	})
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
			conn.Close()
		}
	})
	server := httptest.NewServer(r.Middleware(mux))
	defer server.Close()
	get := func(path string) *http.Response {
		res, err := server.Client().Get(server.URL + path)
		require.NoError(t, err)
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	line, err := bufio.NewReader(get("/flush").Body).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "first\n", line, "while the handler still runs")
	require.Equal(t, int64(1), r.Snapshot().InFlight)
	close(release)
	require.Equal(t, 200, get("/control").StatusCode)
	body, err := io.ReadAll(get("/copy").Body)
	require.NoError(t, err)
	require.Equal(t, "copied", string(body))
	require.Equal(t, 204, get("/hijack").StatusCode)
}

func TestMiddlewareOverAPlainResponseWriter(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	h := r.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush() // nothing happens
		_, _, err := w.(http.Hijacker).Hijack()
		if !errors.Is(err, http.ErrNotSupported) {
			panic(err)
		}
		w.WriteHeader(404)
	}))
	h.ServeHTTP(struct{ http.ResponseWriter }{httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, [6]uint64{4: 1}, r.Snapshot().Total.Status)
}
