package web

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"

	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
)

// samplesOf returns samples of memory, 2 s apart.
func samplesOf(limit int64, rss ...int64) []monitor.Sample {
	samples := make([]monitor.Sample, len(rss))
	for i, n := range rss {
		samples[i] = monitor.Sample{At: int64(i) * 2000, RSS: &n, Limit: &limit, Entries: i, CacheBytes: n / 10}
	}
	return samples
}

func TestChartsDrawWhatIsKnown(t *testing.T) {
	r := monitor.Report{Limit: metrics.BytesOf(400), Matches: cache.Stats{Entries: 2, MaxEntries: 4, MaxBytes: 1000}}
	drawn := charts(samplesOf(400, 100, 200, 300), r)
	require.Len(t, drawn, 4)
	byID := map[string]chart{}
	for _, c := range drawn {
		byID[c.ID] = c
	}

	memory := byID["memory"]
	require.Equal(t, "limit 400 B", memory.Note)
	require.Equal(t, "400 B", memory.Top, "the limit is on the chart")
	require.Equal(t, "0.0,92.0 300.0,64.0 600.0,36.0", memory.Series[0].Points)
	require.Equal(t, "0.0,8.0 300.0,8.0 600.0,8.0", memory.Series[2].Points)
	require.Equal(t, "300 B", memory.Series[0].Now)
	require.Empty(t, memory.Series[1].Points, "the heap is not known")
	require.Equal(t, "–", memory.Series[1].Now)
	require.Equal(t, []string{"00:00:04", "00:00:02", "00:00:00"}, memory.Times)
	require.Equal(t, []string{"300 B", "200 B", "100 B"}, memory.Series[0].Rows)

	cached := byID["cache"]
	require.Equal(t, "bounds 4 entries and 1.0 kB", cached.Note)
	require.Equal(t, []string{"50.0 %", "25.0 %", "0.0 %"}, cached.Series[0].Rows)
	require.Equal(t, []string{"3.0 %", "2.0 %", "1.0 %"}, cached.Series[1].Rows)
}

func TestALimitFarAwayDoesNotFlattenTheChart(t *testing.T) {
	for _, test := range []struct {
		limit int64
		drawn bool
	}{{1200, true}, {1201, false}} {
		memory := charts(samplesOf(test.limit, 100, 100), monitor.Report{})[0]
		require.Equal(t, test.drawn, memory.Series[2].Points != "", "limit %d", test.limit)
		require.NotEmpty(t, memory.Series[0].Points)
		require.Len(t, memory.Series[2].Rows, 2, "it is told all the same")
	}
}

func TestAChartOfManySamplesHasAShortTable(t *testing.T) {
	memory := charts(samplesOf(1, make([]int64, 600)...), monitor.Report{})[0]
	require.Len(t, memory.Times, chartRows)
	require.Equal(t, "00:19:58", memory.Times[0], "the newest")
	require.Equal(t, 600, strings.Count(memory.Series[0].Points, ","))
	require.Empty(t, charts(nil, monitor.Report{})[0].Times)
}

func TestFiguresAreWrittenForAPerson(t *testing.T) {
	for _, test := range []struct {
		unit  string
		value float64
		want  string
	}{
		{"bytes", 1500, "1.5 kB"}, {"bytes", 43e6, "43 MB"}, {"bytes", -1, "0 B"},
		{"percent", 0, "0.0 %"}, {"percent", 0.048, "0.05 %"}, {"percent", 99.96, "100.0 %"}, {"ms", 0.25, "0.2 ms"},
	} {
		require.Equal(t, test.want, (&chart{Unit: test.unit}).format(test.value))
	}
}

func TestEachSeriesIsAFigureOfTheSample(t *testing.T) {
	fields := string(asJSON(monitor.Sample{}))
	for _, c := range charts(samplesOf(1, 1), monitor.Report{}) {
		for _, s := range c.Series {
			require.Contains(t, fields, `"`+s.Key+`":`)
			figure(monitor.Sample{}, s.Key) // does not panic
		}
	}
}
