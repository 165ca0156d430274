package peer

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	vm "github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// exposed returns the value of the series that set writes under name, NaN if there is none: the way
// to read what VictoriaMetrics has no method for.
func exposed(set *vm.Set, name string) float64 {
	var b bytes.Buffer
	set.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			if v, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				return v
			}
		}
	}
	return math.NaN()
}

// written returns what m tells a registry.
func written(m prometheus.Metric) *dto.Metric {
	out := new(dto.Metric)
	if m.Write(out) != nil {
		return nil // the getters of a nil one return zero
	}
	return out
}

// A bucket of a histogram holds the observations above from, and not above to.
type bucket struct{ from, to, count float64 }

// nativeBuckets returns the buckets of positive observations of a native histogram. Bucket i reaches from
// base^(i-1) to base^i; the spans say which ones there are, and the deltas by how much each has more than the
// one before.
func nativeBuckets(h *dto.Histogram) (buckets []bucket) {
	base := math.Exp2(math.Exp2(-float64(h.GetSchema())))
	at, deltas, count := 0, h.GetPositiveDelta(), 0.0
	for _, span := range h.GetPositiveSpan() {
		at += int(span.GetOffset())
		for range span.GetLength() {
			count += float64(deltas[0])
			buckets = append(buckets, bucket{math.Pow(base, float64(at-1)), math.Pow(base, float64(at)), count})
			at, deltas = at+1, deltas[1:]
		}
	}
	return buckets
}

// quantileOf returns the q-quantile as if the observations were spread evenly within each bucket, as
// the servers that read such histograms have it. The buckets ascend.
func quantileOf(buckets []bucket, q float64) float64 {
	total := 0.0
	for _, b := range buckets {
		total += b.count
	}
	rank := q * total
	for _, b := range buckets {
		if b.count > 0 && rank <= b.count {
			return b.from + (b.to-b.from)*rank/b.count
		}
		rank -= b.count
	}
	return math.NaN()
}
