package sweep_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ministryfinder/bounded/sweep"
	"github.com/stretchr/testify/require"
)

// A bubble fails if a goroutine is left when its test ends, so every test here
// shows as well that Run leaves none.

func TestRunTwiceAtOnceIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		job := every(t, j, time.Minute, "cache", func() int { return 0 })
		require.ErrorIs(t, j.Run(t.Context()), sweep.ErrRunning)
		require.NoError(t, job.Trigger(t.Context()), "the first Run is unharmed")
		require.NoError(t, stop())
	})
}

func TestRunAgainStartsTheIntervalsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		var at []time.Time
		job := every(t, j, time.Minute, "cache", func() int { at = append(at, time.Now()); return 0 })
		time.Sleep(90 * time.Second)
		require.NoError(t, stop())
		time.Sleep(time.Hour)
		again := time.Now()
		stop = run(t, j)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		require.Len(t, at, 2)
		require.Equal(t, again.Add(time.Minute), at[1])
		require.Zero(t, job.Stats().Missed, "nothing is missed between two Runs")
		require.NoError(t, stop())
	})
}

func TestRunUnderAnEndedContextRunsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := sweep.New(sweep.Config{})
		require.NoError(t, err)
		every(t, j, 1, "cache", func() int { t.Error("it ran"); return 0 })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, j.Run(ctx))
	})
}

func TestShutdownWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{DrainTimeout: time.Minute})
		var slowEnded, pingEnded bool
		slow := every(t, j, time.Hour, "slow", func() int {
			time.Sleep(30 * time.Second)
			slowEnded = true
			return 0
		})
		behind := every(t, j, time.Hour, "behind", func() int { t.Error("it began after the end of ctx"); return 0 })
		ping := fn(t, j, time.Hour, "ping", func(ctx context.Context) error {
			<-ctx.Done()
			pingEnded = true
			return ctx.Err()
		})
		require.NoError(t, slow.Request())
		require.NoError(t, ping.Request())
		synctest.Wait()
		require.NoError(t, behind.Request())
		synctest.Wait()
		begin := time.Now()
		require.NoError(t, stop())
		require.Equal(t, 30*time.Second, time.Since(begin))
		require.True(t, slowEnded)
		require.True(t, pingEnded)
		require.Zero(t, behind.Stats().Runs)
	})
}

func TestFuncContextEndsWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		var kept context.Context
		job := fn(t, j, time.Minute, "ping", func(ctx context.Context) error { kept = ctx; return ctx.Err() })
		require.NoError(t, job.Trigger(t.Context()))
		synctest.Wait()
		require.ErrorIs(t, kept.Err(), context.Canceled)
		require.NoError(t, stop())
	})
}

// hang blocks until the test releases it. Its name is looked for in stacks.
func hang(release <-chan struct{}) int {
	<-release
	return 1
}

func TestHungSweeperIsReportedByNameTimeAndStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged lines
		j, stop := start(t, sweep.Config{SlowAfter: 2 * time.Second, Logger: logged.logger()})
		release := make(chan struct{})
		hung := every(t, j, time.Hour, "hung", func() int { return hang(release) })
		require.NoError(t, hung.Request())
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.Len(t, logged.all(), 4, "after 2, 4, 8 and 16 s")
		for i, running := range []string{"2s", "4s", "8s", "16s"} {
			line := logged.all()[i]
			require.True(t, strings.HasPrefix(line, `level=WARN msg="sweep: sweeper is slow, and others wait for it" job=hung running=`+running+" "), line)
			require.Contains(t, line, "sweep_test.hang+", "the stack")
			require.Contains(t, line, "run_test.go:")
		}
		close(release)
		synctest.Wait()
		require.Equal(t, `level=WARN msg="sweep: slow sweeper has ended" job=hung took=20s`, logged.all()[4])
		require.EqualValues(t, 1, hung.Stats().Slow)

		// As slow again: counted, but nothing new to say. Quick once: it is news again.
		release = make(chan struct{})
		require.NoError(t, hung.Request())
		time.Sleep(20 * time.Second)
		close(release)
		require.NoError(t, hung.Trigger(t.Context()))
		require.EqualValues(t, 2, hung.Stats().Slow)
		require.Len(t, logged.all(), 5)
		release = make(chan struct{})
		require.NoError(t, hung.Request())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, logged.all(), 6)
		close(release)
		require.NoError(t, stop())
	})
}

