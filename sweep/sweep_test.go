package sweep_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/ministryfinder/bounded/sweep"
	"github.com/stretchr/testify/require"
)

// A sweeper is a function as a Sweeper.
type sweeper func() int

func (f sweeper) Sweep() int { return f() }

// start runs a janitor with the configuration in a bubble, until stop is
// called, which returns what Run returned.
func start(t *testing.T, c sweep.Config) (j *sweep.Janitor, stop func() error) {
	if c.Logger == nil {
		c.Logger = discard
	}
	j, err := sweep.New(c)
	require.NoError(t, err)
	return j, run(t, j)
}

// run runs the janitor until stop is called, which returns what Run returned.
func run(t *testing.T, j *sweep.Janitor) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- j.Run(ctx) }()
	synctest.Wait()
	return func() error {
		cancel()
		return <-ended
	}
}

// every adds a sweeper that must be welcome.
func every(t *testing.T, j *sweep.Janitor, interval time.Duration, name string, f func() int) *sweep.Job {
	job, err := j.Every(interval, name, sweeper(f))
	require.NoError(t, err)
	return job
}

// fn adds a Func that must be welcome.
func fn(t *testing.T, j *sweep.Janitor, interval time.Duration, name string, f func(context.Context) error) *sweep.Job {
	job, err := j.Func(interval, name, f)
	require.NoError(t, err)
	return job
}

func TestIntervalsAreKeptWithoutDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		begin := time.Now()
		var at []time.Duration
		every(t, j, time.Minute, "cache", func() int {
			at = append(at, time.Since(begin))
			time.Sleep(7 * time.Second) // would add up, if intervals were counted from the end
			return 3
		})
		time.Sleep(5*time.Minute + 30*time.Second)
		synctest.Wait()
		require.Equal(t, []time.Duration{1 * time.Minute, 2 * time.Minute, 3 * time.Minute, 4 * time.Minute, 5 * time.Minute}, at)
		require.NoError(t, stop())
	})
}

func TestConfigIsValidated(t *testing.T) {
	for want, c := range map[string]sweep.Config{
		"sweep: Config.DrainTimeout is -1s, want zero or more": {DrainTimeout: -time.Second},
		"sweep: Config.SlowAfter is -2s, want zero or more":    {SlowAfter: -2 * time.Second},
		"sweep: Config.Panics is 2, want Isolate or Crash":     {Panics: 2},
	} {
		j, err := sweep.New(c)
		require.EqualError(t, err, want)
		require.Nil(t, j)
	}
	require.NoError(t, sweep.Config{}.Validate())
}

func TestJobsAreValidated(t *testing.T) {
	j, err := sweep.New(sweep.Config{})
	require.NoError(t, err)
	sweepNone := sweeper(func() int { return 0 })
	doNone := func(context.Context) error { return nil }
	_, err = j.Every(time.Second, "cache", sweepNone)
	require.NoError(t, err)

	_, err = j.Every(0, "other", sweepNone)
	require.EqualError(t, err, `sweep: the interval of job "other" is 0s, want more than zero`)
	_, err = j.Func(-time.Second, "other", doNone)
	require.EqualError(t, err, `sweep: the interval of job "other" is -1s, want more than zero`)
	_, err = j.Every(time.Second, "", sweepNone)
	require.EqualError(t, err, "sweep: the name of a job with interval 1s is empty")
	_, err = j.Func(time.Second, "cache", doNone)
	require.EqualError(t, err, `sweep: there is a job named "cache" already`)
	_, err = j.Every(time.Second, "other", nil)
	require.EqualError(t, err, `sweep: the sweeper of job "other" is nil`)
	_, err = j.Func(time.Second, "other", nil)
	require.EqualError(t, err, `sweep: the function of job "other" is nil`)
	require.Len(t, j.Jobs(), 1, "a refused job leaves nothing")
}

