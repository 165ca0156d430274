package cache_test

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

type loadFunc = func(context.Context, string) (int, error)

// A loader that loads what it needs holds its turn meanwhile: with a ceiling of one, whatever waited for
// a turn on its behalf would wait for ever.
func TestALoaderMayLoadAtTheCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[int, int]{MaxEntries: 100, MaxLoads: 1})
		var sum func(context.Context, int) (int, error)
		sum = func(ctx context.Context, n int) (int, error) {
			if n == 0 {
				return 0, nil
			}
			below, err := c.GetOrLoad(ctx, n-1, sum)
			return below + n, err
		}
		v, err := c.GetOrLoad(t.Context(), 50, sum)
		require.NoError(t, err)
		require.Equal(t, 50*51/2, v)
		require.Zero(t, c.Stats().Queued)
	})
}

// The same for a load that somebody else began, and that waits for the turn that the loader holds.
func TestALoaderMayWaitForAQueuedLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 100, MaxLoads: 1})
		begun := make(chan struct{})
		outer := ask(t.Context(), c, "outer", func(ctx context.Context, _ string) (int, error) {
			<-begun
			return c.GetOrLoad(ctx, "queued", nil)
		})
		synctest.Wait()
		queued := ask(t.Context(), c, "queued", func(context.Context, string) (int, error) { return 7, nil })
		third := ask(t.Context(), c, "third", func(context.Context, string) (int, error) { return 3, nil })
		synctest.Wait()
		require.Equal(t, 2, c.Stats().Queued)
		close(begun)
		require.Equal(t, loaded{v: 7}, <-outer)
		require.Equal(t, loaded{v: 7}, <-queued)
		require.Equal(t, loaded{v: 3}, <-third)
		synctest.Wait()
		st := c.Stats()
		require.Zero(t, st.Queued+st.Loading+st.Waiting)
		for i := range 3 { // no turn was lost, and none given back twice
			ask(t.Context(), c, string(rune('x'+i)), func(context.Context, string) (int, error) { time.Sleep(time.Second); return 1, nil })
		}
		synctest.Wait()
		require.Equal(t, 1, c.Stats().Loading)
		time.Sleep(3 * time.Second)
	})
}

func TestALoadThatWaitsForItselfIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 100})
		var self loadFunc
		self = func(ctx context.Context, key string) (int, error) { return c.GetOrLoad(ctx, key, self) }
		_, err := c.GetOrLoad(t.Context(), "a", self)
		require.ErrorIs(t, err, cache.ErrLoadCycle)

		// Two loads that nobody nested, each of which comes to wait for the other; one is told, and ends both.
		meet := make(chan struct{})
		waitFor := func(other string) loadFunc {
			return func(ctx context.Context, _ string) (int, error) {
				<-meet
				if other == "a" { // in bulk as well
					r := c.GetOrLoadMany(ctx, []string{"a"}, nil)
					return r[0].Value, r[0].Err
				}
				return c.GetOrLoad(ctx, other, nil)
			}
		}
		a, b := ask(t.Context(), c, "a", waitFor("b")), ask(t.Context(), c, "b", waitFor("a"))
		synctest.Wait()
		close(meet)
		require.ErrorIs(t, (<-a).err, cache.ErrLoadCycle)
		require.ErrorIs(t, (<-b).err, cache.ErrLoadCycle)

		// Whom a loader waited for once, it does not wait for any more.
		gaveUp := make(chan struct{})
		top := ask(t.Context(), c, "top", func(ctx context.Context, _ string) (int, error) {
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := c.GetOrLoad(short, "slow", func(ctx context.Context, _ string) (int, error) {
				<-gaveUp
				return c.GetOrLoad(ctx, "top", nil)
			})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			close(gaveUp)
			time.Sleep(time.Second)
			return 2, nil
		})
		synctest.Wait()
		patient := ask(t.Context(), c, "slow", nil)
		require.Equal(t, loaded{v: 2}, <-patient)
		require.Equal(t, loaded{v: 2}, <-top)
		synctest.Wait()
		require.Zero(t, c.Stats().Waiting+c.Stats().Loading)
	})
}

