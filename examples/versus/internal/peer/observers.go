package peer

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/HdrHistogram/hdrhistogram-go"
	vm "github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/client_golang/prometheus"
	rcrowley "github.com/rcrowley/go-metrics"

	"github.com/ministryfinder/bounded/metrics"
)

// A Value is a response time in the units that observers want it in, so that none has to convert it.
type Value struct {
	Time    time.Duration
	Seconds float64
}

// ValueOf returns a response time.
func ValueOf(d time.Duration) Value { return Value{d, d.Seconds()} }

// A Distribution takes response times and answers what their quantiles are, in seconds.
// Observe may be called from several goroutines, Quantile and Count when none observes.
type Distribution interface {
	Observe(Value)
	Quantile(q float64) float64 // NaN if it is not among those that it answers
	Count() int                 // of all observations ever
	Close()                     // stops what it has running
}

// An Observer makes distributions of one kind.
type Observer struct {
	Name   string
	Path   string // of its module
	Window string // what its quantiles are of
	Last   int    // the last observations that they are of; zero means all, if time does not pass
	New    func() (Distribution, error)
}

// Windowed reports whether its quantiles forget what is old.
func (o Observer) Windowed() bool { return o.Window != everything }

const everything = "all since the start"

// OurPath is the module of the observers that the others are compared with.
const OurPath = "github.com/ministryfinder/bounded"

// Observers returns what people observe response times with, ours first. Each is made as its own
// documentation does it, those that are not safe for concurrent use under a mutex.
func Observers() []Observer {
	return []Observer{
		{Ours, OurPath, "the last 1,024, 5 min at most", 1024, func() (Distribution, error) { return newRing(1024) }},
		{Ours + " of 100", OurPath, "the last 100, 5 min at most", 100, func() (Distribution, error) { return newRing(100) }},
		{"HdrHistogram + mutex", "github.com/HdrHistogram/hdrhistogram-go", everything, 0, newHDR},
		{"VictoriaMetrics summary", "github.com/VictoriaMetrics/metrics", "1,000 at random of the last 2.5 to 5 min", 0, newVMSummary},
		{"VictoriaMetrics histogram", "github.com/VictoriaMetrics/metrics", everything, 0, newVMHistogram},
		{"Prometheus histogram", "github.com/prometheus/client_golang", everything, 0, newPromHistogram},
		{"Prometheus native histogram", "github.com/prometheus/client_golang", everything, 0, newPromNative},
		{"Prometheus summary", "github.com/prometheus/client_golang", "the last 8 to 10 min", 0, newPromSummary},
		{"DDSketch + mutex", "github.com/DataDog/sketches-go", everything, 0, newDDSketch},
		{"rcrowley histogram", "github.com/rcrowley/go-metrics", "1,028 at random, most of the last min", 0, newRcrowleyHistogram},
		{"rcrowley timer", "github.com/rcrowley/go-metrics", "1,028 at random, most of the last min", 0, newRcrowleyTimer},
	}
}

type ring struct {
	r *metrics.Ring[time.Duration]
}

func newRing(size int) (Distribution, error) {
	r, err := metrics.NewRing(metrics.RingConfig{Size: size})
	return ring{r}, err
}

func (r ring) Observe(v Value)            { r.r.Observe(v.Time) }
func (r ring) Quantile(q float64) float64 { return r.r.Snapshot().Quantile(q).Seconds() }
func (r ring) Count() int                 { return int(r.r.Snapshot().Observed) }
func (r ring) Close()                     {}

type hdr struct {
	mu sync.Mutex // guards h
	h  *hdrhistogram.Histogram
}

// newHDR covers 1 µs to 1 minute with three digits. What is longer counts as 1 minute.
func newHDR() (Distribution, error) {
	return &hdr{h: hdrhistogram.New(int64(time.Microsecond), int64(time.Minute), 3)}, nil
}

func (h *hdr) Observe(v Value) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.h.RecordValue(int64(v.Time)) != nil {
		_ = h.h.RecordValue(int64(time.Minute))
	}
}

func (h *hdr) Quantile(q float64) float64 {
	return time.Duration(h.h.ValueAtQuantile(100 * q)).Seconds()
}

func (h *hdr) Count() int { return int(h.h.TotalCount()) }
func (h *hdr) Close()     {}

// vmQuantiles are those that a summary of VictoriaMetrics is asked for.
var vmQuantiles = []float64{0.5, 0.9, 0.99, 0.999}

type vmSummary struct {
	set *vm.Set
	s   *vm.Summary
}

func newVMSummary() (Distribution, error) {
	set := vm.NewSet()
	return vmSummary{set, set.NewSummaryExt("x", 5*time.Minute, vmQuantiles)}, nil
}

func (s vmSummary) Observe(v Value) { s.s.Update(v.Seconds) }
func (s vmSummary) Quantile(q float64) float64 {
	return exposed(s.set, fmt.Sprintf(`x{quantile="%g"}`, q))
}

func (s vmSummary) Count() int {
	n := exposed(s.set, "x_count")
	if math.IsNaN(n) {
		return 0 // of nothing it writes nothing
	}
	return int(n)
}

func (s vmSummary) Close() { s.set.UnregisterAllMetrics() }

type vmHistogram struct{ h *vm.Histogram }

