package metrics_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/stretchr/testify/require"
)

// A gaugedWatch is a watch of a memory of 100 bytes, of which used are used.
type gaugedWatch struct {
	*metrics.Watch
	used   int64
	events []metrics.Event
}

func newWatch(t *testing.T, c metrics.WatchConfig) *gaugedWatch {
	t.Helper()
	g := &gaugedWatch{}
	c.Read = func() metrics.Memory {
		if g.used < 0 {
			return metrics.Memory{}
		}
		return metrics.Memory{CgroupUsage: metrics.BytesOf(g.used), CgroupLimit: metrics.BytesOf(100)}
	}
	if c.OnChange == nil {
		c.OnChange = func(e metrics.Event) { g.events = append(g.events, e) }
	}
	w, err := metrics.NewWatch(c)
	require.NoError(t, err)
	g.Watch = w
	return g
}

func (g *gaugedWatch) see(used int64) metrics.Level {
	g.used = used
	g.Sweep()
	return g.Level()
}

func TestWatchConfigNamesFieldValueAndWant(t *testing.T) {
	for want, c := range map[string]metrics.WatchConfig{
		"metrics: WatchConfig.Limit is -1, want zero or more":                                 {Limit: -1},
		"metrics: WatchConfig.Dwell is -1ns, want zero or more":                               {Dwell: -1},
		"metrics: WatchConfig.High is 0.95, want more than 0 and less than Critical, 0.92":    {High: 0.95},
		"metrics: WatchConfig.High is NaN, want more than 0 and less than Critical, 0.92":     {High: math.NaN()},
		"metrics: WatchConfig.Hysteresis is 0.05, want zero or more and less than High, 0.04": {High: 0.04},
		"metrics: WatchConfig.High is 0.8, want more than 0 and less than Critical, 0.5":      {Critical: 0.5},
		"metrics: WatchConfig.Critical is 1.5, want more than 0 and at most 1":                {Critical: 1.5},
		"metrics: WatchConfig.Hysteresis is 0.8, want zero or more and less than High, 0.8":   {Hysteresis: 0.8},
	} {
		_, err := metrics.NewWatch(c)
		require.EqualError(t, err, want)
	}
}

func TestWatchRisesAtOnceAndFallsAfterDwell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newWatch(t, metrics.WatchConfig{})
		require.Equal(t, metrics.LevelOK, g.see(79))
		require.Equal(t, metrics.LevelHigh, g.see(80))
		require.Equal(t, metrics.LevelCritical, g.see(92))
		require.Equal(t, metrics.LevelCritical, g.see(88), "within the hysteresis")
		time.Sleep(time.Hour)
		require.Equal(t, metrics.LevelCritical, g.see(88))
		require.Equal(t, metrics.LevelCritical, g.see(10), "not yet for a minute")
		time.Sleep(time.Minute - 1)
		require.Equal(t, metrics.LevelCritical, g.see(10))
		time.Sleep(time.Nanosecond)
		require.Equal(t, metrics.LevelOK, g.see(10), "past high, which it is below too")

		require.Len(t, g.events, 3, "one event for each change")
		last := g.events[2]
		require.Equal(t, metrics.LevelCritical, last.From)
		require.Equal(t, metrics.LevelOK, last.To)
		require.InDelta(t, 0.10, last.Share, 1e-9)
		require.Equal(t, metrics.BytesOf(10), last.Memory.CgroupUsage)
		require.True(t, last.At.Equal(time.Now()))
		s := g.State()
		require.Equal(t, uint64(8), s.Checks)
		require.Equal(t, uint64(3), s.Changes)
		require.True(t, s.Since.Equal(time.Now()))
	})
}

func TestWatchFallsByOneLevelIfThatIsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newWatch(t, metrics.WatchConfig{})
		g.see(95)
		g.see(85)
		time.Sleep(time.Minute)
		require.Equal(t, metrics.LevelHigh, g.see(85))
	})
}

// Each level has a dwell of its own: a moment below High does not end what was critical
// a minute ago.
func TestWatchFallsNoFurtherThanItHasDwelt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newWatch(t, metrics.WatchConfig{})
		g.see(95)
		g.see(85)
		time.Sleep(time.Minute)
		require.Equal(t, metrics.LevelHigh, g.see(10), "not critical for a minute, and low for a moment")
		time.Sleep(time.Minute - 1)
		require.Equal(t, metrics.LevelHigh, g.see(10))
		time.Sleep(time.Nanosecond)
		require.Equal(t, metrics.LevelOK, g.see(10))

		g.events = nil
		g.see(95)
		for range 60 { // a saw-tooth whose troughs are below all thresholds
			g.see(85)
			time.Sleep(7 * time.Second)
			g.see(30)
			time.Sleep(7 * time.Second)
		}
		require.Len(t, g.events, 2, "to critical, and back to high")
	})
}

// The collector's saw-tooth across the threshold is one event, not many.
func TestWatchDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newWatch(t, metrics.WatchConfig{})
		for range 100 {
			g.see(85)
			time.Sleep(30 * time.Second)
			g.see(45)
			time.Sleep(30*time.Second - 1)
		}
		require.Len(t, g.events, 1)
	})
}

