package sweep_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ministryfinder/bounded/sweep"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestTriggerRunsNowAndKeepsTheGrid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		begin := time.Now()
		var at []time.Duration
		job := every(t, j, time.Minute, "cache", func() int { at = append(at, time.Since(begin)); return 0 })
		time.Sleep(25 * time.Second)
		require.NoError(t, job.Trigger(t.Context()))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, []time.Duration{25 * time.Second, time.Minute, 2 * time.Minute}, at)
		require.Zero(t, job.Stats().Missed)
		require.NoError(t, stop())
	})
}

func TestTriggeredRunThatLastsBeyondTheDueTimeMissesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		job := every(t, j, time.Minute, "cache", func() int { time.Sleep(10 * time.Second); return 0 })
		time.Sleep(55 * time.Second)
		require.NoError(t, job.Trigger(t.Context())) // from 0:55 to 1:05
		require.EqualValues(t, 1, job.Stats().Missed)
		time.Sleep(70 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 2, job.Stats().Runs, "and the next is that of 2:00")
		require.EqualValues(t, 1, job.Stats().Missed)
		require.NoError(t, stop())
	})
}

func TestTriggerIsCoalesced(t *testing.T) {
	for name, slow := range map[string]time.Duration{"quick": 0, "slow": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, stop := start(t, sweep.Config{})
				var written, seen atomic.Int64
				runs := 0
				job := fn(t, j, time.Hour, "flush", func(context.Context) error {
					now := written.Load()
					time.Sleep(slow)
					seen.Store(now)
					runs++
					return nil
				})
				const callers = 1000
				var g errgroup.Group
				for range callers {
					g.Go(func() error {
						mine := written.Add(1)
						if err := job.Trigger(t.Context()); err != nil {
							return err
						}
						if seen.Load() < mine {
							return errors.New("the run began before the call")
						}
						return nil
					})
				}
				require.NoError(t, g.Wait())
				if slow > 0 {
					require.LessOrEqual(t, runs, 2)
				}
				require.NoError(t, stop())
			})
		})
	}
}

func TestTriggerDuringARunIsServedByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		var began []time.Duration
		begin := time.Now()
		job := every(t, j, time.Hour, "cache", func() int {
			began = append(began, time.Since(begin))
			time.Sleep(500 * time.Millisecond)
			return 0
		})
		var g errgroup.Group
		var ended [3]time.Duration
		for i := range ended {
			g.Go(func() error {
				err := job.Trigger(t.Context())
				ended[i] = time.Since(begin)
				return err
			})
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		require.NoError(t, g.Wait())
		require.Equal(t, []time.Duration{0, 500 * time.Millisecond}, began, "three callers, two runs")
		require.Equal(t, [3]time.Duration{500 * time.Millisecond, time.Second, time.Second}, ended)
		require.NoError(t, stop())
	})
}

func TestTriggerReturnsWhatTheRunReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		cause := errors.New("no route")
		job := fn(t, j, time.Hour, "ping", func(context.Context) error { return cause })
		require.Equal(t, cause, job.Trigger(t.Context()))
		panics := every(t, j, time.Hour, "panics", func() int { panic(cause) })
		err := panics.Trigger(t.Context())
		require.ErrorIs(t, err, cause)
		var e *sweep.PanicError
		require.ErrorAs(t, err, &e)
		require.Equal(t, "panics", e.Job)
		require.NoError(t, stop())
	})
}

func TestTriggerWhenThereWillBeNoRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := sweep.New(sweep.Config{Logger: discard})
		require.NoError(t, err)
		release := make(chan struct{})
		job := every(t, j, time.Hour, "cache", func() int { return hang(release) })
		require.ErrorIs(t, job.Trigger(t.Context()), sweep.ErrNotRunning, "before Run")

		stop := run(t, j)
		answers := make(chan error, 4)
		trigger := func(job *sweep.Job) {
			go func() { answers <- job.Trigger(t.Context()) }()
			synctest.Wait()
		}
		trigger(job) // this one runs
		behind := every(t, j, time.Hour, "behind", func() int { return 0 })
		trigger(behind) // this one waits for the worker
		behind.Stop()
		require.ErrorIs(t, <-answers, sweep.ErrStopped)
		require.ErrorIs(t, behind.Trigger(t.Context()), sweep.ErrStopped)

		trigger(job) // this one waits for the run in progress, and comes too late
		go stop()
		synctest.Wait()
		require.ErrorIs(t, <-answers, sweep.ErrNotRunning)
		require.ErrorIs(t, job.Request(), sweep.ErrNotRunning, "while shutting down")
		close(release)
		require.NoError(t, <-answers, "the run in progress went well")
		synctest.Wait()
		require.ErrorIs(t, job.Trigger(t.Context()), sweep.ErrNotRunning, "after Run")
		job.Stop()
		require.ErrorIs(t, job.Request(), sweep.ErrStopped)
	})
}

func TestTriggerWhoseContextHasEndedStillAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		job := fn(t, j, time.Hour, "slow", func(context.Context) error { time.Sleep(time.Second); return nil })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, job.Trigger(ctx), context.Canceled)
		time.Sleep(time.Minute)
		require.EqualValues(t, 1, job.Stats().Runs)
		require.NoError(t, stop())
	})
}

func TestTriggerInsideAJob(t *testing.T) {
	t.Run("itself-with-its-own-context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j, err := sweep.New(sweep.Config{Logger: discard})
			require.NoError(t, err)
			var job *sweep.Job
			job = fn(t, j, time.Hour, "self", func(ctx context.Context) error { return job.Trigger(ctx) })
			stop := run(t, j)
			require.ErrorIs(t, job.Trigger(t.Context()), sweep.ErrInside)
			require.NoError(t, stop())
		})
	})
	t.Run("another-job-from-a-func", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j, stop := start(t, sweep.Config{})
			cache := every(t, j, time.Hour, "cache", func() int { return 9 })
			job := fn(t, j, time.Hour, "pressure", func(ctx context.Context) error { return cache.Trigger(ctx) })
			require.NoError(t, job.Trigger(t.Context()))
			require.EqualValues(t, 9, cache.Stats().Removed)
			require.NoError(t, stop())
		})
	})
	t.Run("a-sweeper-from-a-sweeper-waits-until-its-context-ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j, stop := start(t, sweep.Config{})
			cache := every(t, j, time.Hour, "cache", func() int { return 0 })
			var waited error
			job := every(t, j, time.Hour, "watch", func() int {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				waited = cache.Trigger(ctx)
				return 0
			})
			require.NoError(t, job.Trigger(t.Context()))
			require.ErrorIs(t, waited, context.DeadlineExceeded)
			synctest.Wait()
			require.EqualValues(t, 1, cache.Stats().Runs, "the run takes place all the same")
			require.NoError(t, stop())
		})
	})
	t.Run("request-runs-it-once-more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j, err := sweep.New(sweep.Config{Logger: discard})
			require.NoError(t, err)
			var job *sweep.Job
			runs := 0
			job = every(t, j, time.Hour, "self", func() int {
				if runs++; runs < 5 {
					require.NoError(t, job.Request())
					require.NoError(t, job.Request(), "and not twice")
				}
				return 0
			})
			stop := run(t, j)
			require.NoError(t, job.Trigger(t.Context()))
			synctest.Wait()
			require.Equal(t, 5, runs)
			require.NoError(t, stop())
		})
	})
}
