package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

// A source is a loader that counts its calls, takes a second and returns the number of the call, or fails.
type source struct {
	calls atomic.Int32
	fail  atomic.Pointer[error]
}

func (s *source) load(ctx context.Context, _ string) (int, error) {
	n := int(s.calls.Add(1))
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if err := s.fail.Load(); err != nil {
		return 0, *err
	}
	return n, nil
}

func (s *source) failWith(err error) {
	if err == nil {
		s.fail.Store(nil)
	} else {
		s.fail.Store(&err)
	}
}

var errDown = errors.New("down")

// A step of a history: at a time after the one before, GetOrLoad returns this after so long, and so many
// loads have been begun then.
type step struct {
	sleep time.Duration
	fail  error // of loads from here on
	want  int
	err   error
	took  time.Duration
	calls int32
}

// The states of a key, as the table of GetOrLoad has them.
func TestLoadStates(t *testing.T) {
	const ttl = time.Minute
	for name, test := range map[string]struct {
		config cache.Config[string, int]
		steps  []step
	}{
		"fresh, then absent": {
			cache.Config[string, int]{TTL: ttl},
			[]step{
				{want: 1, took: time.Second, calls: 1},
				{sleep: ttl - time.Second, want: 1, calls: 1},
				{sleep: 2 * time.Second, want: 2, took: time.Second, calls: 2},
			},
		},
		"refreshed ahead": {
			cache.Config[string, int]{TTL: ttl, RefreshAhead: 0.5},
			[]step{
				{want: 1, took: time.Second, calls: 1},
				{sleep: 29 * time.Second, want: 1, calls: 1},
				{sleep: 2 * time.Second, want: 1, calls: 2},
				{want: 1, calls: 2}, // the refresh is under way: one at a time
				{sleep: 2 * time.Second, want: 2, calls: 2},
				{sleep: 30 * time.Second, want: 2, calls: 3},
			},
		},
		"a refresh ahead fails": {
			cache.Config[string, int]{TTL: ttl, RefreshAhead: 0.5},
			[]step{
				{want: 1, took: time.Second, calls: 1},
				{sleep: 31 * time.Second, fail: errDown, want: 1, calls: 2},
				{sleep: 2 * time.Second, fail: errDown, want: 1, calls: 3},
				{sleep: ttl, fail: errDown, err: errDown, took: time.Second, calls: 4},
			},
		},
		"stale": {
			cache.Config[string, int]{TTL: ttl, StaleFor: ttl},
			[]step{
				{want: 1, took: time.Second, calls: 1},
				{sleep: ttl + time.Second, want: 1, calls: 2},
				{want: 1, calls: 2},
				{sleep: 2 * time.Second, want: 2, calls: 2},
				{sleep: 2*ttl + time.Second, want: 3, took: time.Second, calls: 3},
			},
		},
		"stale, refreshes fail": {
			cache.Config[string, int]{TTL: ttl, StaleFor: ttl},
			[]step{
				{want: 1, took: time.Second, calls: 1},
				{sleep: ttl, fail: errDown, want: 1, calls: 2},
				{sleep: 10 * time.Second, fail: errDown, want: 1, calls: 3},
				{sleep: ttl, fail: errDown, err: errDown, took: time.Second, calls: 4},
			},
		},
		"stale if error": {
			cache.Config[string, int]{TTL: ttl, StaleIfError: ttl},
			[]step{
				{want: 1, took: time.Second, calls: 1},
				{sleep: ttl, fail: errDown, want: 1, took: time.Second, calls: 2},
				{want: 3, took: time.Second, calls: 3},
				{sleep: 2 * ttl, fail: errDown, err: errDown, took: time.Second, calls: 4},
			},
		},
		"negative": {
			cache.Config[string, int]{TTL: ttl, NegativeTTL: 10 * time.Second},
			[]step{
				{fail: errDown, err: errDown, took: time.Second, calls: 1},
				{sleep: 9 * time.Second, err: errDown, calls: 1},
				{sleep: time.Second, want: 2, took: time.Second, calls: 2},
			},
		},
		"back-off doubles, and is forgotten": {
			cache.Config[string, int]{
				TTL: ttl, NegativeTTL: time.Hour, Backoff: 10 * time.Second,
				NegativeIf: func(err error) bool { return err != errDown },
			},
			[]step{
				{fail: errDown, err: errDown, took: time.Second, calls: 1},
				{sleep: 9 * time.Second, err: errDown, calls: 1},
				{sleep: time.Second, fail: errDown, err: errDown, took: time.Second, calls: 2},
				{sleep: 19 * time.Second, err: errDown, calls: 2},
				{sleep: time.Second, fail: errDown, err: errDown, took: time.Second, calls: 3},
				{sleep: 39 * time.Second, err: errDown, calls: 3},
				{sleep: time.Second, want: 4, took: time.Second, calls: 4},
				{sleep: 2 * ttl, fail: errDown, err: errDown, took: time.Second, calls: 5},
				{sleep: 10 * time.Second, want: 6, took: time.Second, calls: 6},
			},
		},
		"back-off begins anew after a success": {
			cache.Config[string, int]{TTL: time.Second, Backoff: 10 * time.Second},
			[]step{
				{fail: errDown, err: errDown, took: time.Second, calls: 1},
				{sleep: 10 * time.Second, want: 2, took: time.Second, calls: 2},
				{sleep: time.Second, fail: errDown, err: errDown, took: time.Second, calls: 3},
				{sleep: 10 * time.Second, want: 4, took: time.Second, calls: 4},
			},
		},
		"back-off while stale if error": {
			cache.Config[string, int]{TTL: ttl, StaleIfError: time.Hour, Backoff: 10 * time.Second},
			[]step{
				{want: 1, took: time.Second, calls: 1},
				{sleep: ttl, fail: errDown, want: 1, took: time.Second, calls: 2},
				{sleep: 5 * time.Second, want: 1, calls: 2},
				{sleep: 5 * time.Second, want: 3, took: time.Second, calls: 3},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				config := test.config
				config.MaxEntries = 8
				c := newCache(t, config)
				var s source
				for i, step := range test.steps {
					time.Sleep(step.sleep)
					s.failWith(step.fail)
					began := time.Now()
					got, err := c.GetOrLoad(t.Context(), "a", s.load)
					what := fmt.Sprintf("step %d", i)
					require.Equal(t, step.took, time.Since(began), what)
					require.Equal(t, step.err, err, what)
					require.Equal(t, step.want, got, what)
					synctest.Wait()
					require.Equal(t, step.calls, s.calls.Load(), what)
				}
				time.Sleep(time.Minute) // the last refresh ends
				st := c.Stats()
				require.Zero(t, st.Loading+st.Waiting+st.Queued)
			})
		})
	}
}

