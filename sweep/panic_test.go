package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ministryfinder/bounded/sweep"
	"github.com/stretchr/testify/require"
)

// explode panics. Its name is looked for in stacks.
func explode(value any) int { panic(value) }

func TestPanicIsIsolatedAndBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged lines
		j, stop := start(t, sweep.Config{Logger: logged.logger()})
		begin := time.Now()
		var at []time.Duration
		healthy := false
		job := every(t, j, time.Second, "bad", func() int {
			at = append(at, time.Since(begin))
			if !healthy {
				explode("boom")
			}
			return 2
		})
		good := every(t, j, time.Second, "good", func() int { return 1 })

		time.Sleep(200 * time.Second)
		synctest.Wait()
		want := []time.Duration{1, 3, 7, 15, 31, 63, 127, 191} // the gap doubles, up to 64
		for i := range want {
			want[i] *= time.Second
		}
		require.Equal(t, want, at)
		require.EqualValues(t, 200, good.Stats().Runs, "nobody else is affected")
		st := job.Stats()
		require.EqualValues(t, 8, st.Panics)
		require.EqualValues(t, 8, st.Runs)
		require.EqualValues(t, 191-8, st.Missed)
		require.True(t, st.BackingOff)
		require.Equal(t, "boom", st.LastError)
		require.Contains(t, st.String(), ", 8 panics, 183 missed intervals, backing off, last error: boom")

		require.Len(t, logged.all(), 1, "once per distinct stack")
		require.True(t, strings.HasPrefix(logged.all()[0], `level=ERROR msg="sweep: job panicked" job=bad panic=boom stack="goroutine `))
		require.Contains(t, logged.all()[0], "sweep_test.explode(")

		healthy, at = true, nil
		require.NoError(t, job.Trigger(t.Context()), "Trigger does not wait for the back-off")
		require.False(t, job.Stats().BackingOff)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, []time.Duration{200 * time.Second, 201 * time.Second, 202 * time.Second, 203 * time.Second}, at, "back on the grid")
		require.EqualValues(t, 200-9, job.Stats().Missed)
		require.NoError(t, stop())
	})
}

func TestDistinctPanicsAreLoggedAndRememberedInBoundedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged lines
		j, stop := start(t, sweep.Config{Logger: logged.logger()})
		depth := 0
		job := every(t, j, time.Hour, "deep", func() int { return nest(depth) })
		for range 3 {
			for depth = range 20 {
				require.Error(t, job.Trigger(t.Context()))
			}
		}
		require.Len(t, logged.all(), 20)
		require.NoError(t, stop())
	})
}

// nest panics with a stack of its own for each depth.
func nest(depth int) int {
	if depth == 0 {
		explode("deep")
	}
	return nest(depth-1) + 1
}

func TestGoexitIsTreatedAsAPanic(t *testing.T) {
	for _, kind := range []string{"sweeper", "func"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, stop := start(t, sweep.Config{})
				var job *sweep.Job
				if kind == "func" {
					job = fn(t, j, time.Second, "bad", func(context.Context) error { runtime.Goexit(); return nil })
				} else {
					job = every(t, j, time.Second, "bad", func() int { runtime.Goexit(); return 0 })
				}
				good := every(t, j, time.Second, "good", func() int { return 1 })
				require.ErrorIs(t, job.Trigger(t.Context()), sweep.ErrGoexit)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				require.EqualValues(t, 10, good.Stats().Runs, "the worker was replaced")
				require.EqualValues(t, 3, job.Stats().Panics)
				require.Equal(t, "runtime.Goexit was called", job.Stats().LastError)
				require.NoError(t, stop())
			})
		})
	}
}

func TestSweepAllIsolatesPanics(t *testing.T) {
	j, err := sweep.New(sweep.Config{Logger: discard})
	require.NoError(t, err)
	every(t, j, time.Hour, "a", func() int { return 1 })
	bad := every(t, j, time.Hour, "b", func() int { return explode("boom") })
	exits := every(t, j, time.Hour, "c", func() int { runtime.Goexit(); return 0 })
	every(t, j, time.Hour, "d", func() int { return 2 })
	require.Equal(t, 3, j.SweepAll())
	require.EqualValues(t, 1, bad.Stats().Panics)
	require.EqualValues(t, 1, exits.Stats().Panics)
}

// awkward is an error whose text cannot be had.
type awkward struct{}

func (awkward) Error() string { panic("no text") }

func TestErrorWhoseTextPanicsIsAPanicOfTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, sweep.Config{})
		job := fn(t, j, time.Hour, "awkward", func(context.Context) error { return awkward{} })
		var e *sweep.PanicError
		require.ErrorAs(t, job.Trigger(t.Context()), &e)
		require.Equal(t, "no text", e.Value)
		worse := every(t, j, time.Hour, "worse", func() int { panic(awkward{}) })
		require.Error(t, worse.Trigger(t.Context()))
		require.Contains(t, worse.Stats().LastError, "no text")
		require.NoError(t, stop())
	})
}

