package metrics_test

import (
	"testing"
	"time"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/stretchr/testify/require"
)

func TestAllocations(t *testing.T) {
	ring := newRing(t, metrics.RingConfig{})
	rec := newRecorder(t, metrics.RecorderConfig{Routes: []string{"GET /pinned"}})
	watch, err := metrics.NewWatch(metrics.WatchConfig{Limit: 1 << 50})
	require.NoError(t, err)
	metrics.ReadMemory() // opens its files
	for name, c := range map[string]struct {
		want float64
		f    func()
	}{
		"observe":             {0, func() { ring.Observe(time.Second) }},
		"snapshot of a ring":  {1, func() { ring.Snapshot().Quantile(0.99) }},
		"record to a pinned":  {0, func() { rec.Record("GET /pinned", 200, time.Millisecond) }},
		"record to a dynamic": {0, func() { rec.Record("GET /dynamic", 200, time.Millisecond) }},
		"record slow":         {0, func() { rec.Record("GET /pinned", 500, time.Hour) }},
		"error":               {0, func() { rec.Error("timeout") }},
		"read memory":         {0, func() { metrics.ReadMemory() }},
		"watch":               {1, func() { watch.Sweep() }},
	} {
		t.Run(name, func(t *testing.T) {
			require.LessOrEqual(t, testing.AllocsPerRun(100, c.f), c.want)
		})
	}
}
