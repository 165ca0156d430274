package metrics_test

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/stretchr/testify/require"
)

// A sample is one line of the Prometheus text format.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// A metricFamily is what the Prometheus text format says of one metric.
type metricFamily struct {
	kind, help string
	samples    []sample
}

// parseExposition reads the text format 0.0.4 and refuses what a careful reader
// of its specification would: samples out of their family, a series given twice,
// bad names, bad escapes, what is not UTF-8, numbers that are not finite.
//
// OpenMetrics 1.0, if open, is stricter: it wants an end, counters without a suffix
// in their family, units that are the end of the name, and all samples of one
// metric together.
func parseExposition(text string, open bool) (map[string]*metricFamily, error) {
	helpEscapes := `\n`
	if open {
		helpEscapes += `"`
		var ended bool
		if text, ended = strings.CutSuffix(text, "# EOF\n"); !ended {
			return nil, errors.New("no end")
		}
	}
	if !utf8.ValidString(text) || !strings.HasSuffix(text, "\n") {
		return nil, errors.New("not UTF-8, or no newline at the end")
	}
	families := map[string]*metricFamily{}
	seen := map[string]bool{}
	var name, metric string
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fail := func(why string) error { return fmt.Errorf("line %d: %s: %q", n+1, why, line) }
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			var help string
			name, help, _ = strings.Cut(rest, " ")
			if families[name] != nil {
				return nil, fail("family given twice")
			}
			help, err := unescape(help, helpEscapes)
			if err != nil {
				return nil, fail(err.Error())
			}
			families[name] = &metricFamily{help: help}
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			of, kind, _ := strings.Cut(rest, " ")
			if of != name || families[name].kind != "" {
				return nil, fail("TYPE does not follow HELP")
			}
			families[name].kind = kind
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# UNIT "); ok {
			of, unit, _ := strings.Cut(rest, " ")
			if !open || of != name || families[name].kind == "" || !strings.HasSuffix(name, "_"+unit) {
				return nil, fail("bad UNIT")
			}
			continue
		}
		s, err := parseSample(line)
		if err != nil {
			return nil, fail(err.Error())
		}
		f := families[name]
		suffix, ok := strings.CutPrefix(s.name, name)
		_, quantile := s.labels["quantile"]
		switch {
		case !ok, f.kind == "":
			return nil, fail("not in its family")
		case f.kind == "counter" && (!strings.HasSuffix(s.name, "_total") || open == strings.HasSuffix(name, "_total") || s.value < 0):
			return nil, fail("no counter")
		case f.kind == "counter" && open && suffix == "_total":
		case f.kind == "summary" && quantile != (suffix == ""), suffix != "" && f.kind != "summary":
			return nil, fail("bad suffix")
		case suffix != "" && suffix != "_sum" && suffix != "_count":
			return nil, fail("bad suffix")
		case f.kind != "counter" && f.kind != "gauge" && f.kind != "summary":
			return nil, fail("bad type")
		}
		id := fmt.Sprint(s.name, s.labels) // fmt sorts the keys
		if seen[id] {
			return nil, fail("series given twice")
		}
		seen[id] = true
		rest := maps.Clone(s.labels)
		delete(rest, "quantile")
		if m := fmt.Sprint(name, rest); open && m != metric {
			if metric = m; seen["metric "+m] {
				return nil, fail("metric interrupted")
			}
			seen["metric "+m] = true
		}
		f.samples = append(f.samples, s)
	}
	return families, nil
}

