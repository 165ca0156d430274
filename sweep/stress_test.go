package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestTenThousandJobsDueAtOneInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10_000
		j, err := New(Config{})
		require.NoError(t, err)
		var runs, sweeping atomic.Int64
		jobs := make([]*Job, n)
		for i := range jobs {
			name := fmt.Sprint(i)
			if i%10 == 0 {
				jobs[i], err = j.Func(time.Hour, name, func(context.Context) error { runs.Add(1); return nil })
			} else {
				jobs[i], err = j.Every(time.Hour, name, sweeper(func() int {
					if sweeping.Add(1) != 1 {
						t.Error("two sweepers at once")
					}
					runs.Add(1)
					sweeping.Add(-1)
					return 1
				}))
			}
			require.NoError(t, err)
		}
		goroutines := runtime.NumGoroutine()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- j.Run(ctx) }()
		synctest.Wait()
		require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+2, "Run and the worker: jobs that wait have none")

		begin := time.Now()
		for _, job := range jobs {
			require.NoError(t, job.Request())
		}
		synctest.Wait()
		require.EqualValues(t, n, runs.Load(), "each has run once")
		require.Zero(t, time.Since(begin))
		j.checkInvariants(t)

		time.Sleep(time.Hour) // spread over the interval, each runs once more
		synctest.Wait()
		require.EqualValues(t, 2*n, runs.Load())
		for _, st := range j.Jobs() {
			require.EqualValues(t, 2, st.Runs)
			require.Zero(t, st.MaxLag)
		}
		j.checkInvariants(t)
		cancel()
		require.NoError(t, <-ended)
		j.checkInvariants(t)
	})
}

// Everything at once, from many goroutines and from inside the jobs, with time
// that jumps: no job overlaps itself, no caller waits for ever, and nothing is
// left running.
func TestEverythingAtOnce(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { everythingAtOnce(t, seed) })
		})
	}
}

func everythingAtOnce(t *testing.T, seed uint64) {
	j, err := New(Config{DrainTimeout: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	var runs atomic.Int64

	// body is what each job does: a bit of everything.
	body := func(self *atomic.Pointer[Job], busy *atomic.Bool) {
		if !busy.CompareAndSwap(false, true) {
			t.Error("a job overlaps itself")
		}
		defer busy.Store(false)
		runs.Add(1)
		time.Sleep(time.Duration(rand.IntN(3)) * 10 * time.Millisecond)
		switch job := self.Load(); rand.IntN(20) {
		case 0:
			panic("boom")
		case 1:
			runtime.Goexit()
		case 2:
			_ = job.Request()
		case 3:
			job.Stop()
		case 4:
			j.Jobs()
		case 5:
			j.SweepAll()
		}
	}
	add := func(r *rand.Rand) *Job {
		self, busy := new(atomic.Pointer[Job]), new(atomic.Bool)
		name, interval := fmt.Sprint(r.IntN(30)), time.Duration(1+r.IntN(50))*time.Millisecond
		var job *Job
		if r.IntN(2) == 0 {
			job, _ = j.Every(interval, name, sweeper(func() int { body(self, busy); return 1 }))
		} else {
			job, _ = j.Func(interval, name, func(context.Context) error { body(self, busy); return nil })
		}
		if job != nil { // else the name was taken
			self.Store(job)
		}
		return job
	}

	for range 3 { // Run again and again
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- j.Run(ctx) }()
		var g errgroup.Group
		for worker := range uint64(8) {
			r := rand.New(rand.NewPCG(seed, worker))
			g.Go(func() error {
				var mine []*Job
				for range 300 {
					if job := add(r); job != nil {
						mine = append(mine, job)
					}
					if len(mine) == 0 {
						time.Sleep(time.Millisecond)
						continue
					}
					job := mine[r.IntN(len(mine))]
					switch r.IntN(6) {
					case 0:
						job.Stop()
					case 1:
						_ = job.Request()
					case 2:
						wait, done := context.WithTimeout(t.Context(), time.Hour)
						if err := job.Trigger(wait); errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("a caller waits for ever: %v", err)
						}
						done()
					case 3:
						j.SweepAll()
					case 4:
						_ = job.Stats().String()
					case 5:
						time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
					}
				}
				return nil
			})
		}
		require.NoError(t, g.Wait())
		synctest.Wait()
		j.checkInvariants(t)
		cancel()
		require.NoError(t, <-ended)
		j.checkInvariants(t)
	}
	require.Greater(t, runs.Load(), int64(1000))
}