func TestHungSweeperIsReportedInTimeAfterASlowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged lines
		j, stop := start(t, sweep.Config{Logger: logged.logger()})
		release := make(chan struct{})
		every(t, j, time.Hour, "next", func() int { return 0 }) // is due before the others
		slow := every(t, j, 100*time.Hour, "slow", func() int { time.Sleep(10 * time.Second); return 0 })
		hung := every(t, j, 100*time.Hour, "hung", func() int { return hang(release) })
		require.NoError(t, slow.Request())
		synctest.Wait()
		require.NoError(t, hung.Request())
		time.Sleep(11 * time.Second)
		synctest.Wait()
		all := logged.all()
		require.Len(t, all, 6, "slow after 1, 2, 4 and 8 s, and when it has ended; hung after 1 s")
		require.Contains(t, all[5], "job=hung running=1s ")
		close(release)
		require.NoError(t, stop())
	})
}

func TestHungSweeperStopsOtherSweepersAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{DrainTimeout: 3 * time.Second})
		release := make(chan struct{})
		hung := every(t, j, time.Hour, "hung", func() int { return hang(release) })
		after := every(t, j, time.Second, "after", func() int { return 0 })
		ping := fn(t, j, time.Second, "ping", func(context.Context) error { return nil })
		waiting := make(chan error, 2)
		go func() { waiting <- hung.Trigger(context.Background()) }() // for this run
		synctest.Wait()
		time.Sleep(10 * time.Second)
		synctest.Wait()

		require.EqualValues(t, 10, ping.Stats().Runs)
		require.NoError(t, ping.Trigger(t.Context()))
		require.Zero(t, after.Stats().Runs)
		require.Equal(t, 10*time.Second, time.Since(j.Jobs()[0].RunningSince))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := hung.Trigger(ctx)
		require.EqualError(t, err, `sweep: waiting for job "hung": context deadline exceeded`)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		after.Stop()
		every(t, j, time.Second, "after", func() int { return 7 })
		require.Equal(t, 7, j.SweepAll(), "SweepAll passes by what hangs")

		go func() { waiting <- hung.Trigger(context.Background()) }() // for the next
		synctest.Wait()
		begin := time.Now()
		err = stop()
		require.Equal(t, 3*time.Second, time.Since(begin))
		require.EqualError(t, err, `sweep: jobs did not end: "hung" (running for 14s)`)
		var stuck *sweep.StuckError
		require.ErrorAs(t, err, &stuck)
		require.Equal(t, "hung", stuck.Jobs[0].Name)
		require.Equal(t, 14*time.Second, stuck.Jobs[0].Running)
		require.True(t, strings.Contains(stuck.Jobs[0].Stack, "sweep_test.hang+"), stuck.Jobs[0].Stack)
		require.ErrorIs(t, <-waiting, sweep.ErrNotRunning, "nobody is left waiting")
		require.ErrorIs(t, <-waiting, sweep.ErrNotRunning)

		close(release) // it ends after all, and runs nothing else
		synctest.Wait()
		require.EqualValues(t, 1, hung.Stats().Runs)
	})
}

func TestStuckJobsAreAllNamedTheLongestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{DrainTimeout: time.Second})
		release := make(chan struct{})
		for _, name := range []string{"a", "b", "c"} {
			job := fn(t, j, time.Hour, name, func(context.Context) error { hang(release); return nil })
			require.NoError(t, job.Request())
			synctest.Wait()
			job.Stop() // a stopped job is no less stuck
			time.Sleep(time.Second)
		}
		require.EqualError(t, stop(), `sweep: jobs did not end: "a" (running for 4s), "b" (running for 3s), "c" (running for 2s)`)
		close(release)
	})
}