func parseSample(line string) (s sample, err error) {
	isName := func(i int, c byte) bool {
		return c == '_' || c == ':' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || i > 0 && '0' <= c && c <= '9'
	}
	name := func() (n string) {
		i := 0
		for i < len(line) && isName(i, line[i]) {
			i++
		}
		n, line = line[:i], line[i:]
		return n
	}
	s.labels = map[string]string{}
	if s.name = name(); s.name == "" {
		return s, errors.New("no name")
	}
	if rest, ok := strings.CutPrefix(line, "{"); ok {
		line = rest
		for {
			label := name()
			var ok bool
			if line, ok = strings.CutPrefix(line, `="`); !ok || label == "" || strings.Contains(label, ":") {
				return s, errors.New("bad label")
			}
			end := 0
			for end < len(line) && line[end] != '"' {
				if line[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(line) {
				return s, errors.New("label not closed")
			}
			if _, twice := s.labels[label]; twice {
				return s, errors.New("label given twice")
			}
			if s.labels[label], err = unescape(line[:end], `\n"`); err != nil {
				return s, err
			}
			line = line[end+1:]
			if rest, ok := strings.CutPrefix(line, ","); ok {
				line = rest
				continue
			}
			if line, ok = strings.CutPrefix(line, "}"); !ok {
				return s, errors.New("labels not closed")
			}
			break
		}
	}
	value, ok := strings.CutPrefix(line, " ")
	if !ok {
		return s, errors.New("no value")
	}
	s.value, err = strconv.ParseFloat(value, 64)
	if err == nil && (math.IsNaN(s.value) || math.IsInf(s.value, 0)) {
		err = errors.New("not finite")
	}
	return s, err
}

func unescape(s, allowed string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			if s[i] == '"' && strings.Contains(allowed, `"`) {
				return "", errors.New("a quote without an escape")
			}
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) || !strings.ContainsRune(allowed, rune(s[i])) {
			return "", errors.New("bad escape")
		}
		b.WriteString(map[byte]string{'\\': `\`, 'n': "\n", '"': `"`}[s[i]])
	}
	return b.String(), nil
}

func exposition(t *testing.T, s metrics.Snapshot) map[string]*metricFamily {
	t.Helper()
	var text, open strings.Builder
	require.NoError(t, s.WritePrometheus(&text))
	families, err := parseExposition(text.String(), false)
	require.NoError(t, err, text.String())
	require.NoError(t, s.WriteOpenMetrics(&open))
	same, err := parseExposition(open.String(), true)
	require.NoError(t, err, open.String())
	for name, f := range families {
		if f.kind == "counter" {
			name = strings.TrimSuffix(name, "_total")
		}
		require.Equal(t, f, same[name], "both formats say the same of %s", name)
	}
	require.Len(t, same, len(families))
	return families
}

func TestStrictParserIsStrict(t *testing.T) {
	head := "# HELP a_total x\n# TYPE a_total counter\n"
	for _, bad := range []string{
		"", head + "a_total NaN\n", head + "a_total 1", head + "b_total 1\n", head + "a_total -1\n",
		head + "a_total 1\na_total 1\n", head + "a_total{x=\"\\t\"} 1\n", head + "a_total{x=\"a\"b\"} 1\n",
		head + "a_total{x=\"\xff\"} 1\n", head + "a_total{1=\"x\"} 1\n", head + head, "a_total 1\n",
		"# HELP a x\n# TYPE a counter\na 1\n", head + "a_total_sum 1\n",
	} {
		_, err := func() (f map[string]*metricFamily, err error) {
			defer func() {
				if recover() != nil {
					err = errors.New("no family yet")
				}
			}()
			return parseExposition(bad, false)
		}()
		require.Error(t, err, bad)
	}
	head = "# HELP a x\n# TYPE a counter\n"
	for _, bad := range []string{
		head + "a_total 1\n", head + "a 1\n# EOF\n", "# HELP a_total x\n# TYPE a_total counter\na_total 1\n# EOF\n",
		head + "# UNIT a seconds\na_total 1\n# EOF\n", head + "a_total{x=\"1\"} 1\na_total{x=\"2\"} 1\na_total{x=\"1\"} 2\n# EOF\n",
		"# HELP a \"x\"\n# TYPE a counter\na_total 1\n# EOF\n",
		"# HELP b x\n# TYPE b summary\nb_sum{x=\"1\"} 1\nb_sum{x=\"2\"} 1\nb_count{x=\"1\"} 2\n# EOF\n",
	} {
		_, err := parseExposition(bad, true)
		require.Error(t, err, bad)
	}
	_, err := parseExposition(head+"a_total 1\n# EOF\n", true)
	require.NoError(t, err)
}

func TestPrometheusSaysWhatTheSnapshotSays(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{Routes: []string{"GET /quiet"}})
	evil := "a \"b\" \\ c\nd{},é"
	for i := range 100 {
		r.Record(evil, 200, time.Duration(i+1)*time.Millisecond)
	}
	r.Record("GET /x", 503, 3*time.Second)
	r.Error(evil)
	require.NoError(t, r.Gauge("cache_size_bytes", "Line one\nline \"two\" \\.", func() float64 { return -1e30 }))
	require.NoError(t, r.Counter("cache_hits_total", "", func() float64 { return 1 << 60 }))
	require.NoError(t, r.Gauge("unknown_ratio", "", func() float64 { return math.Inf(1) }))
	s := r.Snapshot()
	f := exposition(t, s)

	value := func(name, metric string, labels ...string) float64 {
		t.Helper()
		for _, s := range f[name].samples {
			match := s.name == metric && len(s.labels) == len(labels)/2
			for i := 0; i < len(labels); i += 2 {
				match = match && s.labels[labels[i]] == labels[i+1]
			}
			if match {
				return s.value
			}
		}
		require.Fail(t, "no such series", "%s%v", metric, labels)
		return 0
	}
	const duration = "http_request_duration_seconds"
	require.Equal(t, 100.0, value("http_requests_total", "http_requests_total", "endpoint", evil, "status", "2xx"))
	require.Equal(t, 1.0, value("http_requests_total", "http_requests_total", "endpoint", "GET /x", "status", "5xx"))
	require.Equal(t, 0.05, value(duration, duration, "endpoint", evil, "quantile", "0.5"))
	require.Equal(t, 0.099, value(duration, duration, "endpoint", evil, "quantile", "0.99"))
	require.Equal(t, 100.0, value(duration, duration+"_count", "endpoint", evil))
	require.InDelta(t, 5.05, value(duration, duration+"_sum", "endpoint", evil), 1e-9)
	require.Equal(t, 0.0, value(duration, duration+"_count", "endpoint", "GET /quiet"))
	require.Equal(t, 1.0, value("http_slow_requests_total", "http_slow_requests_total", "endpoint", "GET /x"))
	require.Equal(t, 1.0, value("errors_total", "errors_total", "kind", evil))
	require.Equal(t, -1e30, value("cache_size_bytes", "cache_size_bytes"))
	require.Equal(t, float64(1<<60), value("cache_hits_total", "cache_hits_total"))
	require.Equal(t, "Line one\nline \"two\" \\.", f["cache_size_bytes"].help)
	require.Empty(t, f["unknown_ratio"].samples)
	for name, family := range f {
		for _, s := range family.samples {
			require.False(t, s.labels["endpoint"] == "GET /quiet" && s.labels["quantile"] != "", "%s: no quantile of nothing", name)
		}
	}
	heap, _ := s.Memory.GoHeap.Get()
	require.Equal(t, float64(heap), value("go_memory_heap_bytes", "go_memory_heap_bytes"))
}

func TestUnknownIsAbsentOrNull(t *testing.T) {
	s := metrics.Snapshot{Memory: metrics.Memory{GoLimit: metrics.Unlimited, RSS: metrics.BytesOf(0)}}
	f := exposition(t, s)
	require.Empty(t, f["cgroup_memory_limit_bytes"].samples)
	require.Empty(t, f["go_memory_limit_bytes"].samples)
	require.Len(t, f["process_resident_memory_bytes"].samples, 1, "zero is known")
	b, err := json.Marshal(s)
	require.NoError(t, err)
	require.Contains(t, string(b), `"cgroup_limit_bytes":null`)
	require.Contains(t, string(b), `"go_limit_bytes":"unlimited"`)
	require.Contains(t, string(b), `"rss_bytes":0`)
	require.Contains(t, string(b), `"p99_seconds":null`)
	require.Contains(t, string(b), `"endpoints":[]`)
}

func TestJSONSaysWhatTheSnapshotSays(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	r.Record("GET /x", 503, 1500*time.Millisecond)
	r.Error("timeout")
	require.NoError(t, r.Gauge("cache_size_bytes", "", func() float64 { return 12 }))
	require.NoError(t, r.Gauge("unknown_ratio", "", func() float64 { return math.NaN() }))
	b, err := json.Marshal(r.Snapshot())
	require.NoError(t, err)
	var got struct {
		Total struct {
			Requests int            `json:"requests"`
			Status   map[string]int `json:"status"`
		} `json:"total"`
		Endpoints []struct {
			Endpoint string `json:"endpoint"`
			Requests int    `json:"requests"`
			Times    struct {
				Count int     `json:"count"`
				P99   float64 `json:"p99_seconds"`
			} `json:"times"`
		} `json:"endpoints"`
		Errors struct {
			Kinds []map[string]any `json:"kinds"`
		} `json:"errors"`
		Values map[string]any `json:"values"`
		Losses map[string]int `json:"losses"`
	}
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, 1, got.Total.Requests)
	require.Equal(t, 1, got.Total.Status["5xx"])
	require.Equal(t, "GET /x", got.Endpoints[0].Endpoint)
	require.Equal(t, 1, got.Endpoints[0].Requests)
	require.Equal(t, 1.5, got.Endpoints[0].Times.P99)
	require.Equal(t, []map[string]any{{"kind": "timeout", "count": 1.0, "missed_at_most": 0.0}}, got.Errors.Kinds)
	require.Equal(t, map[string]any{"cache_size_bytes": 12.0, "unknown_ratio": nil}, got.Values)
	require.Contains(t, got.Losses, "clipped_names")
}

