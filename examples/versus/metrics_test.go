package main

import (
	"math"
	"testing"
	"time"

	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
	"github.com/stretchr/testify/require"
)

func TestMetricsHasAllRows(t *testing.T) {
	out := tiny(t, &metrics{rounds: 1, time: time.Millisecond, series: 3})
	want := make(map[string]int)
	for _, o := range peer.Observers() {
		want[o.Name]++
		require.Contains(t, out, " "+o.Window+" |")
	}
	for _, c := range peer.AllCounters() {
		want[c.Name]++
	}
	for _, m := range peer.Monitors() {
		want[m.Name]++
	}
	require.Equal(t, 3, want[peer.Ours])
	for name, n := range want {
		requireRows(t, n, out, name)
	}
	require.Contains(t, out, "of 50 such pairs in no order")
	require.Regexp(t, `forgets what is old, on 2: .*, [\d.]+ ns by [\d.]+ ns, [\d.]+\.\n`, out)
	require.NotContains(t, out, "NaN")
}

func TestAccuracyHasAllRows(t *testing.T) {
	out := tiny(t, &accuracy{observations: 3000, recent: 1024, rounds: 1})
	for _, s := range shapes {
		requireRows(t, 2*len(peer.Observers()), out, s.name)
		require.Regexp(t, `\| `+s.name+` +\| +bounded \|( +0\.00 / 0\.00 \|){4}`, out, "ours is exact over the last 1,024")
	}
	require.Regexp(t, `Prometheus summary \|.* - \|\n`, out, "what was not asked for")
}

// By hand: of 10, 20, 20, 30 the median by nearest rank is the second, 20.
func TestMissed(t *testing.T) {
	values := []float64{10, 20, 20, 30}
	for _, c := range []struct {
		q, answer, value, rank float64
	}{
		{0.5, 20, 0, 0}, {0.5, 10, 50, 25}, {0.5, 15, 25, 25}, {0.5, 25, 25, 25}, {0.5, 30, 50, 25}, {0.5, 40, 100, 50},
		{0.75, 20, 0, 0}, {0.75, 25, 25, 0}, {0.99, 30, 0, 0}, {0.99, 31, 10. / 3, 0}, {0.99, 5, 250. / 3, 100},
	} {
		got := missed(values, c.q, c.answer)
		require.InDelta(t, c.value, got.value, 1e-9, "%v", c)
		require.InDelta(t, c.rank, got.rank, 1e-9, "%v", c)
	}
	require.True(t, math.IsNaN(missed(values, 0.5, math.NaN()).value))
	require.Equal(t, "-", cell([]miss{{math.NaN(), math.NaN()}}))
	require.Equal(t, "2.00 / 0.50", cell([]miss{{1, 0}, {2, 0.5}, {300, 7}}))
}

func TestSpread(t *testing.T) {
	typical, worst := spread(map[string][]float64{"a": {1, 2, 3, 4, 5, 6, 7, 8, 9}, "b": {5, 5, 5}, "c": {4, 5, 6}})
	require.InDelta(t, 40, typical, 1e-9)
	require.InDelta(t, 80, worst, 1e-9)
}
