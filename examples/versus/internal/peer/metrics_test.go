package peer_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
	"github.com/stretchr/testify/require"
)

// Each observer has seen all that it was told, also by two at once, and its quantiles are near those of a uniform
// distribution, as far as its window is from all.
func TestObserversObserve(t *testing.T) {
	var values [5000]peer.Value
	for i, n := range rand.New(rand.NewPCG(1, 2)).Perm(len(values)) {
		values[i] = peer.ValueOf(time.Duration(n+1) * 200 * time.Microsecond) // to 1 s
	}
	for _, o := range peer.Observers() {
		t.Run(o.Name, func(t *testing.T) {
			d, err := o.New()
			require.NoError(t, err)
			defer d.Close()
			require.Zero(t, d.Count())
			var group sync.WaitGroup
			for g := range 2 {
				group.Go(func() {
					for i := g; i < len(values); i += 2 {
						d.Observe(values[i])
					}
				})
			}
			group.Wait()
			for _, v := range values { // in an order of its own
				d.Observe(v)
			}
			require.Equal(t, 2*len(values), d.Count())
			for _, q := range []float64{0.5, 0.9, 0.99} {
				require.InDelta(t, q, d.Quantile(q), 0.3*math.Sqrt(1-q), "the %g-quantile", q)
			}
			if o.Name == "Prometheus summary" {
				require.True(t, math.IsNaN(d.Quantile(0.999)), "it was not asked for it")
			} else {
				require.InDelta(t, 1, d.Quantile(0.999), 0.05)
			}
		})
	}
}

func TestObserversForgetAsTheySay(t *testing.T) {
	for _, o := range peer.Observers() {
		d, err := o.New()
		require.NoError(t, err)
		for range 3000 {
			d.Observe(peer.ValueOf(20 * time.Millisecond))
		}
		for range max(o.Last, 1) {
			d.Observe(peer.ValueOf(2 * time.Second))
		}
		if o.Last > 0 {
			require.Equal(t, 2.0, d.Quantile(0.001), o.Name)
		} else {
			require.Less(t, d.Quantile(0.5), 0.03, o.Name)
		}
		d.Close()
	}
}

func TestCountersCount(t *testing.T) {
	statuses := []string{"200", "500"}
	var pairs []peer.Pair
	for _, endpoint := range []string{"GET /", `GET /"quoted"`} {
		for _, status := range statuses {
			pairs = append(pairs, peer.PairOf(endpoint, status))
		}
	}
	for _, c := range peer.AllCounters() {
		t.Run(c.Name, func(t *testing.T) {
			l, err := c.New(statuses)
			require.NoError(t, err)
			var group sync.WaitGroup
			for range 2 {
				group.Go(func() {
					for i := range pairs {
						inc := l.Handle(&pairs[i])
						for range 100 * (i + 1) {
							l.Inc(&pairs[i])
							inc()
						}
					}
				})
			}
			group.Wait()
			for i := range pairs {
				require.Equal(t, 400*(i+1), l.Count(&pairs[i]))
			}
		})
	}
}

func TestMonitorsWriteWhatTheyHaveSeen(t *testing.T) {
	for _, monitor := range peer.Monitors() {
		t.Run(monitor.Name, func(t *testing.T) {
			s, err := monitor.New()
			require.NoError(t, err)
			for i := range 100 {
				s.Request("GET /", 200+100*(i%2), peer.ValueOf(20*time.Millisecond))
			}
			s.Error("timeout")
			var text strings.Builder
			require.NoError(t, s.Scrape(&text))
			require.Regexp(t, `(?m)^\w+_total\{endpoint="GET /",status="2xx"\} 50$`, text.String())
			require.Regexp(t, `(?m)^\w+_count\{endpoint="GET /"\} 100$`, text.String())
			require.Regexp(t, `(?m)^errors_total\{kind="timeout"\} 1$`, text.String())
		})
	}
}
