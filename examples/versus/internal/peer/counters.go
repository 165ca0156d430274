package peer

import (
	"fmt"

	vm "github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ministryfinder/bounded/metrics"
)

// A Pair of labels tells a counter from the others.
type Pair struct {
	Endpoint, Status string
	Series           string // both, as the name of a series of VictoriaMetrics
}

// PairOf returns a pair of labels.
func PairOf(endpoint, status string) Pair { return Pair{endpoint, status, vmName(endpoint, status)} }

// Labelled counts requests by a pair of labels.
type Labelled interface {
	Inc(*Pair)
	Handle(*Pair) func() // the increment of a counter that is looked up once
	Count(*Pair) int
}

// Counters makes counters of one kind.
type Counters struct {
	Name string
	New  func(statuses []string) (Labelled, error)
}

// AllCounters returns what people count by labels with, ours first.
func AllCounters() []Counters {
	return []Counters{
		{Ours, newFamily},
		{"Prometheus CounterVec", newPromCounters},
		{"VictoriaMetrics", func([]string) (Labelled, error) { return vmCounters{vm.NewSet()}, nil }},
		{"VictoriaMetrics + name", func([]string) (Labelled, error) { return vmNamed{vmCounters{vm.NewSet()}}, nil }},
	}
}

type family struct{ f *metrics.Family }

func newFamily(statuses []string) (Labelled, error) {
	f, err := metrics.NewFamily(metrics.FamilyConfig{
		Name: "requests_total", Label: "endpoint", Closed: []metrics.ClosedLabel{{Name: "status", Values: statuses}},
	})
	return family{f}, err
}

func (f family) Inc(p *Pair)           { f.f.Inc(p.Endpoint, p.Status) }
func (f family) Handle(p *Pair) func() { return f.f.With(p.Endpoint, p.Status).Inc }

func (f family) Count(p *Pair) int {
	for _, c := range f.f.Snapshot().Counters {
		if c.Values[0] == p.Endpoint && c.Values[1] == p.Status {
			return int(c.Count)
		}
	}
	return 0
}

type promCounters struct{ v *prometheus.CounterVec }

func newPromCounters([]string) (Labelled, error) {
	return promCounters{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total"}, []string{"endpoint", "status"})}, nil
}

func (c promCounters) Inc(p *Pair)           { c.v.WithLabelValues(p.Endpoint, p.Status).Inc() }
func (c promCounters) Handle(p *Pair) func() { return c.v.WithLabelValues(p.Endpoint, p.Status).Inc }
func (c promCounters) Count(p *Pair) int {
	return int(written(c.v.WithLabelValues(p.Endpoint, p.Status)).GetCounter().GetValue())
}

type vmCounters struct{ set *vm.Set }

// vmName makes the name of a series as its documentation has a user do it.
func vmName(endpoint, status string) string {
	return fmt.Sprintf(`requests_total{endpoint=%q,status=%q}`, endpoint, status)
}

func (c vmCounters) Inc(p *Pair)           { c.set.GetOrCreateCounter(vmName(p.Endpoint, p.Status)).Inc() }
func (c vmCounters) Handle(p *Pair) func() { return c.set.GetOrCreateCounter(p.Series).Inc }
func (c vmCounters) Count(p *Pair) int     { return int(c.set.GetOrCreateCounter(p.Series).Get()) }

// vmNamed is spared making the name.
type vmNamed struct{ vmCounters }

func (c vmNamed) Inc(p *Pair) { c.set.GetOrCreateCounter(p.Series).Inc() }
