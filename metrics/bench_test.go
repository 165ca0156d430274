package metrics_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ministryfinder/bounded/metrics"
)

func BenchmarkCounterInc(b *testing.B) {
	b.Run("writers=one", func(b *testing.B) {
		var c metrics.Counter
		for b.Loop() {
			c.Inc()
		}
	})
	b.Run("writers=all", func(b *testing.B) {
		var c metrics.Counter
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.Inc()
			}
		})
	})
	b.Run("writers=all/of=atomic", func(b *testing.B) { // to compare with
		var c atomic.Uint64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.Add(1)
			}
		})
	})
}

func BenchmarkRingObserve(b *testing.B) {
	b.Run("writers=one", func(b *testing.B) {
		r, _ := metrics.NewRing(metrics.RingConfig{})
		b.ReportAllocs()
		for b.Loop() {
			r.Observe(time.Millisecond)
		}
	})
	b.Run("writers=all", func(b *testing.B) {
		r, _ := metrics.NewRing(metrics.RingConfig{})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r.Observe(time.Millisecond)
			}
		})
	})
}

func BenchmarkRingSnapshot(b *testing.B) {
	for _, size := range []int{100, 1000} {
		b.Run(fmt.Sprintf("size=%d/of=random", size), func(b *testing.B) {
			r := filledRing(b, size)
			b.ReportAllocs()
			for b.Loop() {
				r.Snapshot().Quantile(0.99)
			}
		})
	}
}

func BenchmarkRingQuantiles(b *testing.B) {
	for _, size := range []int{100, 1000} {
		b.Run(fmt.Sprintf("size=%d/of=random", size), func(b *testing.B) {
			r := filledRing(b, size)
			var of []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				of, _ = r.Quantiles(of[:0], 0.5, 0.9, 0.95, 0.99)
			}
		})
	}
}

func BenchmarkRingCached(b *testing.B) {
	r := filledRing(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		r.Cached().Quantile(0.99)
	}
}

func filledRing(b *testing.B, size int) *metrics.Ring[time.Duration] {
	r := newRing(b, metrics.RingConfig{Size: size})
	for i := range size {
		r.Observe(time.Duration(i * 7919 % size))
	}
	return r
}

func BenchmarkFamilyInc(b *testing.B) {
	family := func() *metrics.Family {
		return newFamily(b, metrics.FamilyConfig{Label: "endpoint", Closed: []metrics.ClosedLabel{{Name: "status", Values: []string{"200", "301", "404", "429", "500"}}}})
	}
	b.Run("writers=one", func(b *testing.B) {
		f := family()
		b.ReportAllocs()
		for b.Loop() {
			f.Inc("GET /ministries/{id}", "200")
		}
	})
	b.Run("writers=all", func(b *testing.B) {
		f := family()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				f.Inc("GET /ministries/{id}", "200")
			}
		})
	})
	b.Run("writers=one/of=50", func(b *testing.B) { // in no order, so that nothing can be foreseen
		f := family()
		var pairs [1 << 10][2]string
		for i, random := 0, rand.New(rand.NewPCG(1, 2)); i < len(pairs); i++ {
			pairs[i] = [2]string{fmt.Sprintf("GET /api/v1/things%d/{id}", random.IntN(10)), []string{"200", "301", "404", "429", "500"}[random.IntN(5)]}
		}
		i := 0
		for b.Loop() {
			p := &pairs[i%len(pairs)]
			f.Inc(p[0], p[1])
			i++
		}
	})
	b.Run("writers=one/by=handle", func(b *testing.B) {
		h := family().With("GET /ministries/{id}", "200")
		for b.Loop() {
			h.Inc()
		}
	})
	b.Run("writers=all/by=handle", func(b *testing.B) {
		h := family().With("GET /ministries/{id}", "200")
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				h.Inc()
			}
		})
	})
}

func BenchmarkRecorderRecord(b *testing.B) {
	for _, name := range []string{"pinned", "dynamic"} {
		b.Run("endpoint="+name+"/writers=one", func(b *testing.B) {
			r := newRecorder(b, metrics.RecorderConfig{Routes: []string{"pinned"}})
			b.ReportAllocs()
			for b.Loop() {
				r.Record(name, 200, time.Millisecond)
			}
		})
	}
	b.Run("endpoint=pinned/writers=all", func(b *testing.B) {
		r := newRecorder(b, metrics.RecorderConfig{Routes: []string{"pinned"}})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r.Record("pinned", 200, time.Millisecond)
			}
		})
	})
	b.Run("endpoint=flood/writers=one", func(b *testing.B) {
		r := newRecorder(b, metrics.RecorderConfig{})
		names := make([]string, 1<<16)
		for i := range names {
			names[i] = fmt.Sprint("GET /", i)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r.Record(names[i%len(names)], 404, time.Millisecond)
		}
	})
}

// fullRecorder has as many series and times as its configuration allows.
func fullRecorder(b *testing.B) *metrics.Recorder {
	r := newRecorder(b, metrics.RecorderConfig{})
	for i := range 10_000 {
		r.Record(fmt.Sprint("GET /", i%50), 200, time.Duration(i))
		r.Error(fmt.Sprint("kind ", i%100))
	}
	return r
}

func BenchmarkRecorderSnapshot(b *testing.B) {
	r := fullRecorder(b)
	b.ReportAllocs()
	for b.Loop() {
		r.Snapshot()
	}
}

func BenchmarkSnapshotWritePrometheus(b *testing.B) {
	s := fullRecorder(b).Snapshot()
	b.ReportAllocs()
	for b.Loop() {
		_ = s.WritePrometheus(io.Discard)
	}
}

func BenchmarkRecorderScrape(b *testing.B) {
	h := fullRecorder(b).Handler()
	req := httptest.NewRequest("GET", "/", nil)
	w := discard{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, req)
	}
}

// discard is a response that goes nowhere.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func BenchmarkReadMemory(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		metrics.ReadMemory()
	}
}