// What is returned stale is counted, and Get never returns it.
func TestStaleIsForGetOrLoadAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Minute, StaleFor: time.Minute, StaleIfError: time.Hour})
		c.Set("a", 7)
		time.Sleep(61 * time.Second)
		_, ok := c.Get("a")
		require.False(t, ok)
		for range c.All() {
			require.Fail(t, "an expired entry")
		}
		require.Zero(t, c.Sweep(), "it may be needed yet")
		var s source
		s.failWith(errDown)
		v, err := c.GetOrLoad(t.Context(), "a", s.load)
		require.NoError(t, err)
		require.Equal(t, 7, v)
		time.Sleep(2 * time.Minute)
		v, err = c.GetOrLoad(t.Context(), "a", s.load)
		require.NoError(t, err)
		require.Equal(t, 7, v)
		st := c.Stats()
		require.EqualValues(t, 1, st.StaleHits)
		require.EqualValues(t, 1, st.StaleOnError)
		require.EqualValues(t, 1, st.Refreshes)
		require.EqualValues(t, 2, st.Loads)
		require.EqualValues(t, 2, st.LoadErrors)
		require.GreaterOrEqual(t, st.LoadP50, time.Second)
		require.LessOrEqual(t, st.LoadP99, 1250*time.Millisecond)
		time.Sleep(time.Hour)
		require.Equal(t, 1, c.Sweep())
	})
}

func TestAtMostMaxLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[int, int]{MaxEntries: 100, MaxLoads: 3})
		var running, most atomic.Int32
		load := func(context.Context, int) (int, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(time.Second)
			return 1, nil
		}
		for key := range 9 {
			ask(t.Context(), c, key, load)
		}
		synctest.Wait() // three have their turn
		ctx, cancel := context.WithCancel(t.Context())
		gone := ask(ctx, c, 100, func(context.Context, int) (int, error) { panic("nobody waits") })
		synctest.Wait()
		st := c.Stats()
		require.Equal(t, 3, st.Loading)
		require.Equal(t, 7, st.Queued)
		require.Equal(t, 10, st.Waiting)
		cancel()
		require.ErrorIs(t, (<-gone).err, context.Canceled)
		synctest.Wait()
		require.Equal(t, 6, c.Stats().Queued)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, 9, c.Len())
		require.EqualValues(t, 3, most.Load())
		require.Zero(t, c.Stats().LoadErrors)
	})
}

// A refresh that hangs is told to end, and one of a cache that was dropped keeps nothing of it alive.
func TestRefreshTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Minute, StaleFor: time.Hour, RefreshTimeout: 10 * time.Second})
		c.Set("a", 1)
		time.Sleep(2 * time.Minute)
		var took atomic.Int64
		hang := func(ctx context.Context, _ string) (int, error) {
			began := time.Now()
			<-ctx.Done()
			took.Store(int64(time.Since(began)))
			return 0, ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		v, err := c.GetOrLoad(ctx, "a", hang)
		require.NoError(t, err)
		require.Equal(t, 1, v)
		cancel() // of who came first: the refresh goes on
		time.Sleep(9 * time.Second)
		require.Equal(t, 1, c.Stats().Loading)
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 10*time.Second, took.Load())
		require.Zero(t, c.Stats().Loading)
	})
}

func TestADroppedCacheIsCollectedWhileItRefreshes(t *testing.T) {
	c := newCache(t, cache.Config[string, int]{MaxEntries: 8, StaleFor: time.Hour})
	c.SetTTL("a", 1, time.Nanosecond)
	collected, release := make(chan struct{}), make(chan struct{})
	runtime.AddCleanup(c, func(struct{}) { close(collected) }, struct{}{})
	_, err := c.GetOrLoad(t.Context(), "a", func(context.Context, string) (int, error) { <-release; return 2, nil })
	require.NoError(t, err)
	require.EqualValues(t, 1, c.Stats().Refreshes)
	c = nil
	for gone := false; !gone; {
		runtime.GC()
		select {
		case <-collected:
			gone = true
		case <-time.After(time.Millisecond):
		}
	}
	close(release)
}

// A write during a refresh wins, whichever it is.
func TestWritesWinOverRefreshes(t *testing.T) {
	for name, write := range map[string]func(c *cache.Cache[string, int]){
		"set":         func(c *cache.Cache[string, int]) { c.Set("a", 100) },
		"delete":      func(c *cache.Cache[string, int]) { c.Delete("a") },
		"delete-func": func(c *cache.Cache[string, int]) { c.DeleteFunc(func(string, int) bool { return true }) },
		"clear":       func(c *cache.Cache[string, int]) { c.Clear() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Minute, RefreshAhead: 0.1})
				var s source
				c.Set("a", 50)
				time.Sleep(10 * time.Second)
				_, err := c.GetOrLoad(t.Context(), "a", s.load)
				require.NoError(t, err)
				synctest.Wait()
				require.Equal(t, 1, c.Stats().Loading)
				write(c)
				time.Sleep(2 * time.Second)
				v, ok := c.Get("a")
				require.Equal(t, name == "set", ok)
				if ok {
					require.Equal(t, 100, v)
				}
			})
		})
	}
}

// Sets that race with refreshes of the same key are never undone: each is there when it returns.
func TestNoSetIsLostToARefresh(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxEntries: 8, TTL: time.Hour, RefreshAhead: 1e-12})
	c.Set(1, 0)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = c.GetOrLoad(context.Background(), 1, func(context.Context, int) (int, error) { return -1, nil })
				}
			}
		})
	}
	deadline := time.Now().Add(10 * time.Second)
	for n := 1; n < 20_000 || c.Stats().Refreshes == 0 && time.Now().Before(deadline); n++ {
		c.Set(1, n)
		// What a refresh that began after the Set brings may be there; what was there before may not.
		got, ok := c.Get(1)
		require.True(t, ok)
		require.True(t, got == n || got == -1, "%d after %d", got, n)
		if n > 20_000 {
			runtime.Gosched() // a busy machine: the others have not begun
		}
	}
	close(stop)
	group.Wait()
	require.NotZero(t, c.Stats().Refreshes)
}

func TestGetOrLoadTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Minute})
		for _, ttl := range []time.Duration{0, time.Second, time.Hour, -1} {
			calls := 0
			load := func(context.Context, string) (int, time.Duration, error) { calls++; return 5, ttl, nil }
			ask := func() {
				v, err := c.GetOrLoadTTL(t.Context(), "a", load)
				require.NoError(t, err)
				require.Equal(t, 5, v)
			}
			ask()
			ask()
			require.Equal(t, map[bool]int{true: 2, false: 1}[ttl < 0], calls, "ttl %v", ttl)
			if ttl > 0 {
				time.Sleep(ttl)
				ask()
				require.Equal(t, 2, calls)
			}
			c.Delete("a")
		}
	})
}

func TestMemo(t *testing.T) {
	c := newCache(t, cache.Config[string, int]{MaxEntries: 8})
	calls := 0
	length := cache.Memo(c, func(_ context.Context, s string) (int, error) { calls++; return len(s), nil })
	type sides struct{ a, b int }
	area := cache.MemoBy(c, func(s sides) string { return fmt.Sprint(s) }, func(_ context.Context, s sides) (int, error) { calls++; return s.a * s.b, nil })
	for range 3 {
		n, err := length(t.Context(), "four")
		require.NoError(t, err)
		require.Equal(t, 4, n)
		n, err = area(t.Context(), sides{6, 7})
		require.NoError(t, err)
		require.Equal(t, 42, n)
	}
	require.Equal(t, 2, calls)
}

// Loaders that fail, panic, exit, are slow or are left alone strand nobody, and no goroutine is left.
func TestLoadersUnderFire(t *testing.T) {
	before := runtime.NumGoroutine()
	c := newCache(t, cache.Config[int, int]{
		MaxEntries: 20, TTL: 2 * time.Millisecond, StaleFor: time.Millisecond, StaleIfError: 3 * time.Millisecond, RefreshAhead: 0.5,
		RefreshTimeout: 5 * time.Millisecond, NegativeTTL: time.Millisecond, Backoff: time.Millisecond, MaxLoads: 4,
		NegativeIf: func(err error) bool { return err == errDown },
	})
	load := func(ctx context.Context, key int) (int, error) {
		switch rand.IntN(8) {
		case 0:
			panic("loader")
		case 1:
			runtime.Goexit()
		case 2:
			return 0, errDown
		case 3:
			return 0, errors.New("other")
		case 4:
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return key * 10, nil
	}
	var group sync.WaitGroup
	var wrong atomic.Int32
	for range 8 {
		group.Go(func() {
			for range 1500 {
				func() {
					defer func() { _ = recover() }()
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(3000))*time.Microsecond)
					defer cancel()
					key := rand.IntN(40)
					switch rand.IntN(10) {
					case 0:
						c.Set(key, key*10)
					case 1:
						c.Delete(key)
					case 2:
						for i, r := range c.GetOrLoadMany(ctx, []int{key, key + 1}, func(ctx context.Context, keys []int) (map[int]int, error) {
							out := map[int]int{}
							for _, k := range keys {
								v, err := load(ctx, k)
								if err != nil {
									return out, err
								}
								out[k] = v
							}
							return out, nil
						}) {
							if r.Err == nil && r.Value != (key+i)*10 {
								wrong.Add(1)
							}
						}
					case 3:
						if rand.IntN(20) == 0 {
							c.Clear()
						}
					default:
						if v, err := c.GetOrLoad(ctx, key, load); err == nil && v != key*10 {
							wrong.Add(1)
						}
					}
				}()
			}
		})
	}
	group.Wait()
	require.Zero(t, wrong.Load())
	require.Eventually(t, func() bool {
		st := c.Stats()
		return st.Loading+st.Waiting+st.Queued == 0 && runtime.NumGoroutine() <= before+1
	}, 10*time.Second, time.Millisecond)
}