func TestHandlersAnswer(t *testing.T) {
	const text, open, asJSON = "text/plain; version=0.0.4; charset=utf-8", "application/openmetrics-text; version=1.0.0; charset=utf-8", "application/json"
	// What Prometheus 3 sends, without protobuf, and what a browser does.
	const prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5," +
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	r := newRecorder(t, metrics.RecorderConfig{})
	for _, c := range []struct {
		handler      http.Handler
		accept, want string
	}{
		{r.Handler(), "", text},
		{r.Handler(), browser, text},
		{r.Handler(), prometheus, open},
		{r.Handler(), "application/json", asJSON},
		{r.Handler(), "text/plain;q=0.5, application/json;q=0.6", asJSON},
		{r.Handler(), "application/json;q=0.5, text/plain;q=0.6", text},
		{r.Handler(), "application/openmetrics-text;version=0.0.1", text},
		{r.Handler(), "application/json;q=0", text},
		{r.Handler(), "nonsense;;q=;,/,application/json;q=x", text},
		{r.PrometheusHandler(), "application/json", text},
		{r.PrometheusHandler(), "application/openmetrics-text", open},
		{r.JSONHandler(), prometheus, asJSON},
	} {
		req := httptest.NewRequest("GET", "/metrics", nil)
		if c.accept != "" {
			req.Header.Set("Accept", c.accept)
		}
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, req)
		require.Equal(t, 200, w.Code)
		require.Equal(t, c.want, w.Header().Get("Content-Type"), c.accept)
		require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		if c.want == asJSON {
			require.True(t, json.Valid(w.Body.Bytes()))
		} else {
			_, err := parseExposition(w.Body.String(), c.want == open)
			require.NoError(t, err)
		}
	}
}

