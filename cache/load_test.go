package cache_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

// A loaded is what one caller of GetOrLoad came back with.
type loaded struct {
	v        int
	err      error
	panicked any
}

func ask[K comparable](ctx context.Context, c *cache.Cache[K, int], key K, load func(context.Context, K) (int, error)) <-chan loaded {
	done := make(chan loaded, 1)
	go func() {
		var l loaded
		defer func() {
			l.panicked = recover()
			done <- l
		}()
		l.v, l.err = c.GetOrLoad(ctx, key, load)
	}()
	return done
}

// A gate is a loader that waits to be told what to return.
type gate struct {
	calls atomic.Int32
	do    chan func() (int, error)
}

func newGate() *gate { return &gate{do: make(chan func() (int, error))} }

func (g *gate) load(context.Context, string) (int, error) {
	g.calls.Add(1)
	return (<-g.do)()
}

func (g *gate) give(v int, err error) { g.do <- func() (int, error) { return v, err } }

func TestOneLoadServesAllWhoAsk(t *testing.T) {
	failed := errors.New("failed")
	for name, test := range map[string]struct {
		end     func() (int, error)
		want    loaded
		stored  bool
		panics  bool
		counted uint64
	}{
		"value":  {end: func() (int, error) { return 7, nil }, want: loaded{v: 7}, stored: true},
		"error":  {end: func() (int, error) { return 7, failed }, want: loaded{v: 7, err: failed}, counted: 1},
		"panic":  {end: func() (int, error) { panic(failed) }, panics: true, counted: 1},
		"goexit": {end: func() (int, error) { runtime.Goexit(); return 7, nil }, want: loaded{err: cache.ErrLoaderExited}, counted: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, cache.Config[string, int]{MaxEntries: 8})
				g := newGate()
				var callers []<-chan loaded
				for range 50 {
					callers = append(callers, ask(t.Context(), c, "a", g.load))
				}
				synctest.Wait()
				require.EqualValues(t, 1, g.calls.Load())
				st := c.Stats()
				require.Equal(t, 1, st.Loading)
				require.Equal(t, 50, st.Waiting)

				g.do <- test.end
				for _, caller := range callers {
					got := <-caller
					if test.panics {
						var p *cache.LoadPanic
						require.ErrorAs(t, got.panicked.(error), &p)
						require.Equal(t, failed, p.Value)
						require.ErrorIs(t, p, failed)
						require.Contains(t, p.Error(), "failed")
						require.Contains(t, string(p.Stack), "TestOneLoadServesAllWhoAsk")
					} else {
						require.Equal(t, test.want, got)
					}
				}
				synctest.Wait()
				st = c.Stats()
				require.Zero(t, st.Loading+st.Waiting)
				require.EqualValues(t, 1, st.Loads)
				require.Equal(t, test.counted, st.LoadErrors)
				require.Equal(t, test.stored, has(c, "a"))

				again := ask(t.Context(), c, "a", g.load)
				synctest.Wait()
				if !test.stored {
					require.EqualValues(t, 2, g.calls.Load(), "an error was kept")
					g.give(8, nil)
				}
				<-again
			})
		})
	}
}

func TestEachCallerWaitsAsLongAsItsOwnContext(t *testing.T) {
	type tag struct{}
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8})
		gone := errors.New("gone")
		var inside context.Context
		release := make(chan struct{})
		load := func(ctx context.Context, _ string) (int, error) {
			inside = ctx
			select {
			case <-release:
				return 1, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		first, cancel := context.WithCancelCause(context.WithValue(t.Context(), tag{}, "first"))
		leader := ask(first, c, "a", load)
		synctest.Wait()
		second, cancel2 := context.WithTimeout(t.Context(), time.Second)
		defer cancel2()
		impatient := ask(second, c, "a", load)
		patient := ask(t.Context(), c, "a", load)
		synctest.Wait()

		cancel(gone)
		require.Equal(t, loaded{err: gone}, <-leader)
		require.Equal(t, loaded{err: context.DeadlineExceeded}, <-impatient)
		synctest.Wait()
		require.NoError(t, inside.Err(), "the load ended with its first caller")
		require.Equal(t, "first", inside.Value(tag{}))
		require.Equal(t, 1, c.Stats().Waiting)
		close(release)
		require.Equal(t, loaded{v: 1}, <-patient)
		require.True(t, has(c, "a"))
		synctest.Wait()
		require.Error(t, inside.Err(), "what the loader has left running goes on")
	})
}

func TestLoadEndsWhenNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8})
		ended := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		calls := []<-chan loaded{}
		for range 3 {
			calls = append(calls, ask(ctx, c, "a", func(ctx context.Context, _ string) (int, error) {
				<-ctx.Done()
				<-ended // slow to give up
				return 1, nil
			}))
		}
		synctest.Wait()
		cancel()
		for _, call := range calls {
			require.Equal(t, loaded{err: context.Canceled}, <-call)
		}
		// A newcomer does not wait for a load that was told to give up.
		v, err := c.GetOrLoad(t.Context(), "a", func(context.Context, string) (int, error) { return 2, nil })
		require.NoError(t, err)
		require.Equal(t, 2, v)
		c.Delete("a")
		first, cancel := context.WithCancel(t.Context())
		gone := ask(first, c, "a", func(ctx context.Context, _ string) (int, error) { <-ended; return 1, nil })
		synctest.Wait()
		cancel()
		require.Equal(t, loaded{err: context.Canceled}, <-gone)
		many := c.GetOrLoadMany(t.Context(), []string{"a"}, func(context.Context, []string) (map[string]int, error) { return map[string]int{"a": 2}, nil })
		require.Equal(t, []cache.Result[int]{{Value: 2}}, many)
		close(ended)
		synctest.Wait()
		v, _ = c.Peek("a")
		require.Equal(t, 2, v, "the load that was given up stored its value")
		require.Zero(t, c.Stats().Loading)
	})
}

