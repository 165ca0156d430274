package metrics_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/stretchr/testify/require"
)

func TestCounterAndGaugeLoseNothing(t *testing.T) {
	const writers, each = 16, 20_000
	var c metrics.Counter
	var g metrics.Gauge
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for range each {
				c.Inc()
				n := rng.Int64N(1000)
				g.Add(n)
				g.Add(-n - 1)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	last := uint64(0)
	for running := true; running; runtime.Gosched() {
		select {
		case <-done:
			running = false
		default:
		}
		v := c.Value()
		require.GreaterOrEqual(t, v, last, "a counter never falls")
		last = v
	}
	require.Equal(t, uint64(writers*each), c.Value())
	require.Equal(t, int64(-writers*each), g.Value())
	g.Set(5)
	require.Equal(t, int64(5), g.Value())
	c.Add(1 << 40)
	require.Equal(t, uint64(writers*each+1<<40), c.Value())
}

func TestGaugeSetIsNotAdded(t *testing.T) {
	var g metrics.Gauge
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for range 5000 {
				g.Set(int64(w))
			}
		})
	}
	wg.Wait()
	require.Contains(t, []int64{0, 1, 2, 3, 4, 5, 6, 7}, g.Value())
}