// However many ask, one snapshot at a time is taken, and who gives up waits no
// longer.
func TestScrapesAreSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t, metrics.RecorderConfig{})
		var reads atomic.Int32
		release := make(chan struct{})
		require.NoError(t, r.Gauge("slow", "", func() float64 {
			reads.Add(1)
			<-release
			return 1
		}))
		h := r.Handler()
		var answered atomic.Int32
		for range 10 {
			go func() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				if strings.Contains(w.Body.String(), "\nslow 1\n") {
					answered.Add(1)
				}
			}()
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
		require.Zero(t, w.Body.Len())

		require.EqualValues(t, 1, reads.Load())
		close(release)
		synctest.Wait()
		require.EqualValues(t, 10, answered.Load())
		require.EqualValues(t, 1, reads.Load())
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		require.EqualValues(t, 2, reads.Load(), "the next one is fresh")
	})
}

// A figure that ends the goroutine of the one who reads it leaves the others with
// an answer.
func TestScrapesSurviveGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t, metrics.RecorderConfig{})
		var reads atomic.Int32
		require.NoError(t, r.Gauge("exits", "", func() float64 {
			if reads.Add(1) == 1 {
				time.Sleep(time.Second)
				runtime.Goexit()
			}
			return 1
		}))
		var answered atomic.Int32
		for range 5 {
			go func() {
				w := httptest.NewRecorder()
				r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				answered.Add(1)
			}()
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 4, answered.Load())
	})
}

