package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// requireUnlocked requires that nobody holds any lock of c, which one goroutine alone uses.
func requireUnlocked[K comparable, V any](t testing.TB, c *Cache[K, V]) {
	t.Helper()
	locks := map[string]*sync.Mutex{
		"resizing": &c.engine.resizing, "collecting": &c.engine.collecting, "loads": &c.loads.mu,
	}
	r := c.engine.root.Load()
	for i := range r.shards {
		locks[fmt.Sprint("shard ", i)] = &r.shards[i].mu
	}
	if g := c.engine.groups; g != nil {
		locks["groups"] = &g.mu
	}
	for name, mu := range locks {
		if !mu.TryLock() {
			require.Fail(t, "a lock is held: "+name)
		}
		mu.Unlock()
	}
}

// useAll calls every method of c.
func useAll(t testing.TB, c *Cache[int, string]) {
	c.Get(1)
	c.Peek(1)
	c.Set(1000, "x")
	c.SetTTL(1001, "x", time.Hour)
	c.Delete(1000)
	c.DeleteFunc(func(key int, _ string) bool { return key == 1001 })
	ctx := context.Background()
	_, _ = c.GetOrLoad(ctx, 1002, func(context.Context, int) (string, error) { return "x", nil })
	_, _ = c.GetOrLoadTTL(ctx, 1003, func(context.Context, int) (string, time.Duration, error) { return "x", time.Hour, nil })
	c.GetOrLoadMany(ctx, []int{1004}, func(context.Context, []int) (map[int]string, error) { return nil, nil })
	for range c.All() {
		break
	}
	for range c.Keys() {
		break
	}
	c.Sweep()
	c.Shrink(0.01)
	require.NoError(t, c.Resize(c.MaxEntries(), c.MaxBytes()))
	require.LessOrEqual(t, c.Len(), c.MaxEntries())
	require.LessOrEqual(t, c.Bytes(), c.MaxBytes())
	_ = c.Stats().String()
	g := c.Group("g")
	g.Set(1005, "x")
	g.Invalidate()
	var file bytes.Buffer
	_, err := c.WriteTo(&file)
	require.NoError(t, err)
	_, err = c.ReadFrom(bytes.NewReader(file.Bytes()))
	require.NoError(t, err)
	c.Clear()
}

func TestOnRemoveMayUseTheCacheAndHearsEachReason(t *testing.T) {
	const maxEntries, maxBytes = 4, 128 << 10
	var c *Cache[int, string]
	heard := map[Reason]int{}
	inside := false
	c = build(t, Config[int, string]{MaxEntries: maxEntries, MaxBytes: maxBytes, Groups: true, OnRemove: func(_ int, _ string, r Reason) {
		heard[r]++
		requireUnlocked(t, c)
		if !inside {
			inside = true
			useAll(t, c)
			inside = false
		}
	}})
	ctx := context.Background()
	loaded := func(context.Context, int) (string, error) { return "x", nil }
	for _, test := range []struct {
		name   string
		reason Reason
		cause  func()
	}{
		{"set", Evicted, func() {
			for i := range maxEntries + 1 {
				c.Set(i, "a")
			}
		}},
		{"load", Evicted, func() {
			for i := range maxEntries + 1 {
				_, _ = c.GetOrLoad(ctx, i+100, loaded)
			}
		}},
		{"bytes", Evicted, func() {
			inside = true // nobody clears it meanwhile
			for i := range maxEntries {
				c.Set(i, string(make([]byte, 12<<10)))
			}
			inside = false
			clear(heard)
			c.Set(2, string(make([]byte, 80<<10)))
		}},
		{"shrink", Evicted, func() { c.Shrink(1) }},
		{"resize", Evicted, func() { c.Set(2, "a"); require.NoError(t, c.Resize(1, maxBytes)) }},
		{"sweep", Expired, func() { c.SetTTL(2, "a", 1); c.Sweep() }},
		{"set", Expired, func() { c.SetTTL(2, "a", 1); c.Set(2, "b") }},
		{"delete", Expired, func() { c.SetTTL(2, "a", 1); c.Delete(2) }},
		{"invalidate", Expired, func() { c.Group("h").Set(2, "a"); c.InvalidateGroup("h"); c.Sweep() }},
		{"delete", Deleted, func() { c.Delete(1) }},
		{"delete-func", Deleted, func() { c.DeleteFunc(func(int, string) bool { return true }) }},
		{"negative-ttl", Deleted, func() { c.SetTTL(1, "b", -1) }},
		{"set", Replaced, func() { c.Set(1, "b") }},
		{"refused", Replaced, func() { c.Set(1, string(make([]byte, 1<<20))) }},
		{"clear", Cleared, func() { c.Clear() }},
		{"refused", Refused, func() { c.Set(2, string(make([]byte, 1<<20))) }},
		{"load", Refused, func() {
			_, _ = c.GetOrLoad(ctx, 2, func(context.Context, int) (string, error) { return string(make([]byte, 1<<20)), nil })
		}},
	} {
		t.Run(test.name+"/"+test.reason.String(), func(t *testing.T) {
			require.NoError(t, c.Resize(maxEntries, maxBytes))
			c.Set(1, "a")
			clear(heard)
			test.cause()
			require.NotZero(t, heard[test.reason])
			checkInvariants(t, c)
		})
	}
}

