package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// ErrLoaderExited is returned by [Cache.GetOrLoad] when the loader ended its goroutine
// with runtime.Goexit, as t.FailNow does.
var ErrLoaderExited = errors.New("cache: the loader called runtime.Goexit")

// A LoadPanic is what [Cache.GetOrLoad] panics with, in every caller that waits, when
// the loader panicked.
type LoadPanic struct {
	Value any    // what the loader panicked with
	Stack []byte // of the loader
}

// Error returns the value and the stack.
func (p *LoadPanic) Error() string {
	return fmt.Sprintf("cache: the loader panicked: %v\n\n%s", p.Value, p.Stack)
}

// Unwrap returns the value if it is an error.
func (p *LoadPanic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// GetOrLoad returns the value for key, and calls load for it if there is none. Callers
// that ask for the same key while it is being loaded wait for the same load, so that
// one call serves them all.
//
// Each caller stops waiting when its own ctx ends, and gets the cause of that. The ctx of
// load has the values of the ctx of whoever came first, and ends when nobody waits any more.
// load runs in a goroutine of its own.
//
// An error of load is returned to all who wait for it and is not kept: the next caller
// loads again. If load panics, every caller that waits panics with a [*LoadPanic]; if it calls
// runtime.Goexit, they get [ErrLoaderExited].
//
// A Set, Delete, DeleteFunc or Clear during a load wins over its result: that is
// returned to those who waited for it already, but not stored, and whoever asks afterwards does not get it.
func (c *Cache[K, V]) GetOrLoad(ctx context.Context, key K, load func(context.Context, K) (V, error)) (V, error) {
	if v, ok := c.Get(key); ok {
		return v, nil
	}
	if ctx.Err() != nil {
		var none V
		return none, context.Cause(ctx)
	}
	v, l := c.join(ctx, key, load)
	if l == nil {
		return v, nil
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		c.loads.leave(l)
		var none V
		return none, context.Cause(ctx)
	}
	c.loads.waiting.Add(-1)
	if l.panicked != nil {
		panic(l.panicked)
	}
	return l.val, l.err
}

// loads are the loads under way of one cache.
type loads[K comparable, V any] struct {
	// mu guards current and the waiters of each load. It is held while a result is
	// stored, so it comes before the engine's locks; no code of the user's runs under it.
	mu      sync.Mutex
	current map[K]*loading[V] // the load whose result may be stored, by key

	pending atomic.Int64 // len(current), for those who need not lock if it is zero
	running atomic.Int64
	waiting atomic.Int64
	begun   atomic.Uint64
	failed  atomic.Uint64
}

// A loading is one call of a loader.
type loading[V any] struct {
	cancel  context.CancelFunc
	waiters int
	done    chan struct{} // closed when the fields below are set

	val      V
	err      error
	panicked *LoadPanic
}

// join returns the load of key that is under way, or begins one. It returns no load
// but the value if that came just now.
func (c *Cache[K, V]) join(ctx context.Context, key K, load func(context.Context, K) (V, error)) (v V, l *loading[V]) {
	ls := &c.loads
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if v, ok := c.Peek(key); ok {
		return v, nil
	}
	l = ls.current[key]
	if l == nil || l.waiters == 0 { // a load that nobody waits for was told to give up
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		l = &loading[V]{cancel: cancel, done: make(chan struct{}), err: ErrLoaderExited}
		if key == key { // otherwise it could not be found again, nor taken out
			if ls.current == nil {
				ls.current = make(map[K]*loading[V])
			}
			ls.current[key] = l
			ls.pending.Store(int64(len(ls.current)))
		}
		ls.begun.Add(1)
		ls.running.Add(1)
		go c.load(ctx, key, load, l)
	}
	l.waiters++
	ls.waiting.Add(1)
	return v, l
}

// leave is called by one who does not wait for l any more.
func (ls *loads[K, V]) leave(l *loading[V]) {
	ls.waiting.Add(-1)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.waiters--; l.waiters == 0 {
		l.cancel()
	}
}

// load calls the loader, and stores what it returns unless that was superseded.
func (c *Cache[K, V]) load(ctx context.Context, key K, load func(context.Context, K) (V, error), l *loading[V]) {
	defer func() {
		if v := recover(); v != nil {
			l.panicked = &LoadPanic{v, debug.Stack()}
		}
		if l.err != nil || l.panicked != nil {
			c.loads.failed.Add(1)
		}
		c.finish(key, l, nil)
		c.loads.running.Add(-1)
		l.cancel()
		close(l.done)
	}()
	v, err := load(ctx, key)
	l.val, l.err = v, err
	if err == nil {
		w := write[K, V]{key: key, val: v}
		c.prepare(&w, c.ttl)
		c.finish(key, l, &w)
		c.deliver(w.removed)
	}
}

// finish takes a load out of the current ones, if it is one of them still, and then
// stores its result, if it has one.
func (c *Cache[K, V]) finish(key K, l *loading[V], result *write[K, V]) {
	ls := &c.loads
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.current[key] != l {
		return
	}
	delete(ls.current, key)
	ls.pending.Store(int64(len(ls.current)))
	if result == nil {
		return
	}
	if _, ok := c.Peek(key); !ok { // what is there was set meanwhile, by a Set that began before the load
		c.put(result)
	}
}

// supersede keeps the load of key that is under way, if any, from being stored.
func (ls *loads[K, V]) supersede(key K) {
	if ls.pending.Load() != 0 {
		ls.supersedeSlow(key)
	}
}

func (ls *loads[K, V]) supersedeSlow(key K) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.current, key)
	ls.pending.Store(int64(len(ls.current)))
}

// supersedeAll does so for all keys.
func (ls *loads[K, V]) supersedeAll() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	clear(ls.current)
	ls.pending.Store(0)
}

func (ls *loads[K, V]) stats(st *Stats) {
	st.Loads, st.LoadErrors = ls.begun.Load(), ls.failed.Load()
	st.Loading, st.Waiting = int(ls.running.Load()), int(ls.waiting.Load())
}