// A figure that is never read keeps who reads it, and those who come later for as long as
// they would wait anyway.
func TestScrapesThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t, metrics.RecorderConfig{})
		release := make(chan struct{})
		require.NoError(t, r.Gauge("hangs", "", func() float64 { <-release; return 1 }))
		v := r.Var()
		scrape := func() int {
			w := httptest.NewRecorder()
			r.JSONHandler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			return w.Code
		}
		first := make(chan int)
		go func() { first <- scrape() }()
		synctest.Wait()
		start := time.Now()
		for range 3 {
			require.Equal(t, http.StatusServiceUnavailable, scrape())
		}
		require.Equal(t, "null", v.String())
		require.Equal(t, 40*time.Second, time.Since(start))
		r.Record("GET /", 200, time.Second) // nothing else is held up
		close(release)
		require.Equal(t, http.StatusOK, <-first)
		require.Equal(t, http.StatusOK, scrape())
	})
}

// However often the one who makes an answer ends without one, who waits does so for ten
// seconds in all.
func TestScrapesWaitTenSecondsInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t, metrics.RecorderConfig{})
		require.NoError(t, r.Gauge("exits", "", func() float64 {
			time.Sleep(6 * time.Second)
			runtime.Goexit()
			return 1
		}))
		var refused atomic.Int32
		start := time.Now()
		for range 5 {
			go func() {
				w := httptest.NewRecorder()
				r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				if w.Code == http.StatusServiceUnavailable && time.Since(start) == 10*time.Second {
					refused.Add(1)
				}
			}()
		}
		time.Sleep(time.Minute)
		require.EqualValues(t, 3, refused.Load(), "but for the two who made one")
	})
}

// A writer that is slow keeps nobody: all is made before the first byte is sent.
func TestScrapeIsCompleteBeforeItIsSent(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	w := &onceWriter{ResponseRecorder: httptest.NewRecorder(), t: t, r: r}
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, 1, w.writes)
}

type onceWriter struct {
	*httptest.ResponseRecorder
	t      *testing.T
	r      *metrics.Recorder
	writes int
}

func (w *onceWriter) Write(b []byte) (int, error) {
	w.writes++
	require.Equal(w.t, strconv.Itoa(len(b)), w.Header().Get("Content-Length"))
	other := httptest.NewRecorder()
	w.r.Handler().ServeHTTP(other, httptest.NewRequest("GET", "/", nil)) // waits for nothing
	require.Equal(w.t, 200, other.Code)
	return len(b), nil
}

