package peer

import (
	"fmt"

	vm "github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ministryfinder/bounded/metrics"
)

// A Labelled counts requests by endpoint and status.
type Labelled interface {
	Inc(endpoint, status string)
	Count(endpoint, status string) int
}

// A Counters makes counters of one kind.
type Counters struct {
	Name string
	New  func(endpoints, statuses []string) (Labelled, error)

	// Handles returns the increment of one of its counters that was looked up before, nil if
	// there is no such thing.
	Handle func(l Labelled, endpoint, status string) (inc func())
}

// AllCounters returns what people count by labels with, ours first.
func AllCounters() []Counters {
	return []Counters{
		{Ours, newFamily, func(l Labelled, endpoint, status string) func() {
			return l.(family).f.With(endpoint, status).Inc
		}},
		{"Prometheus CounterVec", newPromCounters, func(l Labelled, endpoint, status string) func() {
			return l.(promCounters).v.WithLabelValues(endpoint, status).Inc
		}},
		{"VictoriaMetrics", newVMCounters, func(l Labelled, endpoint, status string) func() {
			return l.(vmCounters).set.GetOrCreateCounter(vmName(endpoint, status)).Inc
		}},
	}
}

type family struct{ f *metrics.Family }

func newFamily(_, statuses []string) (Labelled, error) {
	f, err := metrics.NewFamily(metrics.FamilyConfig{
		Name: "requests_total", Label: "endpoint", Closed: []metrics.ClosedLabel{{Name: "status", Values: statuses}},
	})
	return family{f}, err
}

func (f family) Inc(endpoint, status string) { f.f.Inc(endpoint, status) }

func (f family) Count(endpoint, status string) int {
	for _, c := range f.f.Snapshot().Counters {
		if c.Values[0] == endpoint && c.Values[1] == status {
			return int(c.Count)
		}
	}
	return 0
}

type promCounters struct{ v *prometheus.CounterVec }

func newPromCounters(_, _ []string) (Labelled, error) {
	return promCounters{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total"}, []string{"endpoint", "status"})}, nil
}

func (c promCounters) Inc(endpoint, status string) { c.v.WithLabelValues(endpoint, status).Inc() }

func (c promCounters) Count(endpoint, status string) int {
	return int(written(c.v.WithLabelValues(endpoint, status)).GetCounter().GetValue())
}

type vmCounters struct{ set *vm.Set }

func newVMCounters(_, _ []string) (Labelled, error) { return vmCounters{vm.NewSet()}, nil }

// vmName is how its documentation has a user make the name of a series.
func vmName(endpoint, status string) string {
	return fmt.Sprintf(`requests_total{endpoint=%q,status=%q}`, endpoint, status)
}

func (c vmCounters) Inc(endpoint, status string) {
	c.set.GetOrCreateCounter(vmName(endpoint, status)).Inc()
}

func (c vmCounters) Count(endpoint, status string) int {
	return int(c.set.GetOrCreateCounter(vmName(endpoint, status)).Get())
}
