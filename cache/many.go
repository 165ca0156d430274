package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrNotLoaded is the error of a key that the loader of [Cache.GetOrLoadMany] was asked for and did not return.
var ErrNotLoaded = errors.New("cache: the loader returned no value for the key")

// A KeyErrors is an error of a loader of many keys that says which of them failed, and why. The others count
// as loaded.
type KeyErrors[K comparable] map[K]error

// Error returns how many keys failed, and the error of one of them.
func (e KeyErrors[K]) Error() string {
	for key, err := range e {
		return fmt.Sprintf("%d keys failed, among them %v: %v", len(e), key, err)
	}
	return "no key failed"
}

// A Result is what GetOrLoadMany returns for one key.
type Result[V any] struct {
	Value V
	Err   error
}

// GetOrLoadMany is GetOrLoad for many keys: it returns one result for each, in their order, and the same for a
// key that comes twice. It calls load once, with those keys, each once, in their order, that have no fresh
// value and are not being loaded; for those that are, it waits. Who asks for one of the keys meanwhile waits
// for this load.
//
// load returns the values that it found. A key without one fails with its error in the [KeyErrors] that load returns,
// with any other error that it returns, or else with [ErrNotLoaded]. Failures and stale values are dealt with
// key by key, as the table of [Cache.GetOrLoad] has it, but for refreshing behind: an entry that is
// fresh is returned, and one that has expired is loaded with the others.
func (c *Cache[K, V]) GetOrLoadMany(ctx context.Context, keys []K, load func(context.Context, []K) (map[K]V, error)) []Result[V] {
	results := make([]Result[V], len(keys))
	var todo []int // numbers of keys that must be waited for
	olds := make(map[int]*seen[V])
	for i, key := range keys {
		var old seen[V]
		age := c.look(key, &old, false)
		if age == fresh || age == ageing {
			results[i].Value = old.val.v
			continue
		}
		if err := c.loads.failure(key); err == nil {
			todo = append(todo, i)
		} else if old.ok {
			c.loads.staleOnError.Add(1)
			results[i].Value = old.val.v
		} else {
			c.loads.negativeHits.Add(1)
			results[i].Err = err
		}
		if old.ok {
			olds[i] = &old
		}
	}
	if len(todo) == 0 {
		return results
	}
	if ctx.Err() != nil {
		for _, i := range todo {
			results[i].Err = context.Cause(ctx)
		}
		return results
	}
	var panicked *LoadPanic
	for len(todo) > 0 {
		var again []int
		for i, l := range c.joinMany(ctx, keys, todo, results, load) {
			r, old := &results[i], olds[i]
			switch {
			case !c.wait(ctx, l):
				r.Err = context.Cause(ctx)
			case l.cut && c.loads.failure(keys[i]) == nil:
				again = append(again, i)
			case l.panicked != nil:
				panicked = l.panicked
			case l.err != nil && old != nil:
				c.loads.staleOnError.Add(1)
				r.Value = old.val.v
			default:
				*r = Result[V]{l.val, l.err}
			}
		}
		slices.Sort(again)
		todo = again
	}
	if panicked != nil {
		panic(panicked)
	}
	return results
}

// joinMany begins one load for those of the numbered keys that are not being loaded, and returns what to
// wait for, by number. A value that came just now it writes to results.
func (c *Cache[K, V]) joinMany(ctx context.Context, keys []K, todo []int, results []Result[V], load func(context.Context, []K) (map[K]V, error)) map[int]*loading[V] {
	ls := c.loads
	from := ls.aboard(ctx)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	waits := make(map[int]*loading[V], len(todo))
	var asked []K
	var mine []*loading[V]
	var f *flight
	for _, i := range todo {
		key := keys[i]
		if v, ok := c.Peek(key); ok {
			results[i].Value = v
			continue
		}
		l := ls.current[key]
		if l == nil || l.abandoned() {
			if f == nil {
				f = &flight{done: make(chan struct{})}
			}
			l = &loading[V]{flight: f, err: ErrLoaderExited}
			ls.enter(key, l)
			asked, mine = append(asked, key), append(mine, l)
		} else if from != nil && ls.leadsTo(l.flight, from) {
			results[i].Err = ErrLoadCycle
			continue
		}
		ls.board(l.flight, from)
		waits[i] = l
	}
	if f != nil {
		ctx, f.cancel = context.WithCancel(&seat{ctx, ls, f})
		ls.queued.Add(1)
		go flyMany(ctx, ls, f, asked, mine, load)
	}
	return waits
}

// flyMany is fly for several keys.
func flyMany[K comparable, V any](ctx context.Context, ls *loads[K, V], f *flight, keys []K, mine []*loading[V], load func(context.Context, []K) (map[K]V, error)) {
	ls.run(ctx, f, func() {
		values, err := load(ctx, slices.Clone(keys)) // which it may sort
		var failed KeyErrors[K]
		errors.As(err, &failed)
		for i, key := range keys {
			v, ok := values[key]
			mine[i].val, mine[i].err = v, nil
			switch {
			case failed != nil && failed[key] != nil:
				mine[i].err = failed[key]
			case !ok && err != nil && failed == nil:
				mine[i].err = err
			case !ok:
				mine[i].err = ErrNotLoaded
			}
		}
	}, func(p *LoadPanic, ran bool) {
		next := 0
		var landAll func()
		landAll = func() { // those that are left as well, if a function of the Config ends the goroutine
			defer func() {
				if next < len(keys) {
					landAll()
				}
			}()
			for next < len(keys) {
				i := next
				next++
				mine[i].end(ctx, p, ran)
				land(ctx, ls.home.Value(), ls, keys[i], ls.ttl, mine[i], nil)
			}
		}
		landAll()
	})
}

// Memo returns load with c before it: a function that calls load only for what c does not hold.
func Memo[K comparable, V any](c *Cache[K, V], load func(context.Context, K) (V, error)) func(context.Context, K) (V, error) {
	return func(ctx context.Context, key K) (V, error) { return c.GetOrLoad(ctx, key, load) }
}

// MemoBy is Memo for a function whose argument is not the key itself: several arguments in a struct, of which
// key makes what they are remembered by. Arguments with the same key must mean the same.
func MemoBy[A any, K comparable, V any](c *Cache[K, V], key func(A) K, load func(context.Context, A) (V, error)) func(context.Context, A) (V, error) {
	return func(ctx context.Context, args A) (V, error) {
		return c.GetOrLoad(ctx, key(args), func(ctx context.Context, _ K) (V, error) { return load(ctx, args) })
	}
}