func TestFirstRunIsWithinOneIntervalAndSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := sweep.New(sweep.Config{})
		require.NoError(t, err)
		first := map[string]time.Duration{}
		var begin time.Time
		for _, name := range []string{"a", "b", "c", "d"} {
			every(t, j, 100*time.Second, name, func() int {
				if first[name] == 0 {
					first[name] = time.Since(begin).Round(time.Second)
				}
				return 0
			})
		}
		time.Sleep(time.Hour) // New and Every start nothing, not even the intervals
		begin = time.Now()
		stop := run(t, j)
		time.Sleep(100 * time.Second)
		synctest.Wait()
		require.Equal(t, map[string]time.Duration{"a": 100 * time.Second, "b": 38 * time.Second,
			"c": 76 * time.Second, "d": 15 * time.Second}, first)
		require.NoError(t, stop())
	})
}

// A hung worker, or a Func that does not end, is to the other intervals what a
// suspend is: time passes and nothing runs.
func TestOneCatchUpRunAfterALongGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{SlowAfter: 100 * time.Hour})
		var at []time.Duration
		begin := time.Now()
		every(t, j, time.Minute, "minutely", func() int {
			at = append(at, time.Since(begin))
			return 0
		})
		gap := every(t, j, 1000*time.Hour, "gap", func() int {
			time.Sleep(10*time.Hour + 30*time.Second)
			return 0
		})
		time.Sleep(time.Minute + time.Second)
		require.NoError(t, gap.Trigger(t.Context()))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []time.Duration{
			time.Minute,
			10*time.Hour + time.Minute + 31*time.Second, // once for 600 intervals, at once
			10*time.Hour + 2*time.Minute,                // and back on the grid
		}, at)
		st := j.Jobs()[0]
		require.EqualValues(t, 599, st.Missed)
		require.Equal(t, 9*time.Hour+59*time.Minute+31*time.Second, st.MaxLag)
		require.Zero(t, st.Lag)
		require.NoError(t, stop())
	})
}

func TestFuncNeverOverlapsItselfNorDelaysSweepers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		var swept []time.Duration
		begin := time.Now()
		every(t, j, time.Second, "cache", func() int {
			swept = append(swept, time.Since(begin))
			return 0
		})
		running, most := 0, 0
		ping := fn(t, j, time.Second, "ping", func(context.Context) error {
			running++
			most = max(most, running)
			time.Sleep(3500 * time.Millisecond)
			running--
			return nil
		})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, swept, 10)
		for i, at := range swept {
			require.Equal(t, time.Duration(i+1)*time.Second, at, "no sweep is late")
		}
		require.Equal(t, 1, most)
		// 0.38, 4.38, 8.38: the first point of the grid after each end.
		require.EqualValues(t, 2, ping.Stats().Runs)
		require.EqualValues(t, 6, ping.Stats().Missed)
		require.False(t, ping.Stats().RunningSince.IsZero())
		require.NoError(t, stop())
	})
}

func TestSweepersRunOneAtATimeTheLongestDueFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		running := 0
		var order []string
		for _, name := range []string{"a", "b", "c", "d"} {
			every(t, j, 10*time.Second, name, func() int {
				running++
				require.Equal(t, 1, running)
				time.Sleep(9 * time.Second) // so the others become due meanwhile
				running--
				order = append(order, name)
				return 0
			})
		}
		time.Sleep(70 * time.Second)
		require.NoError(t, stop())
		// First due after 10, 3.8, 7.6 and 1.5 s. None starves, however busy the worker.
		require.Equal(t, []string{"d", "b", "c", "a", "d", "b", "c", "a"}, order)
	})
}

func TestSlowSweeperDelaysOthersByItsOwnLengthOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		quick := every(t, j, 10*time.Second, "quick", func() int { return 0 })
		slow := every(t, j, time.Hour, "slow", func() int { time.Sleep(700 * time.Millisecond); return 0 })
		time.Sleep(10*time.Second - time.Millisecond)
		require.NoError(t, slow.Trigger(t.Context()))
		synctest.Wait()
		require.Equal(t, 699*time.Millisecond, quick.Stats().Lag)
		require.Equal(t, 699*time.Millisecond, quick.Stats().MaxLag)
		require.NoError(t, stop())
	})
}

