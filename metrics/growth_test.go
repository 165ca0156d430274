package metrics_test

import (
	"math"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/stretchr/testify/require"
)

// A leakyWatch sees a memory of 1 GB that is swept every 10 s.
type leakyWatch struct {
	*metrics.Watch
	limit  int64
	growth []metrics.Growth
}

func newLeakyWatch(t *testing.T, c metrics.WatchConfig, used func(since time.Duration) int64) *leakyWatch {
	t.Helper()
	l := &leakyWatch{limit: 1e9}
	start := time.Now()
	c.Read = func() metrics.Memory {
		return metrics.Memory{CgroupUsage: metrics.BytesOf(used(time.Since(start))), CgroupLimit: metrics.BytesOf(l.limit)}
	}
	c.OnGrowth = func(g metrics.Growth) { l.growth = append(l.growth, g) }
	if c.OnChange == nil {
		c.OnChange = func(metrics.Event) {}
	}
	w, err := metrics.NewWatch(c)
	require.NoError(t, err)
	l.Watch = w
	return l
}

func (l *leakyWatch) watchFor(d time.Duration) {
	for range d / (10 * time.Second) {
		time.Sleep(10 * time.Second)
		l.Sweep()
	}
}

func sawTooth(since time.Duration) int64 { return int64(since/time.Second%50) * 4e6 }

func TestWatchFindsALeakAndSaysHowLongItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perHour = 50e6
		mended := false
		l := newLeakyWatch(t, metrics.WatchConfig{}, func(since time.Duration) int64 {
			if mended {
				return 3e8 + sawTooth(since)
			}
			return 1e8 + sawTooth(since) + int64(perHour*since.Hours())
		})
		require.Equal(t, "memory growth not known yet", l.Growth().String())
		l.watchFor(20 * time.Minute)
		require.Positive(t, l.Growth().Marks)
		require.Empty(t, l.growth, "what a start fills is no leak")
		l.watchFor(50 * time.Minute)
		require.Len(t, l.growth, 1, "told once")
		g := l.growth[0]
		require.True(t, g.Suspected)
		require.Equal(t, 32, g.Marks)
		require.Greater(t, g.Confidence, 0.999)
		require.InEpsilon(t, perHour, g.BytesPerHour, 0.02)
		require.InEpsilon(t, perHour/1e9, g.SharePerHour, 0.02)
		require.InDelta(t, 17, g.LimitAt.Sub(g.At).Hours(), 0.5, "(1 GB - 0.15 GB) / (50 MB/h)")
		require.False(t, g.LimitSoonest.After(g.LimitAt))
		require.False(t, g.LimitLatest.Before(g.LimitAt))
		require.Regexp(t, `^memory grows by (49|50|51) MB \(5% of the limit\) an hour over the last .*; the limit is reached in 1[67]h\d+m0s \(.* to .*\)$`, g.String())

		mended = true
		l.watchFor(2 * time.Hour)
		require.Len(t, l.growth, 2)
		require.False(t, l.growth[1].Suspected)
		require.False(t, l.Growth().Suspected)
	})
}

// What falls down again after each collection does not leak, however high it rises,
// and neither does the page cache.
func TestWatchSuspectsNoSawToothAndNoPageCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		told := 0
		w, err := metrics.NewWatch(metrics.WatchConfig{
			Read: func() metrics.Memory {
				since := time.Since(start)
				cache := int64(100e6 * since.Hours())
				return metrics.Memory{
					CgroupUsage: metrics.BytesOf(1e8 + sawTooth(since) + cache), CgroupCache: metrics.BytesOf(cache),
					CgroupLimit: metrics.BytesOf(1e9),
				}
			},
			OnGrowth: func(metrics.Growth) { told++ },
			OnChange: func(metrics.Event) { told++ },
		})
		require.NoError(t, err)
		for range 3 * 360 {
			time.Sleep(10 * time.Second)
			w.Sweep()
		}
		require.Zero(t, told)
		require.Less(t, w.Growth().Confidence, 0.999)
	})
}

func TestSlowGrowthIsNoLeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeakyWatch(t, metrics.WatchConfig{}, func(since time.Duration) int64 { return int64(1e6 * since.Hours()) })
		l.watchFor(2 * time.Hour)
		require.Empty(t, l.growth)
		require.Greater(t, l.Growth().Confidence, 0.999, "it grows")
		require.Greater(t, time.Until(l.Growth().LimitAt), 24*time.Hour, "and is in no hurry")
	})
}

// The memory is on a line that reaches the limit after 18 hours.
func TestGrowthIsCountedFromTheLastMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		l := newLeakyWatch(t, metrics.WatchConfig{}, func(since time.Duration) int64 { return 1e8 + int64(50e6*since.Hours()) })
		for range 20 {
			l.watchFor(11 * time.Minute)
			g := l.Growth()
			if g.Marks == 0 {
				continue
			}
			require.WithinDuration(t, start.Add(18*time.Hour), g.LimitAt, time.Second)
			require.Positive(t, time.Since(g.At))
			require.Less(t, time.Since(g.At), 2*time.Hour/32+10*time.Second, "the first reading of a block is its lowest")
		}
		require.Equal(t, 32, l.Growth().Marks)
	})
}

func TestGrowthHorizonMayBeVeryLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeakyWatch(t, metrics.WatchConfig{GrowthHorizon: math.MaxInt64}, func(since time.Duration) int64 {
			return 1e8 + int64(1e6*since.Hours())
		})
		l.watchFor(5 * time.Hour)
		require.Len(t, l.growth, 1, "it is suspected, and stays so")
		require.True(t, l.Growth().Suspected)
	})
}

// A limit that is halved doubles the share, which is no growth.
func TestAChangedLimitBeginsANewSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeakyWatch(t, metrics.WatchConfig{}, func(since time.Duration) int64 { return 1e8 + int64(since%7) })
		l.watchFor(40 * time.Minute)
		l.limit /= 2
		l.watchFor(30 * time.Minute)
		require.Empty(t, l.growth)
		require.Less(t, l.Growth().Confidence, 0.999)
		require.Less(t, l.Growth().Window, 30*time.Minute)
	})
}

func TestWatchWritesAHeapProfileWhenMemoryGetsShortOrLeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		profiles, err := metrics.NewProfiles(metrics.ProfilesConfig{Dir: t.TempDir(), Keep: 2})
		require.NoError(t, err)
		var events []metrics.Event
		l := newLeakyWatch(t, metrics.WatchConfig{
			Profiles: profiles,
			OnChange: func(e metrics.Event) { events = append(events, e) },
		}, func(since time.Duration) int64 { return 1e8 + int64(2e8*since.Hours()) })
		l.watchFor(70 * time.Minute)
		list, err := profiles.List()
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, "growth", list[0].Reason)

		l.watchFor(4 * time.Hour)
		require.Len(t, events, 2)
		list, err = profiles.List()
		require.NoError(t, err)
		require.Len(t, list, 2, "the oldest has gone")
		require.Equal(t, "critical", list[0].Reason)
		require.Equal(t, "high", list[1].Reason)
		require.Equal(t, events[1].Profile, list[0].Name)
		require.Equal(t, events[0].Profile, list[1].Name)
		require.Zero(t, l.State().ProfileErrors)
	})
}

func TestWatchCountsProfilesThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	profiles, err := metrics.NewProfiles(metrics.ProfilesConfig{Dir: dir, MaxBytes: 1})
	require.NoError(t, err)
	g := newWatch(t, metrics.WatchConfig{Profiles: profiles})
	g.see(85)
	require.Len(t, g.events, 1, "the event is told all the same")
	require.Empty(t, g.events[0].Profile)
	require.Equal(t, uint64(1), g.State().ProfileErrors)
	require.ErrorIs(t, g.State().ProfileError, metrics.ErrProfileTooLarge)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}
