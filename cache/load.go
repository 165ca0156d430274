package cache

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLoaderExited is returned by [Cache.GetOrLoad] when the loader ended its goroutine
// with runtime.Goexit, as t.FailNow does.
var ErrLoaderExited = errors.New("cache: the loader called runtime.Goexit")

// ErrLoadCycle is returned by [Cache.GetOrLoad] to a loader that asks, with the ctx that it was given, for what
// waits for that loader itself: its own key, or one whose loader waits for it.
var ErrLoadCycle = errors.New("cache: the loader would wait for itself")

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
// Each caller stops waiting when its own ctx ends, and gets the cause of that. The ctx of load has the values
// of the ctx of whoever came first, and ends when nobody waits any more. load runs in a goroutine of its own,
// when fewer than [Config.MaxLoads] do. It may load other keys: with the ctx that it was given these need no
// turn of their own, and none waits for itself, see [ErrLoadCycle].
//
// An error of load is returned to all who wait for it and is not kept, unless [Config.NegativeTTL]
// or [Config.Backoff] say so: the next caller loads again. If load panics, every caller that waits
// panics with a [*LoadPanic]; if it calls runtime.Goexit, they get [ErrLoaderExited].
//
// A Set, Delete, DeleteFunc or Clear during a load wins over its result: that is
// returned to those who waited for it already, but not stored, and whoever asks afterwards does not get it.
//
// What GetOrLoad does depends on what is there and on how old it is:
//
//	state of the key             a caller gets               and
//	-------------------------    ------------------------    ------------------------------
//	fresh                        the value                   -
//	fresh, past RefreshAhead     the value                   it is refreshed behind
//	expired, within StaleFor     the value                   it is refreshed behind
//	expired, within              what a load returns, or     an error is counted, and
//	  StaleIfError               the value if it fails       remembered as below
//	absent, or older             what a load returns         -
//	failed of late               the value if it may be      no load until NegativeTTL
//	                             stale, else the error       or Backoff is over
//	being loaded                 waits for that load         at most one load for a key
//	being refreshed              as if it were not           at most one refresh for a key
//
// A refresh runs with nobody waiting, for at most [Config.RefreshTimeout]. Where MaxLoads are under way
// it is left to the next caller. If it fails, or panics, the value stays as old as it is.
func (c *Cache[K, V]) GetOrLoad(ctx context.Context, key K, load func(context.Context, K) (V, error)) (V, error) {
	if v, ok := c.young(key); ok {
		return v, nil
	}
	return c.getOrLoad(ctx, key, loader[K, V]{plain: load})
}

// GetOrLoadTTL is GetOrLoad for a loader that says how long its result lives, as [Cache.SetTTL] has it:
// zero is for ever, and a result with a negative time to live is returned and not stored.
func (c *Cache[K, V]) GetOrLoadTTL(ctx context.Context, key K, load func(context.Context, K) (V, time.Duration, error)) (V, error) {
	if v, ok := c.young(key); ok {
		return v, nil
	}
	return c.getOrLoad(ctx, key, loader[K, V]{timed: load})
}

// A loader is one of the two forms of a load function.
type loader[K comparable, V any] struct {
	plain func(context.Context, K) (V, error)
	timed func(context.Context, K) (V, time.Duration, error)
	mark  mark // of what it returns
}

// call returns what the loader does, and how long that is to live.
func (l loader[K, V]) call(ctx context.Context, key K, ttl time.Duration) (V, time.Duration, error) {
	if l.timed != nil {
		return l.timed(ctx, key)
	}
	v, err := l.plain(ctx, key)
	return v, ttl, err
}

// young is Get for a value that need not be refreshed either. It does not count that there was none.
func (c *Cache[K, V]) young(key K) (V, bool) { return c.read(key, c.loads.ahead, false) }

// getOrLoad is GetOrLoad for a key that has no young value.
func (c *Cache[K, V]) getOrLoad(ctx context.Context, key K, load loader[K, V]) (V, error) {
	var old seen[V]
	if c.loads.watchful {
		switch age := c.look(key, &old, true); {
		case age == fresh:
			return old.val.v, nil
		case age == ageing, age == stale:
			c.refresh(ctx, key, load, old)
			return old.val.v, nil
		}
		if err := c.loads.failure(key); err != nil {
			if old.ok {
				c.loads.staleOnError.Add(1)
				return old.val.v, nil
			}
			c.loads.negativeHits.Add(1)
			var none V
			return none, err
		}
	} else {
		c.reads.mine().misses.Add(1)
	}
	if ctx.Err() != nil {
		var none V
		return none, context.Cause(ctx)
	}
	var l *loading[V]
	for more := true; more; more = l.cut && c.loads.failure(key) == nil {
		var v V
		var err error
		if v, l, err = c.join(ctx, key, load); l == nil {
			return v, err
		}
		if !c.wait(ctx, l) {
			return v, context.Cause(ctx)
		}
	}
	if l.panicked != nil {
		panic(l.panicked)
	}
	if l.err != nil && old.ok {
		c.loads.staleOnError.Add(1)
		return old.val.v, nil
	}
	return l.val, l.err
}

// wait waits for l, and reports whether it was done before ctx.
func (c *Cache[K, V]) wait(ctx context.Context, l *loading[V]) bool {
	from := c.loads.aboard(ctx)
	select {
	case <-l.done:
		if from == nil {
			c.loads.waiting.Add(-1)
		} else {
			c.loads.leave(l.flight, from)
		}
		return true
	case <-ctx.Done():
		c.loads.leave(l.flight, from)
		return false
	}
}