func TestJobThatEndsAtTheTimeoutIsNotNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 20 { // either may come first
			j, stop := start(t, sweep.Config{DrainTimeout: time.Second})
			job := every(t, j, time.Hour, "just", func() int { time.Sleep(time.Second); return 0 })
			require.NoError(t, job.Request())
			synctest.Wait()
			if err := stop(); err != nil {
				require.EqualError(t, err, `sweep: jobs did not end: "just" (running for 1s)`)
			}
			synctest.Wait()
		}
	})
}

func TestStackIsThatOfTheJobAndNotOfWhatItStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{DrainTimeout: time.Second})
		release := make(chan struct{})
		job := fn(t, j, time.Hour, "parent", func(context.Context) error {
			for range 10 {
				go func() { <-release }()
			}
			hang(release)
			return nil
		})
		require.NoError(t, job.Request())
		synctest.Wait()
		var stuck *sweep.StuckError
		require.ErrorAs(t, stop(), &stuck)
		require.Contains(t, stuck.Jobs[0].Stack, "sweep_test.hang+")
		close(release)
	})
}

func TestFuncCancelledByRunHasNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := sweep.New(sweep.Config{Logger: discard})
		require.NoError(t, err)
		job := fn(t, j, time.Second, "ping", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		bad := fn(t, j, time.Second, "bad", func(ctx context.Context) error { <-ctx.Done(); return errors.New("dirty") })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.NoError(t, j.Run(ctx))
		require.EqualValues(t, 1, job.Stats().Runs)
		require.Zero(t, job.Stats().Errors)
		require.EqualValues(t, 1, bad.Stats().Errors)
	})
}

func TestFuncThatTellsTheCauseOfTheEndHasNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := sweep.New(sweep.Config{Logger: discard})
		require.NoError(t, err)
		job := fn(t, j, time.Second, "ping", func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) })
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, errors.New("the lease is over"))
		defer cancel()
		require.NoError(t, j.Run(ctx))
		require.EqualValues(t, 1, job.Stats().Runs)
		require.Zero(t, job.Stats().Errors)
	})
}

func TestJobLeftBehindDoesNotOverlapItselfInTheNextRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{DrainTimeout: time.Second})
		release := make(chan struct{})
		var runs atomic.Int64
		hung := every(t, j, time.Minute, "hung", func() int { runs.Add(1); return hang(release) })
		other := every(t, j, time.Minute, "other", func() int { return 0 })
		require.NoError(t, hung.Request())
		synctest.Wait()
		require.Error(t, stop())

		stop = run(t, j)
		require.NoError(t, other.Trigger(t.Context()), "there is a new worker")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.EqualValues(t, 1, runs.Load())
		close(release)
		synctest.Wait()
		require.NoError(t, hung.Trigger(t.Context()), "it has ended, and is a job like any other")
		require.EqualValues(t, 2, runs.Load())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.EqualValues(t, 3, runs.Load())
		require.NoError(t, stop())
	})
}

// blocking is a slog.Handler that blocks, or panics.
type blocking struct {
	slog.Handler
	handle func()
}

func (h blocking) Handle(context.Context, slog.Record) error { h.handle(); return nil }

func TestLoggerThatBlocksOrPanicsHarmsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		handle := func() { <-release }
		logger := slog.New(blocking{slog.NewTextHandler(nil, nil), func() { handle() }})
		j, stop := start(t, sweep.Config{Logger: logger, DrainTimeout: time.Second})
		fails := fn(t, j, time.Minute, "fails", func(context.Context) error { return errors.New("no") })
		require.NoError(t, fails.Request())
		synctest.Wait()
		err := stop()
		require.EqualError(t, err, `sweep: jobs did not end: "fails" (running for 1s)`)
		var stuck *sweep.StuckError
		require.ErrorAs(t, err, &stuck)
		require.Contains(t, stuck.Jobs[0].Stack, "sweep_test.blocking.Handle")
		close(release)
		synctest.Wait()

		handle = func() { panic("no space left") }
		stop = run(t, j)
		panics := fn(t, j, time.Minute, "panics", func(context.Context) error { panic("boom") })
		var e *sweep.PanicError
		require.ErrorAs(t, panics.Trigger(t.Context()), &e)
		require.Equal(t, "boom", e.Value)
		require.NoError(t, stop())
	})
}
