package httpcache

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A site counts how often it is asked, and says so.
type site struct {
	calls  atomic.Int32
	header http.Header
	status int
	size   int
	wait   chan struct{}
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.calls.Add(1)
	if s.wait != nil {
		<-s.wait
	}
	for name, values := range s.header {
		w.Header()[name] = values
	}
	if s.status != 0 {
		w.WriteHeader(s.status)
	}
	fmt.Fprintf(w, "%s %d%s", r.URL.Path, n, strings.Repeat(".", s.size))
}

func newSite(t *testing.T, s *site) (*Cache, http.Handler) {
	t.Helper()
	c, err := New(Config{MaxBytes: 1 << 20, Vary: []string{"accept-encoding"}})
	require.NoError(t, err)
	return c, c.Middleware(s)
}

func control(value string) http.Header { return http.Header{"Cache-Control": {value}} }

func ask(h http.Handler, method, url string, header ...string) *http.Response {
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// What may be kept, and what may not.
func TestWhatIsKept(t *testing.T) {
	public := control("public, max-age=60")
	with := func(name, value string) http.Header {
		h := public.Clone()
		h.Set(name, value)
		return h
	}
	for name, test := range map[string]struct {
		site    *site
		request []string
		kept    bool
	}{
		"max-age":                  {site: &site{header: control("max-age=60")}, kept: true},
		"s-maxage":                 {site: &site{header: control("max-age=0, s-maxage=60")}, kept: true},
		"s-maxage of zero":         {site: &site{header: control("max-age=60, s-maxage=0")}},
		"nothing said":             {site: &site{}},
		"no-store":                 {site: &site{header: control("max-age=60, no-store")}},
		"private":                  {site: &site{header: control("private, max-age=60")}},
		"no-cache":                 {site: &site{header: control("no-cache, max-age=60")}},
		"not a number":             {site: &site{header: control("max-age=soon")}},
		"negative":                 {site: &site{header: control("max-age=-1")}},
		"an error":                 {site: &site{header: public, status: 500}},
		"not found":                {site: &site{header: public, status: 404}},
		"a cookie is set":          {site: &site{header: with("Set-Cookie", "a=b")}},
		"varies by what is known":  {site: &site{header: with("Vary", "Accept-Encoding")}, kept: true},
		"varies by something":      {site: &site{header: with("Vary", "Accept-Encoding, X-User")}},
		"varies by everything":     {site: &site{header: with("Vary", "*")}},
		"authorized":               {site: &site{header: control("max-age=60")}, request: []string{"Authorization", "x"}},
		"authorized, public":       {site: &site{header: public}, request: []string{"Authorization", "x"}, kept: true},
		"a cookie came":            {site: &site{header: control("max-age=60")}, request: []string{"Cookie", "a=b"}},
		"a cookie came, public":    {site: &site{header: public}, request: []string{"Cookie", "a=b"}, kept: true},
		"too long":                 {site: &site{header: public, size: 100_000}},
		"request with no-store":    {site: &site{header: public}, request: []string{"Cache-Control", "no-store"}},
		"request with no-cache":    {site: &site{header: public}, request: []string{"Cache-Control", "no-cache"}},
		"request with max-age=0":   {site: &site{header: public}, request: []string{"Cache-Control", "max-age=0"}},
		"request for a range":      {site: &site{header: public}, request: []string{"Range", "bytes=0-1"}},
		"request of an old client": {site: &site{header: public}, request: []string{"Pragma", "no-cache"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, h := newSite(t, test.site)
			first := ask(h, "GET", "/a", test.request...)
			require.Equal(t, max(test.site.status, 200), first.StatusCode)
			calls := test.site.calls.Load()
			require.Contains(t, body(t, first), fmt.Sprintf("/a %d", calls))
			second := ask(h, "GET", "/a", test.request...)
			require.Equal(t, test.kept, test.site.calls.Load() == calls)
			require.Contains(t, body(t, second), fmt.Sprintf("/a %d", test.site.calls.Load()))
			require.Equal(t, test.kept, second.Header.Get("Age") != "")
		})
	}
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

// Two encodings, two URLs and two hosts are four answers; HEAD is answered from that to GET.
func TestKeys(t *testing.T) {
	s := &site{header: control("max-age=60")}
	_, h := newSite(t, s)
	for range 2 {
		require.Equal(t, "/a 1", body(t, ask(h, "GET", "/a")))
		require.Equal(t, "/a 2", body(t, ask(h, "GET", "/a?b=1")))
		require.Equal(t, "/a 3", body(t, ask(h, "GET", "/a", "Accept-Encoding", "br")))
		require.Equal(t, "/a 4", body(t, ask(h, "GET", "http://other/a")))
	}
	head := ask(h, "HEAD", "/a")
	require.Empty(t, body(t, head))
	require.Equal(t, "4", head.Header.Get("Content-Length"))
	require.EqualValues(t, 4, s.calls.Load())
	ask(h, "HEAD", "/new")
	require.EqualValues(t, 5, s.calls.Load())
	require.Equal(t, http.StatusGatewayTimeout, ask(h, "GET", "/none", "Cache-Control", "only-if-cached").StatusCode)
	require.Equal(t, "/a 1", body(t, ask(h, "GET", "/a", "Cache-Control", "only-if-cached")))
	require.EqualValues(t, 5, s.calls.Load())
}

func TestConditions(t *testing.T) {
	s := &site{header: control("max-age=60")}
	s.header.Set("Last-Modified", "Mon, 23 Nov 2026 10:00:00 GMT")
	_, h := newSite(t, s)
	etag := ask(h, "GET", "/a").Header.Get("Etag")
	require.Regexp(t, `^"[\w-]{16}"$`, etag)
	for name, header := range map[string][]string{
		"same":       {"If-None-Match", etag},
		"weak":       {"If-None-Match", "W/" + etag},
		"several":    {"If-None-Match", `"x", ` + etag},
		"any":        {"If-None-Match", "*"},
		"not since":  {"If-Modified-Since", "Mon, 23 Nov 2026 10:00:00 GMT"},
		"etag rules": {"If-None-Match", etag, "If-Modified-Since", "Mon, 23 Nov 2020 10:00:00 GMT"},
	} {
		got := ask(h, "GET", "/a", header...)
		require.Equal(t, http.StatusNotModified, got.StatusCode, name)
		require.Empty(t, body(t, got))
		require.Equal(t, etag, got.Header.Get("Etag"))
		require.Equal(t, "max-age=60", got.Header.Get("Cache-Control"))
		require.Empty(t, got.Header.Get("Content-Length"))
	}
	for name, header := range map[string][]string{
		"another":        {"If-None-Match", `"x"`},
		"since":          {"If-Modified-Since", "Mon, 23 Nov 2026 09:00:00 GMT"},
		"no time":        {"If-Modified-Since", "yesterday"},
		"another, after": {"If-None-Match", `"x"`, "If-Modified-Since", "Mon, 23 Nov 2026 11:00:00 GMT"},
	} {
		require.Equal(t, http.StatusOK, ask(h, "GET", "/a", header...).StatusCode, name)
	}
	require.EqualValues(t, 1, s.calls.Load())
	require.Equal(t, http.StatusNotModified, ask(h, "GET", "/new", "If-None-Match", "*").StatusCode, "the answer is made whole for a condition")
}

func TestAgeAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{header: control("max-age=60")}
		c, h := newSite(t, s)
		ask(h, "GET", "/a")
		time.Sleep(59 * time.Second)
		require.Equal(t, "59", ask(h, "GET", "/a").Header.Get("Age"))
		time.Sleep(2 * time.Second)
		require.Equal(t, "/a 2", body(t, ask(h, "GET", "/a")))
		time.Sleep(time.Hour)
		require.Equal(t, 1, c.Sweep())
		require.Zero(t, c.Stats().Entries)
	})
}