func TestAHerdLoadsOnce(t *testing.T) {
	c := newCache(t, cache.Config[string, int]{MaxEntries: 8})
	var calls atomic.Int32
	start, release := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	for range 10_000 {
		group.Go(func() {
			<-start
			v, err := c.GetOrLoad(context.Background(), "a", func(context.Context, string) (int, error) {
				calls.Add(1)
				<-release
				return 3, nil
			})
			if v != 3 || err != nil {
				panic(fmt.Sprint(v, err))
			}
		})
	}
	close(start)
	require.Eventually(t, func() bool { return c.Stats().Waiting > 0 }, 10*time.Second, time.Millisecond)
	close(release)
	group.Wait()
	require.EqualValues(t, 1, calls.Load())
}

// What GetOrLoad would yet return though it has expired, DeleteFunc is shown, and takes away.
func TestDeleteFuncEndsWhatIsStale(t *testing.T) {
	for name, config := range map[string]cache.Config[string, int]{
		"stale-for": {StaleFor: time.Hour}, "stale-if-error": {StaleIfError: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []cache.Reason
				config.MaxEntries, config.TTL = 8, time.Minute
				config.OnRemove = func(_ string, _ int, r cache.Reason) { told = append(told, r) }
				c := newCache(t, config)
				c.Set("a", 1)
				time.Sleep(2 * time.Minute)
				require.Zero(t, c.DeleteFunc(func(string, int) bool { return false }))
				require.Equal(t, 1, c.DeleteFunc(func(key string, v int) bool { return key == "a" && v == 1 }))
				require.Equal(t, []cache.Reason{cache.Expired}, told)
				_, err := c.GetOrLoad(t.Context(), "a", func(context.Context, string) (int, error) { return 0, errDown })
				require.Equal(t, errDown, err)
				c.Set("a", 1)
				time.Sleep(2 * time.Hour)
				c.DeleteFunc(func(string, int) bool { t.Error("nobody gets it any more"); return true })
			})
		})
	}
}

// The largest TTL less the smallest fraction of it is no end of all ends.
func TestRefreshAheadOfAnEndlessTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: math.MaxInt64, RefreshAhead: 1e-17})
		c.SetTTL("a", 1, time.Second)
		time.Sleep(2 * time.Second)
		v, err := c.GetOrLoad(t.Context(), "a", func(context.Context, string) (int, error) { return 2, nil })
		require.NoError(t, err)
		require.Equal(t, 2, v)
		require.EqualValues(t, 1, c.Stats().Loads)
		_, err = c.GetOrLoad(t.Context(), "a", nil)
		require.NoError(t, err)
		require.Zero(t, c.Stats().Refreshes, "it lives for ever")
	})
}

// A caller who waits for a refresh does not fail because its time is over: he loads himself, alone or with others.
func TestWhoWaitsForARefreshIsNotCutShort(t *testing.T) {
	for _, backoff := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := newCache(t, cache.Config[string, int]{
				MaxEntries: 8, TTL: time.Minute, StaleFor: time.Minute, RefreshTimeout: 10 * time.Second, Backoff: backoff,
			})
			var calls atomic.Int32
			load := func(ctx context.Context, _ string) (int, error) {
				calls.Add(1)
				select {
				case <-time.After(15 * time.Second):
					return 2, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}
			many := func(ctx context.Context, keys []string) (map[string]int, error) {
				v, err := load(ctx, keys[0])
				return map[string]int{keys[0]: v}, err
			}
			c.Set("a", 1)
			time.Sleep(2*time.Minute - time.Second)
			v, err := c.GetOrLoad(t.Context(), "a", load)
			require.NoError(t, err)
			require.Equal(t, 1, v, "stale")
			time.Sleep(2 * time.Second)
			one, other := ask(t.Context(), c, "a", load), ask(t.Context(), c, "a", load)
			got := c.GetOrLoadMany(t.Context(), []string{"a"}, many)
			if backoff == 0 {
				require.Equal(t, []cache.Result[int]{{Value: 2}}, got)
				require.Equal(t, []loaded{{v: 2}, {v: 2}}, []loaded{<-one, <-other})
				require.EqualValues(t, 2, calls.Load())
			} else { // the refresh failed, and is not to be repeated yet
				require.Equal(t, []loaded{{err: context.DeadlineExceeded}, {err: context.DeadlineExceeded}}, []loaded{<-one, <-other})
				require.Equal(t, context.DeadlineExceeded, got[0].Err)
				require.EqualValues(t, 1, calls.Load())
			}
			synctest.Wait()
			require.Zero(t, c.Stats().Waiting+c.Stats().Loading)
		})
	}
}
