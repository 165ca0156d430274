package sweep

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNextDue(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name                 string
		due, after, interval time.Duration
		next                 time.Duration
		missed               uint64
	}{
		{"run-took-no-time", 10 * s, 10 * s, 10 * s, 20 * s, 0},
		{"late-start-does-not-drift", 10 * s, 13 * s, 10 * s, 20 * s, 0},
		{"triggered-before-its-time", 20 * s, 13 * s, 10 * s, 20 * s, 0},
		{"ended-when-due-again", 10 * s, 20 * s, 10 * s, 30 * s, 1},
		{"long-suspend", 10 * s, 10*s + 24*time.Hour, 10 * s, 20*s + 24*time.Hour, 8640},
		{"suspend-off-the-grid", 10 * s, 1234567 * s, 10 * s, 1234570 * s, 123455},
		{"shortest-interval", 10, 1000, 1, 1001, 990},
		{"end-of-time", 10, 20, math.MaxInt64, math.MaxInt64, 0},
		{"after-the-end-of-time", 10, math.MaxInt64, 100, math.MaxInt64, 92233720368547757},
	} {
		t.Run(test.name, func(t *testing.T) {
			next, missed := nextDue(test.due, test.after, test.interval)
			require.Equal(t, test.next, next)
			require.Equal(t, test.missed, missed)
		})
	}
}

func FuzzNextDue(f *testing.F) {
	f.Add(int64(10), int64(25), int64(10))
	f.Fuzz(func(t *testing.T, due, after, interval int64) {
		due, after, interval = due&math.MaxInt64, after&math.MaxInt64, max(1, interval&math.MaxInt64)
		next, missed := nextDue(time.Duration(due), time.Duration(after), time.Duration(interval))
		if next == math.MaxInt64 {
			return // the end of time is on no grid
		}
		require.Greater(t, int64(next), after, "a job is never due in the past")
		if due > after {
			require.Equal(t, due, int64(next))
			return
		}
		require.Zero(t, (int64(next)-due)%interval, "on the grid")
		require.LessOrEqual(t, int64(next)-interval, after, "the first point after")
		require.Equal(t, uint64(int64(next)-due)/uint64(interval)-1, missed)
	})
}

func TestFirstDelaySpreadsEqualIntervals(t *testing.T) {
	require.Equal(t, time.Minute, firstDelay(time.Minute, 0), "the first job waits a whole interval")
	require.Equal(t, 22917*time.Millisecond, firstDelay(time.Minute, 1).Truncate(time.Millisecond), "the second 0.38 of it")
	require.Equal(t, time.Duration(1), firstDelay(1, 7), "never zero")

	for _, jobs := range []int{2, 3, 10, 100, 1000, 12345} {
		const interval = time.Hour
		var at []time.Duration
		for seq := range jobs {
			at = append(at, firstDelay(interval, uint64(seq)))
		}
		slices.Sort(at)
		even := interval / time.Duration(jobs)
		widest, narrowest := interval-at[jobs-1]+at[0], interval-at[jobs-1]+at[0]
		for i := 1; i < jobs; i++ {
			widest, narrowest = max(widest, at[i]-at[i-1]), min(narrowest, at[i]-at[i-1])
		}
		require.Positive(t, at[0], "%d jobs", jobs)
		require.LessOrEqual(t, at[jobs-1], interval, "%d jobs", jobs)
		require.Less(t, widest, even*21/10, "%d jobs: the widest gap", jobs)
		require.Greater(t, narrowest, even*4/10, "%d jobs: the narrowest gap", jobs)
	}
}

func TestPause(t *testing.T) {
	for _, test := range []struct {
		name     string
		interval time.Duration
		panics   int
		want     time.Duration // interval and pause together
	}{
		{"no-panic", time.Second, 0, time.Second},
		{"one", time.Second, 1, 2 * time.Second},
		{"two", time.Second, 2, 4 * time.Second},
		{"six", time.Second, 6, 64 * time.Second},
		{"ceiling-of-64-intervals", time.Second, 7, 64 * time.Second},
		{"very-many", time.Second, math.MaxInt, 64 * time.Second},
		{"ceiling-of-an-hour", 20 * time.Minute, 2, time.Hour},
		{"just-below-the-hour", 20 * time.Minute, 1, 40 * time.Minute},
		{"longer-than-the-hour", 3 * time.Hour, 5, 3 * time.Hour},
		{"longest", math.MaxInt64, 6, math.MaxInt64},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, test.interval+pause(test.interval, test.panics))
		})
	}
}