// Another method that succeeds drops what it may have changed, and nothing else.
func TestUnsafeMethods(t *testing.T) {
	s := &site{header: control("max-age=60")}
	_, h := newSite(t, s)
	for _, url := range []string{"/a", "/ab"} {
		ask(h, "GET", url)
		ask(h, "GET", url, "Accept-Encoding", "br")
	}
	s.status = 422
	require.Equal(t, 422, ask(h, "POST", "/a").StatusCode)
	s.status = 0
	ask(h, "GET", "/a")
	require.EqualValues(t, 5, s.calls.Load(), "what fails changes nothing")
	ask(h, "PUT", "/a")
	ask(h, "GET", "/ab")
	require.EqualValues(t, 6, s.calls.Load())
	ask(h, "GET", "/a")
	ask(h, "GET", "/a", "Accept-Encoding", "br")
	require.EqualValues(t, 8, s.calls.Load())
}

// A herd waits for one answer if it is for anybody; if it is not, each gets an answer of their own.
func TestHerd(t *testing.T) {
	for says, want := range map[string]int{"max-age=60": 1, "private": 50} {
		synctest.Test(t, func(t *testing.T) {
			s := &site{header: control(says), wait: make(chan struct{})}
			_, h := newSite(t, s)
			var group sync.WaitGroup
			var seen sync.Map
			for range 50 {
				group.Go(func() { seen.Store(body(t, ask(h, "GET", "/a")), true) })
			}
			synctest.Wait()
			require.EqualValues(t, 1, s.calls.Load())
			close(s.wait)
			group.Wait()
			answers := 0
			seen.Range(func(any, any) bool { answers++; return true })
			require.Equal(t, want, answers)
		})
	}
}