func TestSweepAll(t *testing.T) {
	t.Run("needs-no-run", func(t *testing.T) {
		j, err := sweep.New(sweep.Config{})
		require.NoError(t, err)
		require.Zero(t, j.SweepAll())
		var order []string
		job := every(t, j, time.Hour, "a", func() int { order = append(order, "a"); return 3 })
		every(t, j, time.Hour, "b", func() int { order = append(order, "b"); return 4 })
		fn(t, j, time.Hour, "ping", func(context.Context) error { t.Error("a Func is not swept"); return nil })
		require.Equal(t, 7, j.SweepAll())
		require.Equal(t, 7, j.SweepAll())
		require.Equal(t, []string{"a", "b", "a", "b"}, order)
		require.EqualValues(t, 2, job.Stats().Runs)
		require.EqualValues(t, 6, job.Stats().Removed)
		job.Stop()
		require.Equal(t, 4, j.SweepAll())
	})
	t.Run("beside-run-keeps-the-intervals", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j, stop := start(t, sweep.Config{})
			begin := time.Now()
			var at []time.Duration
			every(t, j, time.Minute, "a", func() int { at = append(at, time.Since(begin)); return 1 })
			time.Sleep(50 * time.Second)
			require.Equal(t, 1, j.SweepAll())
			time.Sleep(80 * time.Second)
			synctest.Wait()
			require.Equal(t, []time.Duration{50 * time.Second, time.Minute, 2 * time.Minute}, at)
			require.NoError(t, stop())
		})
	})
	t.Run("passes-by-what-was-stopped-meanwhile", func(t *testing.T) {
		j, err := sweep.New(sweep.Config{})
		require.NoError(t, err)
		var last *sweep.Job
		every(t, j, time.Hour, "first", func() int { last.Stop(); return 1 })
		last = every(t, j, time.Hour, "last", func() int { t.Error("no run begins after Stop has returned"); return 1 })
		require.Equal(t, 1, j.SweepAll())
	})
	t.Run("skips-what-is-running-and-may-be-called-inside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j, stop := start(t, sweep.Config{})
			inner := -1
			watch := every(t, j, time.Hour, "watch", func() int { inner = j.SweepAll(); return 0 })
			every(t, j, time.Hour, "cache", func() int { return 5 })
			require.NoError(t, watch.Trigger(t.Context()))
			require.Equal(t, 5, inner)
			require.NoError(t, stop())
		})
	})
}

func TestJobsTellsAllThatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := sweep.New(sweep.Config{Logger: discard})
		require.NoError(t, err)
		begin := time.Now()
		every(t, j, time.Minute, "cache", func() int { time.Sleep(time.Second / 2); return 1000 })
		fails := true
		ping := fn(t, j, time.Hour, "ping", func(ctx context.Context) error {
			if fails {
				return errors.New("no route: " + strings.Repeat("ä", 1000))
			}
			<-ctx.Done()
			return ctx.Err()
		})
		require.Equal(t, sweep.JobStats{Name: "cache", Interval: time.Minute}, j.Jobs()[0], "nothing is due before Run")

		stop := run(t, j)
		require.Error(t, ping.Trigger(t.Context()))
		time.Sleep(3*time.Minute + time.Second)
		fails = false
		require.NoError(t, ping.Request())
		time.Sleep(time.Second)

		cache, pings := j.Jobs()[0], j.Jobs()[1]
		require.Equal(t, sweep.JobStats{Name: "cache", Kind: sweep.KindSweeper, Interval: time.Minute, Runs: 3,
			Removed: 3000, LastDuration: time.Second / 2, TotalDuration: 3 * time.Second / 2,
			Next: begin.Add(4 * time.Minute)}, cache)
		require.Equal(t, "cache: sweeper every 1m0s, 3 runs removed 3,000, last took 500ms with lag 0s", cache.String())

		require.Equal(t, sweep.KindFunc, pings.Kind)
		require.EqualValues(t, 1, pings.Errors)
		require.Zero(t, pings.Next, "it runs")
		require.Equal(t, begin.Add(3*time.Minute+time.Second), pings.RunningSince)
		require.LessOrEqual(t, len(pings.LastError), 256)
		require.True(t, utf8.ValidString(pings.LastError))
		require.True(t, strings.HasPrefix(pings.LastError, "no route: ää"))
		require.True(t, strings.HasPrefix(pings.String(), "ping: func every 1h0m0s, 1 run, last took 0s with lag 0s, 1 error, running, last error: no route"))

		require.NoError(t, stop())
		require.EqualValues(t, 2, ping.Stats().Runs)
		require.EqualValues(t, 1, ping.Stats().Errors, "to be cancelled is not an error")
		require.Zero(t, j.Jobs()[0].Next, "nothing is due after Run")
	})
}

func TestSlowIsFromSlowAfterOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{SlowAfter: time.Second})
		takes := time.Second - 1
		job := every(t, j, time.Hour, "cache", func() int { time.Sleep(takes); return 0 })
		require.NoError(t, job.Trigger(t.Context()))
		require.Zero(t, job.Stats().Slow)
		takes++
		require.NoError(t, job.Trigger(t.Context()))
		require.EqualValues(t, 1, job.Stats().Slow)
		require.NoError(t, stop())
	})
}

// A container that counts badly does not make what was removed fall, or enormous.
func TestNegativeCountsRemoveNothing(t *testing.T) {
	j, err := sweep.New(sweep.Config{})
	require.NoError(t, err)
	job := every(t, j, time.Hour, "bad", func() int { return -5 })
	every(t, j, time.Hour, "good", func() int { return 7 })
	require.Equal(t, 7, j.SweepAll())
	require.Zero(t, job.Stats().Removed)
}

func TestFailingFuncIsLoggedOnceUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged lines
		j, stop := start(t, sweep.Config{Logger: logged.logger()})
		var fail error
		job := fn(t, j, time.Minute, "ping", func(context.Context) error { return fail })
		for _, fail = range []error{io.EOF, io.ErrNoProgress, nil, io.ErrClosedPipe} {
			require.ErrorIs(t, job.Trigger(t.Context()), fail)
		}
		require.Equal(t, []string{
			`level=WARN msg="sweep: job failed" job=ping error=EOF`,
			`level=WARN msg="sweep: job failed" job=ping error="io: read/write on closed pipe"`,
		}, logged.all())
		require.EqualValues(t, 3, job.Stats().Errors)
		require.NoError(t, stop())
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := sweep.New(sweep.Config{})
		require.NoError(t, err)
		runs := 0
		var job *sweep.Job
		job = every(t, j, time.Minute, "once", func() int {
			runs++
			job.Stop() // inside the job
			job.Stop() // twice
			require.Empty(t, j.Jobs())
			return 0
		})
		stop := run(t, j)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(t, 1, runs)
		require.True(t, job.Stats().Stopped)
		require.EqualValues(t, 1, job.Stats().Runs)
		require.Equal(t, "once: sweeper every 1m0s, 1 run removed 0, last took 0s with lag 0s, stopped", job.Stats().String())

		again := every(t, j, time.Minute, "once", func() int { runs++; return 0 }) // the name is free
		again.Stop()                                                               // before it ever ran
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, runs)
		require.NoError(t, stop())
		again.Stop() // after Run
	})
}

func TestJobsAreAddedFromInsideJobsAndWhileRunRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		begin := time.Now()
		var at time.Duration
		every(t, j, time.Minute, "outer", func() int {
			if at == 0 {
				fn(t, j, 10*time.Second, "inner", func(context.Context) error { at = time.Since(begin); return nil })
			}
			return 0
		})
		time.Sleep(time.Minute + 5*time.Second)
		synctest.Wait()
		require.Equal(t, 63*time.Second, at.Truncate(time.Second), "0.38 of its interval after it was added")
		require.NoError(t, stop())
	})
}
