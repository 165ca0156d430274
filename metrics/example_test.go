package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/ministryfinder/bounded/metrics"
)

func ExampleRing() {
	r, err := metrics.NewRing(metrics.RingConfig{Size: 1000, MaxAge: 5 * time.Minute})
	if err != nil {
		panic(err)
	}
	for i := range 2000 {
		r.Observe(time.Duration(i) * time.Millisecond)
	}
	s := r.Snapshot()
	fmt.Println(s.Count, "observations from", s.Min, "to", s.Max)
	fmt.Println("99 of 100 are at most", s.Quantile(0.99))
	// Output:
	// 1000 observations from 1s to 1.999s
	// 99 of 100 are at most 1.989s
}

// A check that runs with each request asks again and again, and allocates nothing.
func ExampleRing_Quantiles() {
	r, err := metrics.NewRing(metrics.RingConfig{})
	if err != nil {
		panic(err)
	}
	for i := range 200 {
		r.Observe(time.Duration(i+1) * time.Millisecond)
	}
	var of []time.Duration
	n := 0
	for range 1000 {
		of, n = r.Quantiles(of[:0], 0.5, 0.95)
	}
	fmt.Println("median", of[0], "p95", of[1], "of", n)
	// Output:
	// median 100ms p95 190ms of 200
}

func ExampleRecorder_Middleware() {
	rec, err := metrics.NewRecorder(metrics.RecorderConfig{Routes: []string{"GET /ministries/{id}"}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ministries/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "ministry", r.PathValue("id"))
	})
	mux.Handle("GET /metrics", rec.PrometheusHandler())
	mux.Handle("GET /api/metrics", rec.JSONHandler())
	handler := rec.Middleware(mux)

	for _, path := range []string{"/ministries/1", "/ministries/2", "/wp-login.php", "/.env"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	for _, e := range rec.Snapshot().Endpoints {
		fmt.Println(e.Name, e.Requests)
	}
	// Output:
	// GET /ministries/{id} 2
	// unmatched 2
}

// However many names come, the series are bounded, and the totals exact.
func ExampleRecorder_Record() {
	rec, err := metrics.NewRecorder(metrics.RecorderConfig{Routes: []string{"GET /"}, MaxEndpoints: 2})
	if err != nil {
		panic(err)
	}
	rec.Record("GET /", 200, 10*time.Millisecond)
	for i := range 1000 {
		rec.Record(fmt.Sprint("GET /", i), 404, time.Millisecond)
	}
	for range 10 {
		rec.Record("GET /new", 200, time.Millisecond) // takes the place of one seen once
	}
	s := rec.Snapshot()
	for _, e := range s.Endpoints {
		fmt.Println(e.Name, e.Requests)
	}
	fmt.Println("other", s.Other.Requests, "retired", s.Retired.Requests, "total", s.Total.Requests)
	// Output:
	// GET / 1
	// GET /1 1
	// GET /new 9
	// unmatched 0
	// other 999 retired 1 total 1011
}

// Figures of other packages join the recorder's own.
func ExampleRecorder_Gauge() {
	rec, err := metrics.NewRecorder(metrics.RecorderConfig{})
	if err != nil {
		panic(err)
	}
	sessions := map[string]int{"one": 1}
	err = rec.Gauge("sessions_entries", "Sessions held.", func() float64 { return float64(len(sessions)) })
	if err != nil {
		panic(err)
	}
	for _, v := range rec.Snapshot().Values {
		fmt.Println(v.Name, v.Value)
	}
	// Output: sessions_entries 1
}

// Whoever the tenants are, the series are bounded, and nothing is lost.
func ExampleFamily() {
	calls, err := metrics.NewFamily(metrics.FamilyConfig{
		Name: "calls_total", Help: "Calls.",
		Label: "tenant", MaxSeries: 2,
		Closed: []metrics.ClosedLabel{{Name: "result", Values: []string{"done", "failed"}}},
	})
	if err != nil {
		panic(err)
	}
	for tenant := range 1000 {
		calls.Inc(fmt.Sprint("tenant ", tenant), "done")
	}
	calls.With("tenant 1", "failed").Inc()
	for _, c := range calls.Snapshot().Counters {
		fmt.Println(c.Values, c.Count)
	}
	// Output:
	// [other done] 998
	// [tenant 0 done] 1
	// [tenant 1 done] 1
	// [tenant 1 failed] 1
}

// The statistics of any container, in one line.
func ExampleRegister() {
	rec, err := metrics.NewRecorder(metrics.RecorderConfig{})
	if err != nil {
		panic(err)
	}
	queries, err := metrics.NewRing(metrics.RingConfig{})
	if err != nil {
		panic(err)
	}
	if err := metrics.Register(rec, "queries", queries.Snapshot); err != nil {
		panic(err)
	}
	queries.Observe(250 * time.Millisecond)
	for _, v := range rec.Snapshot().Values {
		if v.Name == "queries_p99_seconds" {
			fmt.Println(v.Value, v.Help)
		}
	}
	// Output: 0.25 queries: the 0.99-quantile of the observations held.
}

// A watch tells when memory gets short. A janitor calls its Sweep; here it is
// called by hand, on figures made up.
func ExampleWatch() {
	used := int64(500 << 20)
	w, err := metrics.NewWatch(metrics.WatchConfig{
		Read: func() metrics.Memory {
			return metrics.Memory{CgroupLimit: metrics.BytesOf(1 << 30), CgroupUsage: metrics.BytesOf(used)}
		},
		OnChange: func(e metrics.Event) {
			fmt.Printf("%v: %.0f%%\n", e.To, 100*e.Share) // and shrink the caches
		},
	})
	if err != nil {
		panic(err)
	}
	w.Sweep()
	used = 900 << 20
	w.Sweep()
	w.Sweep()
	fmt.Println(w.Level())
	// Output:
	// high: 88%
	// high
}

// The last heap profiles, for go tool pprof.
func ExampleProfiles() {
	dir, err := os.MkdirTemp("", "profiles")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	profiles, err := metrics.NewProfiles(metrics.ProfilesConfig{Dir: dir, Keep: 2})
	if err != nil {
		panic(err)
	}
	for _, reason := range []string{"first", "second", "third"} {
		if _, err := profiles.Write(reason); err != nil {
			panic(err)
		}
	}
	list, err := profiles.List()
	if err != nil {
		panic(err)
	}
	for _, p := range list {
		fmt.Println(p.Reason, p.Bytes > 0)
	}
	// Output:
	// third true
	// second true
}

func ExampleReadMemory() {
	m := metrics.ReadMemory()
	if n, ok := m.CgroupLimit.Get(); ok {
		fmt.Fprintln(os.Stderr, "the container may have", n, "bytes")
	}
	fmt.Println("Go knows what it holds:", !m.GoTotal.IsUnknown())
	// Output: Go knows what it holds: true
}