// An Invalidate while an answer is made wins over it.
func TestInvalidateWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{header: control("max-age=60"), wait: make(chan struct{})}
		c, h := newSite(t, s)
		done := make(chan string)
		go func() { done <- body(t, ask(h, "GET", "/a")) }()
		synctest.Wait()
		c.Invalidate()
		close(s.wait)
		require.Equal(t, "/a 1", <-done)
		require.Equal(t, "/a 2", body(t, ask(h, "GET", "/a")))
		require.Equal(t, "/a 2", body(t, ask(h, "GET", "/a")))
	})
}

// A site that knows conditions itself is asked without them, so that what is kept is whole.
func TestConditionsStayHere(t *testing.T) {
	modified := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	c, err := New(Config{MaxBytes: 1 << 20})
	require.NoError(t, err)
	h := c.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Etag", `"x"`)
		http.ServeContent(w, r, "a.txt", modified, strings.NewReader("whole"))
	}))
	for _, header := range [][]string{{"If-None-Match", `"x"`}, {"If-Modified-Since", modified.Format(http.TimeFormat)}} {
		c.Invalidate()
		require.Equal(t, http.StatusNotModified, ask(h, "GET", "/a", header...).StatusCode)
		got := ask(h, "GET", "/a")
		require.Equal(t, http.StatusOK, got.StatusCode)
		require.Equal(t, "whole", body(t, got))
		require.NotEmpty(t, got.Header.Get("Age"), "it was kept")
	}
}

// What is of one connection is not kept.
func TestHeadersOfAConnection(t *testing.T) {
	s := &site{header: control("max-age=60")}
	for name, value := range map[string]string{"Connection": "close, X-Hop", "X-Hop": "1", "Keep-Alive": "1", "Upgrade": "h2c", "X-End": "2"} {
		s.header.Set(name, value)
	}
	_, h := newSite(t, s)
	ask(h, "GET", "/a")
	got := ask(h, "GET", "/a").Header
	for _, name := range []string{"Connection", "X-Hop", "Keep-Alive", "Upgrade"} {
		require.Empty(t, got.Get(name), name)
	}
	require.Equal(t, "2", got.Get("X-End"))
}

// An answer that was old when it came lives so much shorter, and a request may want a younger one.
func TestAgesOfAnswersAndRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{header: control("max-age=60")}
		s.header.Set("Age", "20")
		_, h := newSite(t, s)
		ask(h, "GET", "/a")
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"30"}, ask(h, "GET", "/a").Header.Values("Age"))
		require.Equal(t, "/a 1", body(t, ask(h, "GET", "/a", "Cache-Control", "max-age=31")))
		require.Equal(t, "/a 1", body(t, ask(h, "GET", "/a", "Cache-Control", "min-fresh=30")))
		require.Equal(t, http.StatusGatewayTimeout, ask(h, "GET", "/a", "Cache-Control", "only-if-cached, max-age=30").StatusCode)
		require.Equal(t, "/a 2", body(t, ask(h, "GET", "/a", "Cache-Control", "max-age=30")))
		require.Equal(t, "/a 3", body(t, ask(h, "GET", "/a", "Cache-Control", "min-fresh=41")))
		time.Sleep(39 * time.Second)
		require.Equal(t, "/a 3", body(t, ask(h, "GET", "/a")))
		time.Sleep(time.Second)
		require.Equal(t, "/a 4", body(t, ask(h, "GET", "/a")), "40 s after it came")
	})
}

func TestPanicsOfHandlersAreTheirs(t *testing.T) {
	c, err := New(Config{MaxBytes: 1 << 20})
	require.NoError(t, err)
	h := c.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	for range 2 {
		require.PanicsWithValue(t, http.ErrAbortHandler, func() { ask(h, "GET", "/a") })
	}
}

// Whatever is asked for, the bound holds.
func TestBound(t *testing.T) {
	s := &site{header: control("max-age=60"), size: 10_000}
	c, h := newSite(t, s)
	for n := range 500 {
		ask(h, "GET", fmt.Sprint("/", n))
		require.LessOrEqual(t, c.Stats().Bytes, int64(1<<20))
	}
	require.NotZero(t, c.Stats().Evicted)
}

func TestNewRefuses(t *testing.T) {
	_, err := New(Config{MaxBytes: 1 << 20, MaxBody: -1})
	require.EqualError(t, err, "httpcache: Config.MaxBody is -1, want zero or more")
	_, err = New(Config{})
	require.ErrorContains(t, err, "httpcache: cache: Config.MaxEntries and MaxBytes are both 0")
}