func TestEndedContextStartsNoLoad(t *testing.T) {
	c := newCache(t, cache.Config[string, int]{MaxEntries: 8})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.GetOrLoad(ctx, "a", nil)
	require.ErrorIs(t, err, context.Canceled)
	c.Set("a", 1)
	v, err := c.GetOrLoad(ctx, "a", nil)
	require.NoError(t, err, "what is there needs no waiting")
	require.Equal(t, 1, v)
	require.Zero(t, c.Stats().Loads)
}

func TestWritesDuringALoadWin(t *testing.T) {
	for name, test := range map[string]struct {
		write func(c *cache.Cache[string, int])
		left  int // zero: nothing
	}{
		"set":             {func(c *cache.Cache[string, int]) { c.Set("a", 2) }, 2},
		"set-and-delete":  {func(c *cache.Cache[string, int]) { c.Set("a", 2); c.Delete("a") }, 0},
		"set-of-no-time":  {func(c *cache.Cache[string, int]) { c.SetTTL("a", 2, -1) }, 0},
		"delete":          {func(c *cache.Cache[string, int]) { c.Delete("a") }, 0},
		"delete-func":     {func(c *cache.Cache[string, int]) { c.DeleteFunc(func(string, int) bool { return true }) }, 0},
		"clear":           {func(c *cache.Cache[string, int]) { c.Clear() }, 0},
		"set-another-key": {func(c *cache.Cache[string, int]) { c.Set("b", 2); c.Delete("b") }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, cache.Config[string, int]{MaxEntries: 8})
				g := newGate()
				waiter := ask(t.Context(), c, "a", g.load)
				synctest.Wait()
				test.write(c)
				var late <-chan loaded
				h := newGate()
				if test.left == 0 {
					late = ask(t.Context(), c, "a", h.load)
					synctest.Wait()
					require.EqualValues(t, 1, h.calls.Load(), "a load from before the write serves who came after it")
				}
				g.give(1, nil)
				require.Equal(t, loaded{v: 1}, <-waiter)
				synctest.Wait()
				v, ok := c.Peek("a")
				require.Equal(t, test.left, v)
				require.Equal(t, test.left != 0, ok)
				if late != nil {
					h.give(3, nil)
					require.Equal(t, loaded{v: 3}, <-late)
					v, _ = c.Peek("a")
					require.Equal(t, 3, v)
				}
			})
		})
	}
}

// A Set that has begun before a load and ends during it must win as well.
func TestSetThatBeganBeforeALoadWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		measuring, measured := make(chan struct{}), make(chan struct{})
		c := newCache(t, cache.Config[string, int]{
			MaxEntries: 8,
			Size: func(_ string, v int) int64 {
				if v == 2 {
					close(measuring)
					<-measured
				}
				return 0
			},
		})
		set := make(chan struct{})
		go func() {
			c.Set("a", 2)
			close(set)
		}()
		<-measuring
		g := newGate()
		waiter := ask(t.Context(), c, "a", g.load)
		synctest.Wait()
		close(measured)
		<-set
		g.give(1, nil)
		require.Equal(t, loaded{v: 1}, <-waiter)
		v, _ := c.Peek("a")
		require.Equal(t, 2, v, "what was set is lost")
	})
}

func TestLoaderMayUseTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[int, int]{MaxEntries: 100})
		var fibonacci func(context.Context, int) (int, error)
		fibonacci = func(ctx context.Context, n int) (int, error) {
			if n < 2 {
				return n, nil
			}
			a, _ := c.GetOrLoad(ctx, n-1, fibonacci)
			b, err := c.GetOrLoad(ctx, n-2, fibonacci)
			return a + b, err
		}
		v, err := c.GetOrLoad(t.Context(), 40, fibonacci)
		require.NoError(t, err)
		require.Equal(t, 102334155, v)
		require.EqualValues(t, 41, c.Stats().Loads)
	})
}

func TestLoadOfNaN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[float64, int]{MaxEntries: 8})
		for range 3 {
			v, err := c.GetOrLoad(t.Context(), math.NaN(), func(context.Context, float64) (int, error) { return 1, nil })
			require.NoError(t, err)
			require.Equal(t, 1, v)
		}
		require.Zero(t, c.Stats().Loading)
		require.Zero(t, c.Len(), "nobody could find it")
	})
}

func TestLoadedValueThatDoesNotFitIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[int, []byte]{MaxBytes: 64 << 10})
		v, err := c.GetOrLoad(t.Context(), 1, func(context.Context, int) ([]byte, error) { return make([]byte, 1<<20), nil })
		require.NoError(t, err)
		require.Len(t, v, 1<<20)
		require.Zero(t, c.Len())
		require.EqualValues(t, 1, c.Stats().Refused)
	})
}