// A Resize inside a Resize is the one that counts.
func TestResizeInsideAResize(t *testing.T) {
	for _, inner := range []int{50, 200, 2000} {
		t.Run(strconv.Itoa(inner), func(t *testing.T) {
			var c *Cache[int, string]
			resized := false
			c = build(t, Config[int, string]{MaxEntries: 1000, OnRemove: func(int, string, Reason) {
				require.LessOrEqual(t, c.Len(), c.MaxEntries())
				if !resized {
					resized = true
					require.NoError(t, c.Resize(inner, 0))
					require.LessOrEqual(t, c.Len(), inner)
				}
			}})
			for i := range 1000 {
				c.Set(i, "a")
			}
			require.NoError(t, c.Resize(100, 0))
			require.Equal(t, inner, c.MaxEntries())
			require.GreaterOrEqual(t, c.Len(), min(inner, 1000-turn), "the outer one goes on")
			checkInvariants(t, c)
			for i := range 3000 {
				c.Set(i, "a")
			}
			require.Equal(t, inner, c.Len())
		})
	}
}

// One bound rises when the other, which is lowered, holds: until then MaxEntries says what it was, and that is true.
func TestABoundRisesWithTheOther(t *testing.T) {
	var c *Cache[int, int]
	var calls int
	over := false
	c = build(t, Config[int, int]{
		MaxEntries: 100, MaxBytes: 1 << 20,
		Size: func(_, size int) int64 { return int64(size) },
		OnRemove: func(key, _ int, r Reason) {
			if calls++; r == Evicted {
				for other := range c.Keys() {
					c.Set(other, 100_000)
					break
				}
				over = over || c.Bytes() > c.MaxBytes()
			}
		},
	})
	for i := range 100 {
		c.Set(i, 1600)
	}
	require.NoError(t, c.Resize(100, c.Bytes()))
	require.Zero(t, calls)
	require.NoError(t, c.Resize(90, 1<<20))
	require.NotZero(t, calls)
	require.False(t, over)
	checkInvariants(t, c)
}

