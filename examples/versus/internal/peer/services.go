package peer

import (
	"fmt"
	"io"
	"strconv"
	"time"

	vm "github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/ministryfinder/bounded/metrics"
)

// A Service keeps what a web service wants to know of itself: requests by endpoint and class of
// status with their times, and errors by kind.
type Service interface {
	Request(endpoint string, status int, v Value)
	Error(kind string)
	Scrape(io.Writer) error // writes all of it as Prometheus text
}

// A Monitor makes services of one kind.
type Monitor struct {
	Name string
	New  func() (Service, error)
}

// Monitors returns what people monitor a service with, ours first: with 100 times of each endpoint, as it
// comes, and with 1,024.
func Monitors() []Monitor {
	return []Monitor{
		{Ours, func() (Service, error) { return newRecorder(metrics.RecorderConfig{}) }},
		{Ours + " of 1024", func() (Service, error) { return newRecorder(metrics.RecorderConfig{Times: 1024}) }},
		{"Prometheus summaries", func() (Service, error) {
			times := prometheus.NewSummaryVec(promSummaryOpts("request_seconds"), []string{"endpoint"})
			return newPromService(times, times)
		}},
		{"Prometheus histograms", func() (Service, error) {
			times := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "request_seconds"}, []string{"endpoint"})
			return newPromService(times, times)
		}},
		{"VictoriaMetrics summaries", func() (Service, error) { return vmService{vm.NewSet()}, nil }},
	}
}

type recorder struct{ r *metrics.Recorder }

func newRecorder(c metrics.RecorderConfig) (Service, error) {
	c.OnWarn = func(metrics.Warning) {}
	r, err := metrics.NewRecorder(c)
	return recorder{r}, err
}

func (r recorder) Request(endpoint string, status int, v Value) {
	r.r.Record(endpoint, status, v.Time)
}
func (r recorder) Error(kind string)        { r.r.Error(kind) }
func (r recorder) Scrape(w io.Writer) error { return r.r.Snapshot().WritePrometheus(w) }

type promService struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	errors   *prometheus.CounterVec
	times    prometheus.ObserverVec
}

func newPromService(times prometheus.ObserverVec, collector prometheus.Collector) (Service, error) {
	s := promService{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total"}, []string{"endpoint", "status"}),
		errors:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "errors_total"}, []string{"kind"}),
		times:    times,
	}
	for _, c := range []prometheus.Collector{s.requests, s.errors, collector} {
		if err := s.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s promService) Request(endpoint string, status int, v Value) {
	s.requests.WithLabelValues(endpoint, class(status)).Inc()
	s.times.WithLabelValues(endpoint).Observe(v.Seconds)
}

func (s promService) Error(kind string) { s.errors.WithLabelValues(kind).Inc() }

func (s promService) Scrape(w io.Writer) error {
	families, err := s.registry.Gather()
	if err != nil {
		return err
	}
	encoder := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return err
		}
	}
	return nil
}

type vmService struct{ set *vm.Set }

func (s vmService) Request(endpoint string, status int, v Value) {
	s.set.GetOrCreateCounter(vmName(endpoint, class(status))).Inc()
	s.set.GetOrCreateSummaryExt(fmt.Sprintf("request_seconds{endpoint=%q}", endpoint), 5*time.Minute, vmQuantiles).Update(v.Seconds)
}

func (s vmService) Error(kind string) {
	s.set.GetOrCreateCounter(fmt.Sprintf("errors_total{kind=%q}", kind)).Inc()
}

func (s vmService) Scrape(w io.Writer) error {
	s.set.WritePrometheus(w)
	return nil
}

func class(status int) string { return strconv.Itoa(status/100) + "xx" }