// There is nothing to be asked but for the whole and present text: no part, no older one.
func TestHandlerOverAServer(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	server := httptest.NewServer(r.Handler())
	defer server.Close()
	for _, c := range []struct{ method, header, value string }{
		{"GET", "Accept-Encoding", "gzip"}, {"HEAD", "Accept", "*/*"}, {"GET", "If-None-Match", "*"}, {"GET", "If-Modified-Since", "Fri, 31 Dec 2100 00:00:00 GMT"},
		{"GET", "Range", "bytes=0-9"}, {"POST", "Content-Type", "x"}, {"GET", "Accept", strings.Repeat("text/plain;q=0.5,", 10_000)},
	} {
		req, err := http.NewRequest(c.method, server.URL, nil)
		require.NoError(t, err)
		req.Header.Set(c.header, c.value)
		res, err := server.Client().Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 200, res.StatusCode, c.header)
		require.Empty(t, res.Header.Get("Content-Encoding"))
		require.Empty(t, res.Header.Get("ETag"))
		if c.method == "HEAD" {
			require.Empty(t, body)
			require.NotEqual(t, "0", res.Header.Get("Content-Length"))
			continue
		}
		_, err = parseExposition(string(body), false)
		require.NoError(t, err)
	}
}

var published = sync.OnceValue(func() *metrics.Var {
	v := new(metrics.Var)
	expvar.Publish("TestVarIsPublishedOnce", v)
	return v
})

// One variable is published for the life of the process, and shows the recorder of the moment.
func TestVarIsPublishedOnce(t *testing.T) {
	v := published()
	for i := range 3 {
		r := newRecorder(t, metrics.RecorderConfig{})
		r.Record(fmt.Sprint("GET /", i), 200, 1)
		v.Set(r)
		v.Set(r)
		w := httptest.NewRecorder()
		expvar.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/debug/vars", nil))
		require.True(t, json.Valid(w.Body.Bytes()))
		require.Contains(t, w.Body.String(), fmt.Sprintf(`"endpoint":"GET /%d"`, i))
	}
	v.Set(nil)
	require.Equal(t, "null", expvar.Get("TestVarIsPublishedOnce").String())
}

func TestVarIsAnExpvar(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	v := r.Var()
	var _ expvar.Var = v
	r.Record("GET /late", 200, 1)
	require.True(t, json.Valid([]byte(v.String())))
	require.Contains(t, v.String(), "GET /late", "it is read when asked for")
	v.Set(newRecorder(t, metrics.RecorderConfig{}))
	require.NotContains(t, v.String(), "GET /late")
	v.Set(nil)
	require.Equal(t, "null", v.String())
	require.Equal(t, "null", new(metrics.Var).String())
}

// Importing expvar has effects on the whole program.
func TestPackageDoesNotImportExpvar(t *testing.T) {
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range parsed.Imports {
			require.NotEqual(t, `"expvar"`, i.Path.Value, f.Name())
		}
	}
}

func FuzzPrometheusText(f *testing.F) {
	f.Add("GET /", "timeout", "Help.", 1.5)
	f.Add("a\"b\\c\nd", "\xff\x00", "x\ny\\", math.Inf(-1))
	f.Add("\\", "\"", "\\n", 5e-324)
	f.Fuzz(func(t *testing.T, endpoint, kind, help string, v float64) {
		r := newRecorder(t, metrics.RecorderConfig{})
		r.Record(endpoint, 200, time.Second)
		r.Error(kind)
		added := r.Gauge("fuzzed", help, func() float64 { return v }) == nil
		s := r.Snapshot()
		text := exposition(t, s)
		names := map[string]bool{}
		for _, sample := range text["http_requests_total"].samples {
			names[sample.labels["endpoint"]] = true
		}
		for _, e := range s.Endpoints {
			require.True(t, names[e.Name], "%q is read back", e.Name)
		}
		if added {
			require.Equal(t, help, text["fuzzed"].help)
			for _, sample := range text["fuzzed"].samples {
				require.Equal(t, v, sample.value)
			}
		}
		b, err := json.Marshal(s)
		require.NoError(t, err)
		require.True(t, json.Valid(b))
	})
}