func TestWatchThatCannotTellChangesNothing(t *testing.T) {
	g := newWatch(t, metrics.WatchConfig{})
	g.see(85)
	require.Equal(t, metrics.LevelHigh, g.see(-1))
	require.Equal(t, uint64(1), g.State().Unknown)
	require.InDelta(t, 0.85, g.State().Share, 1e-9)
}

func TestWatchLimitIsOfRSS(t *testing.T) {
	w, err := metrics.NewWatch(metrics.WatchConfig{
		Limit:    200,
		Read:     func() metrics.Memory { return metrics.Memory{RSS: metrics.BytesOf(190)} },
		OnChange: func(metrics.Event) {},
	})
	require.NoError(t, err)
	require.Zero(t, w.Sweep())
	require.Equal(t, metrics.LevelCritical, w.Level())
}

func TestWatchSurvivesItsCallbacks(t *testing.T) {
	var g *gaugedWatch
	calls := 0
	g = newWatch(t, metrics.WatchConfig{OnChange: func(e metrics.Event) {
		calls++
		g.Sweep() // no lock is held
		require.Equal(t, e.To, g.Level())
		panic("in OnChange")
	}})
	require.Equal(t, metrics.LevelHigh, g.see(85))
	require.Equal(t, metrics.LevelCritical, g.see(95))
	require.Equal(t, 2, calls)
	require.Equal(t, uint64(2), g.State().Panics)

	w, err := metrics.NewWatch(metrics.WatchConfig{Read: func() metrics.Memory { panic("in Read") }})
	require.NoError(t, err)
	w.Sweep()
	require.Equal(t, uint64(1), w.State().Panics)
	require.Equal(t, uint64(1), w.State().Unknown)
}

// Whatever is read, and whenever: one event for each change, which begins where the last
// one ended and has the memory that caused it, and none for what cannot be told.
func FuzzWatch(f *testing.F) {
	f.Add([]byte("P\x00\x01_\x00\x01U\xff\x01\x00\xff\x01"))
	f.Add([]byte{80, 200, 1, 95, 0, 2, 10, 255, 0, 10, 255, 3, 200, 1, 1, 0, 255, 1})
	f.Fuzz(func(t *testing.T, readings []byte) {
		synctest.Test(t, func(t *testing.T) {
			var memory metrics.Memory
			var events []metrics.Event
			grown := 0
			w, err := metrics.NewWatch(metrics.WatchConfig{
				GrowthWindow: time.Hour, Read: func() metrics.Memory { return memory },
				OnChange: func(e metrics.Event) { events = append(events, e) },
				OnGrowth: func(metrics.Growth) { grown++ },
			})
			require.NoError(t, err)
			suspected := false
			for ; len(readings) >= 3; readings = readings[3:] {
				time.Sleep(time.Duration(readings[1]) * time.Second)
				memory = metrics.Memory{CgroupUsage: metrics.BytesOf(int64(int8(readings[0]))), CgroupLimit: metrics.BytesOf(100)}
				switch readings[2] % 8 {
				case 0:
					memory.CgroupLimit = metrics.Bytes{}
				case 1:
					memory.CgroupLimit = metrics.Unlimited
				case 2:
					memory.CgroupLimit = metrics.BytesOf(0)
				case 3:
					memory = metrics.Memory{RSS: metrics.BytesOf(math.MaxInt64), SystemTotal: metrics.BytesOf(math.MaxInt64), CgroupCache: metrics.BytesOf(math.MinInt64)}
				case 4:
					memory.GoLive, memory.GoRuntime, memory.GoLimit = metrics.BytesOf(math.MaxInt64/2), metrics.BytesOf(1), metrics.BytesOf(math.MaxInt64)
				}
				before, had, tells := w.Level(), len(events), grown
				require.Zero(t, w.Sweep())
				share, known := memory.Pressure()
				switch {
				case w.Level() != before:
					require.Len(t, events, had+1)
					e := events[had]
					require.Equal(t, []metrics.Level{before, w.Level()}, []metrics.Level{e.From, e.To})
					require.Equal(t, memory, e.Memory)
					require.Equal(t, share, e.Share) //nolint:testifylint // the very same
					require.True(t, known)
				default:
					require.Len(t, events, had)
				}
				require.LessOrEqual(t, grown-tells, 1)
				require.Equal(t, grown > tells, w.Growth().Suspected != suspected)
				suspected = w.Growth().Suspected
				require.Equal(t, uint64(len(events)), w.State().Changes)
				require.False(t, math.IsNaN(w.State().Share))
				require.NotEmpty(t, w.Growth().String())
			}
		})
	})
}

func TestWatchReadsThisProcessByDefault(t *testing.T) {
	w, err := metrics.NewWatch(metrics.WatchConfig{Limit: 1 << 50})
	require.NoError(t, err)
	w.Sweep()
	require.False(t, w.State().Memory.GoTotal.IsUnknown())
}
