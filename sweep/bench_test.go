package sweep_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ministryfinder/bounded/sweep"
	"github.com/stretchr/testify/require"
)

// begin runs a janitor until end is called.
func begin(b *testing.B) (j *sweep.Janitor, end func() error) {
	j, err := sweep.New(sweep.Config{})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- j.Run(ctx) }()
	return j, func() error { cancel(); return <-ended }
}

// trigger triggers the job once, as soon as Run has begun.
func trigger(b *testing.B, job *sweep.Job) {
	err := sweep.ErrNotRunning
	for err == sweep.ErrNotRunning {
		err = job.Trigger(b.Context())
	}
	require.NoError(b, err)
}

// BenchmarkJanitorDue is the cost of one due job, from the janitor's queue
// through its goroutine and back into the queue, when jobs=n are due together.
func BenchmarkJanitorDue(b *testing.B) {
	for _, kind := range []string{"sweeper", "func"} {
		for _, jobs := range []int{1, 100, 10_000} {
			b.Run(fmt.Sprintf("kind=%s/jobs=%d", kind, jobs), func(b *testing.B) {
				b.ReportAllocs()
				j, end := begin(b)
				runs := make(chan struct{}, jobs)
				all := make([]*sweep.Job, jobs)
				for i := range all {
					var err error
					if kind == "func" {
						all[i], err = j.Func(time.Hour, fmt.Sprint(i), func(context.Context) error { runs <- struct{}{}; return nil })
					} else {
						all[i], err = j.Every(time.Hour, fmt.Sprint(i), sweeper(func() int { runs <- struct{}{}; return 0 }))
					}
					require.NoError(b, err)
				}
				trigger(b, all[0])
				<-runs
				b.ResetTimer()
				for n := 0; n < b.N; n += jobs {
					due := min(jobs, b.N-n)
					for _, job := range all[:due] {
						_ = job.Request()
					}
					for range due {
						<-runs
					}
				}
				b.StopTimer()
				require.NoError(b, end())
			})
		}
	}
}

// BenchmarkJanitorLag is how late sweepers begin when 10,000 of them, spread
// over an interval of a second, run by the clock. One op is one run.
func BenchmarkJanitorLag(b *testing.B) {
	const jobs = 10_000
	j, end := begin(b)
	runs := make(chan struct{}, jobs)
	for i := range jobs {
		_, err := j.Every(time.Second, fmt.Sprint(i), sweeper(func() int { runs <- struct{}{}; return 0 }))
		require.NoError(b, err)
	}
	for range jobs {
		<-runs // the first interval is to warm up
	}
	b.ResetTimer()
	for range b.N {
		<-runs
	}
	b.StopTimer()
	var lags []time.Duration
	for _, st := range j.Jobs() {
		lags = append(lags, st.Lag)
	}
	require.NoError(b, end())
	slices.Sort(lags)
	b.ReportMetric(float64(lags[jobs/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(lags[jobs*99/100].Microseconds()), "µs-p99")
}

// BenchmarkJanitorStop is the time from the end of the context to the return of
// Run, with jobs=n waiting.
func BenchmarkJanitorStop(b *testing.B) {
	for _, jobs := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("jobs=%d", jobs), func(b *testing.B) {
			j, err := sweep.New(sweep.Config{})
			require.NoError(b, err)
			var first *sweep.Job
			for i := range jobs {
				job, err := j.Every(time.Hour, fmt.Sprint(i), sweeper(func() int { return 0 }))
				require.NoError(b, err)
				if i == 0 {
					first = job
				}
			}
			for b.Loop() {
				b.StopTimer()
				ctx, cancel := context.WithCancel(b.Context())
				ended := make(chan error)
				go func() { ended <- j.Run(ctx) }()
				trigger(b, first)
				b.StartTimer()
				cancel()
				require.NoError(b, <-ended)
			}
		})
	}
}

// BenchmarkJobTrigger is the round trip of a caller that waits for a run.
func BenchmarkJobTrigger(b *testing.B) {
	j, end := begin(b)
	job, err := j.Every(time.Hour, "cache", sweeper(func() int { return 0 }))
	require.NoError(b, err)
	trigger(b, job)
	b.ReportAllocs()
	for b.Loop() {
		if err := job.Trigger(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, end())
}
