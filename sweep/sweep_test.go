package sweep_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ministryfinder/bounded/sweep"
	"github.com/stretchr/testify/require"
)

// A sweeper is a function as a Sweeper.
type sweeper func() int

func (f sweeper) Sweep() int { return f() }

// start runs a janitor with the configuration in a bubble, until stop is
// called, which returns what Run returned.
func start(t *testing.T, c sweep.Config) (j *sweep.Janitor, stop func() error) {
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