// runCrash calls Run and returns what it panicked with.
func runCrash(j *sweep.Janitor) (value any) {
	defer func() { value = recover() }()
	return fmt.Sprint("Run returned ", j.Run(context.Background()))
}

func TestCrashPanicsInRun(t *testing.T) {
	cause := errors.New("corrupt")
	for name, add := range map[string]func(*testing.T, *sweep.Janitor){
		"sweeper": func(t *testing.T, j *sweep.Janitor) {
			every(t, j, time.Second, "bad", func() int { return explode(cause) })
		},
		"func": func(t *testing.T, j *sweep.Janitor) {
			fn(t, j, time.Second, "bad", func(context.Context) error { explode(cause); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged lines
				j, err := sweep.New(sweep.Config{Panics: sweep.Crash, Logger: logged.logger()})
				require.NoError(t, err)
				add(t, j)
				ended := false
				fn(t, j, time.Second, "other", func(ctx context.Context) error { // begins first
					<-ctx.Done()
					time.Sleep(time.Second)
					ended = true
					return nil
				})
				begin := time.Now()
				value := runCrash(j)
				require.Equal(t, 2*time.Second, time.Since(begin))
				require.True(t, ended, "the other jobs come to their end")
				e, ok := value.(*sweep.PanicError)
				require.True(t, ok, "%v", value)
				require.Equal(t, "bad", e.Job)
				require.ErrorIs(t, e, cause)
				require.Contains(t, e.Stack, "sweep_test.explode(", "the stack of the panic, not of Run")
				require.True(t, strings.HasPrefix(e.Error(), "sweep: job \"bad\" panicked: corrupt\n\ngoroutine "))
				require.Contains(t, e.Error(), "sweep_test.explode(", "the dying process prints it")
				require.Len(t, logged.all(), 1)
			})
		})
	}
	t.Run("goexit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j, err := sweep.New(sweep.Config{Panics: sweep.Crash, Logger: discard})
			require.NoError(t, err)
			every(t, j, time.Second, "bad", func() int { runtime.Goexit(); return 0 })
			e, ok := runCrash(j).(*sweep.PanicError)
			require.True(t, ok)
			require.ErrorIs(t, e, sweep.ErrGoexit)
		})
	})
	t.Run("does-not-wait-for-ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j, err := sweep.New(sweep.Config{Panics: sweep.Crash, Logger: discard, DrainTimeout: time.Minute})
			require.NoError(t, err)
			release := make(chan struct{})
			every(t, j, time.Second, "bad", func() int { return explode("boom") })
			fn(t, j, time.Second, "hung", func(context.Context) error { hang(release); return nil })
			begin := time.Now()
			require.IsType(t, &sweep.PanicError{}, runCrash(j))
			require.Equal(t, time.Minute+time.Second, time.Since(begin))
			close(release)
		})
	})
	t.Run("the-first-of-several", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j, err := sweep.New(sweep.Config{Panics: sweep.Crash, Logger: discard})
			require.NoError(t, err)
			fn(t, j, time.Second, "bad", func(context.Context) error { panic("boom") })
			fn(t, j, time.Second, "worse", func(ctx context.Context) error { <-ctx.Done(); panic("and boom") }) // begins first
			e, ok := runCrash(j).(*sweep.PanicError)
			require.True(t, ok)
			require.Equal(t, "bad", e.Job)
		})
	})
	t.Run("left-behind-is-only-logged", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var logged lines
			j, stop := start(t, sweep.Config{Panics: sweep.Crash, Logger: logged.logger()})
			release := make(chan struct{})
			job := fn(t, j, time.Hour, "bad", func(context.Context) error { hang(release); panic("boom") })
			require.NoError(t, job.Request())
			synctest.Wait()
			require.IsType(t, &sweep.StuckError{}, stop())
			close(release)
			synctest.Wait()
			require.Len(t, logged.all(), 1)
			require.EqualValues(t, 1, job.Stats().Panics)
		})
	})
	t.Run("in-sweep-all", func(t *testing.T) {
		j, err := sweep.New(sweep.Config{Panics: sweep.Crash, Logger: discard})
		require.NoError(t, err)
		every(t, j, time.Second, "bad", func() int { return explode("boom") })
		every(t, j, time.Second, "next", func() int { t.Error("it ran"); return 0 })
		defer func() {
			e, ok := recover().(*sweep.PanicError)
			require.True(t, ok)
			require.Equal(t, "bad", e.Job)
		}()
		j.SweepAll()
		t.Error("it returned")
	})
}