// Go cannot hash all that an interface may hold, and panics. No lock may be held by then.
func TestKeysThatCannotBeHashedLeaveNoLock(t *testing.T) {
	for _, config := range []Config[any, int]{{MaxEntries: 8}, {MaxEntries: 8, NegativeTTL: time.Hour, StaleFor: time.Hour, Groups: true}} {
		c := build(t, config)
		begun, release := make(chan struct{}), make(chan struct{})
		var group sync.WaitGroup
		group.Go(func() {
			_, _ = c.GetOrLoad(context.Background(), "slow", func(context.Context, any) (int, error) {
				close(begun)
				<-release
				return 0, errors.New("down")
			})
		})
		<-begun // a load is under way: a Set looks for one of its key
		key, load := any([]int{}), func(context.Context, any) (int, error) { return 1, nil }
		for name, f := range map[string]func(){
			"get":         func() { c.Get(key) },
			"peek":        func() { c.Peek(key) },
			"set":         func() { c.Set(key, 1) },
			"set-ttl":     func() { c.SetTTL(key, 1, -1) },
			"delete":      func() { c.Delete(key) },
			"get-or-load": func() { _, _ = c.GetOrLoad(context.Background(), key, load) },
			"get-or-load-many": func() {
				c.GetOrLoadMany(context.Background(), []any{1, key}, func(context.Context, []any) (map[any]int, error) { return nil, nil })
			},
		} {
			require.Panics(t, f, name)
			requireUnlocked(t, c)
		}
		close(release)
		group.Wait()
		require.True(t, c.Set("works", 1))
		checkInvariants(t, c)
	}
}

func TestRemovalsOfOneGoroutineComeInOrder(t *testing.T) {
	var want, got []int
	c := build(t, Config[int, string]{MaxEntries: 100, OnRemove: func(key int, _ string, _ Reason) { got = append(got, key) }})
	for i := range 100 {
		c.Set(i, "a")
	}
	c.DeleteFunc(func(key int, _ string) bool { want = append(want, key); return true })
	require.Len(t, want, 100)
	require.Equal(t, want, got)
}

// outlive calls f on a goroutine of its own, which may panic or exit.
func outlive(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		f()
	}()
	<-done
}

func TestPanicAndGoexitInUserCodeDamageNothing(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("user") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			failing, heard := false, 0
			failIf := func() {
				if failing {
					fail()
				}
			}
			sizing := false
			c := build(t, Config[int, string]{
				MaxEntries: 8,
				Size: func(int, string) int64 {
					if sizing {
						fail()
					}
					return 1
				},
				OnRemove: func(int, string, Reason) { heard++; failIf() },
			})
			for _, cause := range []func(){
				func() { c.Set(1, "b") },
				func() { c.Set(100, "new") },
				func() { c.Delete(2) },
				func() { c.Shrink(0.5) },
				func() { c.Sweep() },
				func() { _ = c.Resize(2, 0) },
				func() { c.Clear() },
				func() { c.DeleteFunc(func(int, string) bool { fail(); return true }) },
				func() { c.DeleteFunc(func(int, string) bool { return true }) },
				func() {
					for range c.All() {
						fail()
					}
				},
				func() { sizing = true; c.Set(1, "c") },
				func() {
					_, _ = c.GetOrLoad(context.Background(), 50, func(context.Context, int) (string, error) { fail(); return "", nil })
				},
			} {
				failing, sizing = false, false
				require.NoError(t, c.Resize(8, 0))
				c.Clear()
				for i := range 8 {
					c.Set(i, "a")
				}
				before, heardBefore, setsBefore := c.Len(), heard, c.Stats().Sets
				failing = true
				outlive(cause)
				failing, sizing = false, false
				lost := before + int(c.Stats().Sets-setsBefore) - c.Len()
				require.Equal(t, lost, heard-heardBefore, "each removal is told once")
				checkInvariants(t, c)
				require.True(t, c.Set(7, "still works"))
			}
		})
	}
}

// An OnRemove that always panics is told all the same, and the caller gets the first panic: not one
// inside the other, which would not fit in the stack of a goroutine.
func TestOnRemoveThatAlwaysPanics(t *testing.T) {
	const n = 10_000
	heard, deepest := 0, 0
	c := build(t, Config[int, int]{MaxEntries: n, OnRemove: func(int, int, Reason) {
		heard++
		if heard%1000 == 0 {
			deepest = max(deepest, runtime.Callers(0, make([]uintptr, n)))
		}
		panic(heard)
	}})
	for i := range n {
		c.Set(i, i)
	}
	require.PanicsWithValue(t, 1, c.Clear)
	require.Equal(t, n, heard)
	require.Less(t, deepest, 100)
	checkInvariants(t, c)
}