func newVMHistogram() (Distribution, error) { return vmHistogram{new(vm.Histogram)}, nil }

func (h vmHistogram) Observe(v Value)            { h.h.Update(v.Seconds) }
func (h vmHistogram) Quantile(q float64) float64 { return quantileOf(h.buckets(), q) }
func (h vmHistogram) Close()                     {}

func (h vmHistogram) Count() (n int) {
	for _, b := range h.buckets() {
		n += int(b.count)
	}
	return n
}

func (h vmHistogram) buckets() (buckets []bucket) {
	h.h.VisitNonZeroBuckets(func(vmrange string, count uint64) {
		b := bucket{count: float64(count)}
		if _, err := fmt.Sscanf(vmrange, "%g...%g", &b.from, &b.to); err != nil {
			b.from, b.to = math.NaN(), math.NaN()
		}
		buckets = append(buckets, b)
	})
	return buckets
}

// newPromHistogram has the buckets that are the default.
func newPromHistogram() (Distribution, error) {
	return promHistogram{prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", Buckets: prometheus.DefBuckets})}, nil
}

type promHistogram struct{ prometheus.Histogram }

func (h promHistogram) Observe(v Value) { h.Histogram.Observe(v.Seconds) }
func (h promHistogram) Count() int      { return int(written(h).GetHistogram().GetSampleCount()) }
func (h promHistogram) Close()          {}

// Quantile is what the server's histogram_quantile makes of the buckets.
func (h promHistogram) Quantile(q float64) float64 {
	var buckets []bucket
	before := bucket{}
	below := 0.0
	m := written(h).GetHistogram()
	for _, b := range m.GetBucket() {
		before = bucket{before.to, b.GetUpperBound(), float64(b.GetCumulativeCount()) - below}
		below += before.count
		buckets = append(buckets, before)
	}
	return quantileOf(append(buckets, bucket{before.to, before.to, float64(m.GetSampleCount()) - below}), q)
}

// promNative has buckets that are a tenth wider than the one before, as its documentation recommends.
type promNative struct{ promHistogram }

func newPromNative() (Distribution, error) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160})
	return promNative{promHistogram{h}}, nil
}

func (h promNative) Quantile(q float64) float64 {
	return quantileOf(nativeBuckets(written(h).GetHistogram()), q)
}

type promSummary struct{ prometheus.Summary }

func newPromSummary() (Distribution, error) {
	return promSummary{prometheus.NewSummary(promSummaryOpts("x"))}, nil
}

// promSummaryOpts has the objectives that its documentation recommends, and the time that is the default.
func promSummaryOpts(name string) prometheus.SummaryOpts {
	return prometheus.SummaryOpts{Name: name, Objectives: map[float64]float64{0.5: 0.05, 0.9: 0.01, 0.99: 0.001}, MaxAge: 10 * time.Minute}
}

func (s promSummary) Observe(v Value) { s.Summary.Observe(v.Seconds) }
func (s promSummary) Count() int      { return int(written(s).GetSummary().GetSampleCount()) }
func (s promSummary) Close()          {}

func (s promSummary) Quantile(q float64) float64 {
	for _, have := range written(s).GetSummary().GetQuantile() {
		if have.GetQuantile() == q {
			return have.GetValue()
		}
	}
	return math.NaN()
}

type ddSketch struct {
	mu sync.Mutex // guards s
	s  *ddsketch.DDSketch
}

// newDDSketch answers within one per cent.
func newDDSketch() (Distribution, error) {
	s, err := ddsketch.NewDefaultDDSketch(0.01)
	return &ddSketch{s: s}, err
}

func (s *ddSketch) Observe(v Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.s.Add(v.Seconds) // which fails for what is not a time
}

func (s *ddSketch) Quantile(q float64) float64 {
	v, err := s.s.GetValueAtQuantile(q)
	if err != nil {
		return math.NaN()
	}
	return v
}

func (s *ddSketch) Count() int { return int(s.s.GetCount()) }
func (s *ddSketch) Close()     {}

type rcrowleyHistogram struct{ rcrowley.Histogram }

// newRcrowleyHistogram has the sample that a timer has.
func newRcrowleyHistogram() (Distribution, error) {
	return rcrowleyHistogram{rcrowley.NewHistogram(rcrowley.NewExpDecaySample(1028, 0.015))}, nil
}

func (h rcrowleyHistogram) Observe(v Value)            { h.Update(int64(v.Time)) }
func (h rcrowleyHistogram) Quantile(q float64) float64 { return h.Percentile(q) / 1e9 }
func (h rcrowleyHistogram) Count() int                 { return int(h.Histogram.Count()) }
func (h rcrowleyHistogram) Close()                     {}

type rcrowleyTimer struct{ rcrowley.Timer }

func newRcrowleyTimer() (Distribution, error) { return rcrowleyTimer{rcrowley.NewTimer()}, nil }

func (t rcrowleyTimer) Observe(v Value)            { t.Update(v.Time) }
func (t rcrowleyTimer) Quantile(q float64) float64 { return t.Percentile(q) / 1e9 }
func (t rcrowleyTimer) Count() int                 { return int(t.Timer.Count()) }
func (t rcrowleyTimer) Close()                     { t.Stop() }