// The functions of the Config run in the goroutine of a load as well. What they do there strands nobody.
func TestConfigFunctionsThatFailInALoad(t *testing.T) {
	for name, test := range map[string]struct {
		end    func()
		panics bool
	}{
		"panic":  {func() { panic(errDown) }, true},
		"goexit": {runtime.Goexit, false},
	} {
		size := cache.Config[string, int]{MaxEntries: 8, Size: func(_ string, v int) int64 {
			if v == 1 {
				test.end()
			}
			return 0
		}}
		removed := cache.Config[string, int]{MaxEntries: 1, OnRemove: func(_ string, v int, _ cache.Reason) {
			if v == 50 {
				test.end()
			}
		}}
		negative := cache.Config[string, int]{MaxEntries: 8, NegativeTTL: time.Minute, NegativeIf: func(err error) bool {
			if err == errDown {
				test.end()
			}
			return false
		}}
		for which, config := range map[string]cache.Config[string, int]{"size": size, "on-remove": removed, "negative-if": negative} {
			t.Run(which+"-"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCache(t, config)
					c.Set("old", 50)
					load := func(context.Context, string) (int, error) {
						time.Sleep(time.Second)
						if which == "negative-if" {
							return 0, errDown
						}
						return 1, nil
					}
					for _, caller := range []<-chan loaded{ask(t.Context(), c, "a", load), ask(t.Context(), c, "a", load)} {
						got := <-caller
						if test.panics {
							require.ErrorIs(t, got.panicked.(error), errDown)
						} else {
							require.Equal(t, cache.ErrLoaderExited, got.err)
						}
					}
					require.EqualValues(t, 1, c.Stats().LoadErrors, "one key")
					v, err := c.GetOrLoad(t.Context(), "a", func(context.Context, string) (int, error) { return 2, nil })
					require.NoError(t, err, "poisoned")
					require.Equal(t, map[bool]int{true: 1, false: 2}[which == "on-remove"], v, "stored, or loaded again")
					// In bulk, the keys after the one that failed are not left waiting.
					c.Clear()
					func() {
						defer func() { _ = recover() }()
						c.GetOrLoadMany(t.Context(), []string{"a", "b", "c"}, func(context.Context, []string) (map[string]int, error) {
							return map[string]int{"a": 1, "b": 2, "c": 3}, nil
						})
					}()
					require.Equal(t, which != "on-remove", has(c, "b"))
					require.True(t, has(c, "c"))
					synctest.Wait()
					st := c.Stats()
					require.Zero(t, st.Loading+st.Waiting+st.Queued)
				})
			})
		}
	}
}

// An entry that is about to end for not being read is not refreshed for that: being read keeps it.
func TestRefreshAheadIsOfTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Hour, Idle: time.Minute, RefreshAhead: 0.5})
		c.Set("a", 7)
		var s source
		for range 59 {
			time.Sleep(30 * time.Second)
			v, err := c.GetOrLoad(t.Context(), "a", s.load)
			require.NoError(t, err)
			require.Equal(t, 7, v)
		}
		require.Zero(t, c.Stats().Refreshes)
		time.Sleep(31 * time.Second)
		_, _ = c.GetOrLoad(t.Context(), "a", s.load)
		require.EqualValues(t, 1, c.Stats().Refreshes)
		time.Sleep(2 * time.Second)
	})
}

// A refresh whose result is not to be kept takes the old value away, unless somebody has set another.
func TestRefreshThatIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Minute, RefreshAhead: 0.5})
		var calls atomic.Int32
		load := func(context.Context, string) (int, time.Duration, error) {
			calls.Add(1)
			time.Sleep(time.Second)
			return 1, -1, nil
		}
		refresh := func() {
			c.Set("a", 7)
			time.Sleep(40 * time.Second)
			v, err := c.GetOrLoadTTL(t.Context(), "a", load)
			require.NoError(t, err)
			require.Equal(t, 7, v)
		}
		refresh()
		time.Sleep(2 * time.Second)
		require.False(t, has(c, "a"))
		refresh()
		c.Set("a", 8)
		time.Sleep(2 * time.Second)
		require.True(t, has(c, "a"))
		require.EqualValues(t, 2, calls.Load())
	})
}

func TestLoadManyOfNaN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[float64, int]{MaxEntries: 8, NegativeTTL: time.Minute})
		nan := math.NaN()
		got := c.GetOrLoadMany(t.Context(), []float64{nan, 1, nan}, func(_ context.Context, keys []float64) (map[float64]int, error) {
			require.Len(t, keys, 3, "no two NaNs are the same")
			return map[float64]int{1: 1, nan: 2}, nil
		})
		require.Equal(t, []cache.Result[int]{{Err: cache.ErrNotLoaded}, {Value: 1}, {Err: cache.ErrNotLoaded}}, got)
		require.Equal(t, 1, c.Len())
		synctest.Wait()
		require.Zero(t, c.Stats().Loading+c.Stats().Waiting)
	})
}

// Loads that wait for each other in layers of two: there are 2^60 ways from the first to the last, and who
// joins a load looks for himself behind it.
func TestLoadsThatWaitInLayers(t *testing.T) {
	const layers = 60
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[[2]int, int]{MaxEntries: 1000})
		var load func(context.Context, [2]int) (int, error)
		load = func(ctx context.Context, key [2]int) (int, error) {
			if key[0] == layers {
				time.Sleep(time.Hour)
				return 1, nil
			}
			time.Sleep(time.Duration(key[1]*(layers-key[0])) * time.Second) // what is below is there already
			var below [2]int
			var group sync.WaitGroup
			for i := range below {
				group.Go(func() { below[i], _ = c.GetOrLoad(ctx, [2]int{key[0] + 1, i}, load) })
			}
			group.Wait()
			return max(below[0], below[1]), nil
		}
		v, err := c.GetOrLoad(t.Context(), [2]int{}, load)
		require.NoError(t, err)
		require.Equal(t, 1, v)
		require.EqualValues(t, 2*layers+1, c.Stats().Loads)
	})
}
