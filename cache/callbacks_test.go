package cache

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// useAll calls every method of c.
func useAll(c *Cache[int, string]) {
	c.Get(1)
	c.Peek(1)
	c.Set(1000, "x")
	c.SetTTL(1001, "x", time.Hour)
	c.Delete(1000)
	c.DeleteFunc(func(key int, _ string) bool { return key == 1001 })
	_, _ = c.GetOrLoad(context.Background(), 1002, func(context.Context, int) (string, error) { return "x", nil })
	for range c.All() {
		break
	}
	c.Sweep()
	c.Shrink(0.01)
	_ = c.Resize(c.MaxEntries(), c.MaxBytes())
	c.Stats()
	c.Clear()
}

func TestOnRemoveMayUseTheCacheAndHearsEachReason(t *testing.T) {
	var c *Cache[int, string]
	heard := map[Reason]int{}
	inside := false
	c = build(t, Config[int, string]{MaxEntries: 4, MaxBytes: 64 << 10, OnRemove: func(_ int, _ string, r Reason) {
		heard[r]++
		if !inside {
			inside = true
			useAll(c)
			inside = false
		}
	}})
	for reason, cause := range map[Reason]func(){
		Evicted:  func() { c.Shrink(1) },
		Expired:  func() { c.SetTTL(1, "a", 1); c.Sweep() },
		Deleted:  func() { c.Delete(1) },
		Replaced: func() { c.Set(1, "b") },
		Cleared:  func() { c.Clear() },
		Refused:  func() { c.Set(2, string(make([]byte, 1<<20))) },
	} {
		c.Set(1, "a")
		clear(heard)
		cause()
		require.NotZero(t, heard[reason], reason)
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
