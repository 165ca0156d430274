package cache

import (
	"cmp"
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"golang.org/x/sync/semaphore"
)

// loads are the loads under way of one cache, and what its callers may expect of them. It is apart from
// the Cache, because a refresh holds on to it and must not keep the Cache from being collected.
type loads[K comparable, V any] struct {
	loadConfig

	// mu guards current, and the waiters of each flight. It is held while a result is
	// stored, so it comes before the engine's locks; no code of the user's runs under it.
	mu      sync.Mutex
	current map[K]*loading[V] // the load whose result may be stored, by key

	pending  atomic.Int64 // len(current), for those who need not lock if it is zero
	turns    *semaphore.Weighted
	failures *Cache[K, failure] // nil: none are remembered
	times    loadTimes

	running, queued, waiting              atomic.Int64
	begun, failed, refreshes              atomic.Uint64
	staleHits, staleOnError, negativeHits atomic.Uint64
}

// A loadConfig is what the Config says of loads.
type loadConfig struct {
	ttl                           time.Duration
	ahead, staleFor, staleIfError instant // how long before its end an entry is refreshed, and after it still returned
	refreshTimeout                time.Duration
	negativeTTL, backoff          time.Duration
	negativeIf                    func(error) bool
	watchful                      bool // any of them is set: GetOrLoad must know an entry's age
}

const (
	defaultMaxLoads       = 1000
	defaultRefreshTimeout = time.Minute
)

func newLoads[K comparable, V any](config *Config[K, V]) (*loads[K, V], error) {
	ls := &loads[K, V]{loadConfig: loadConfig{
		ttl:            config.TTL,
		ahead:          int64(float64(config.TTL)*(1-config.RefreshAhead)) >> instantShift,
		staleFor:       int64(config.StaleFor) >> instantShift,
		staleIfError:   int64(config.StaleIfError) >> instantShift,
		refreshTimeout: cmp.Or(config.RefreshTimeout, defaultRefreshTimeout),
		negativeTTL:    config.NegativeTTL,
		backoff:        config.Backoff,
		negativeIf:     config.NegativeIf,
	}}
	if config.RefreshAhead == 0 {
		ls.ahead = 0
	}
	ls.turns = semaphore.NewWeighted(int64(cmp.Or(config.MaxLoads, defaultMaxLoads)))
	if n := config.failureBound(); n > 0 {
		var err error
		ls.failures, err = New(Config[K, failure]{
			MaxEntries: maxFailures, MaxBytes: n, Size: func(_ K, f failure) int64 { return f.bytes },
		})
		if err != nil {
			return nil, err
		}
	}
	ls.watchful = ls.ahead > 0 || ls.staleFor > 0 || ls.staleIfError > 0 || ls.failures != nil
	return ls, nil
}

// failureBound returns how many bytes remembered failures may take: none if none are remembered.
func (c *Config[K, V]) failureBound() int64 {
	switch {
	case c.NegativeTTL == 0 && c.Backoff == 0:
		return 0
	case c.MaxBytes == 0:
		return mostFailureBytes
	}
	return min(mostFailureBytes, max(leastFailureBytes, c.MaxBytes/16))
}

// A flight is one call of a loader.
type flight struct {
	cancel  context.CancelFunc
	waiters int  // of all its keys
	behind  bool // a refresh: it goes on with nobody waiting
	done    chan struct{}
}

// A loading is one key of a flight. What it holds but the flight is set when that is done.
type loading[V any] struct {
	*flight
	val      V
	err      error
	panicked *LoadPanic
	ran      bool // the loader did
}

// A seen is the entry that a load is to replace, as it was when the load began.
type seen[V any] struct {
	ok   bool
	head uint64
	val  cell[V]
}

// join returns the load of key that is under way, or begins one. It returns no load
// but the value if that came just now.
func (c *Cache[K, V]) join(ctx context.Context, key K, load loader[K, V]) (v V, l *loading[V]) {
	ls := c.loads
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if v, ok := c.Peek(key); ok {
		return v, nil
	}
	l = ls.current[key]
	if l == nil || l.waiters == 0 && !l.behind { // a load that nobody waits for was told to give up
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		l = ls.register(key, cancel)
		ls.queued.Add(1)
		go fly(ctx, weak.Make(c), ls, key, load, l, nil)
	}
	ls.board(l.flight)
	return v, l
}

// register makes a load of key the current one. ls.mu must be held.
func (ls *loads[K, V]) register(key K, cancel context.CancelFunc) *loading[V] {
	l := &loading[V]{flight: &flight{cancel: cancel, done: make(chan struct{})}, err: ErrLoaderExited}
	ls.enter(key, l)
	return l
}

func (ls *loads[K, V]) enter(key K, l *loading[V]) {
	if key == key { // otherwise it could not be found again, nor taken out
		if ls.current == nil {
			ls.current = make(map[K]*loading[V])
		}
		ls.current[key] = l
		ls.pending.Store(int64(len(ls.current)))
	}
}

// board counts one who waits for f. ls.mu must be held.
func (ls *loads[K, V]) board(f *flight) {
	f.waiters++
	ls.waiting.Add(1)
}

// leave is called by one who does not wait for f any more.
func (ls *loads[K, V]) leave(f *flight) {
	ls.waiting.Add(-1)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if f.waiters--; f.waiters == 0 && !f.behind {
		f.cancel()
	}
}

// fly waits for its turn, calls the loader, and stores what that returns unless it was superseded. It holds no
// pointer to the cache while the loader runs. A refresh has its turn already.
func fly[K comparable, V any](ctx context.Context, c weak.Pointer[Cache[K, V]], ls *loads[K, V], key K, load loader[K, V], l *loading[V], old *seen[V]) {
	var ttl time.Duration
	ls.run(ctx, l.flight, func() {
		v, life, err := load.call(ctx, key, ls.ttl)
		l.val, l.err, ttl = v, err, life
	}, func(p *LoadPanic, ran bool) {
		l.end(ctx, p, ran)
		land(ctx, c.Value(), ls, key, ttl, l, old)
	})
}

// end completes what a loader left: it panicked, or did not run because nobody waited any more.
func (l *loading[V]) end(ctx context.Context, p *LoadPanic, ran bool) {
	l.panicked, l.ran = p, ran
	if !ran {
		l.err = context.Cause(ctx)
	}
}

// run calls fn when it is its turn, counts and times that, and then calls end, with the panic of fn and
// whether it ran at all, and tells those who wait.
func (ls *loads[K, V]) run(ctx context.Context, f *flight, fn func(), end func(p *LoadPanic, ran bool)) {
	var p *LoadPanic
	if !f.behind {
		err := ls.turns.Acquire(ctx, 1)
		ls.queued.Add(-1)
		if err != nil {
			defer close(f.done)
			end(nil, false)
			return
		}
	}
	ls.begun.Add(1)
	ls.running.Add(1)
	began := time.Now()
	defer func() {
		if v := recover(); v != nil {
			p = &LoadPanic{v, debug.Stack()}
		}
		ls.times.add(time.Since(began))
		ls.turns.Release(1)
		ls.running.Add(-1)
		defer close(f.done)
		defer f.cancel()
		end(p, true)
	}()
	fn()
}

// land stores the result of one key, or remembers its failure, unless something superseded the load meanwhile.
// A c of nil was collected meanwhile.
func land[K comparable, V any](ctx context.Context, c *Cache[K, V], ls *loads[K, V], key K, ttl time.Duration, l *loading[V], old *seen[V]) {
	if l.err != nil || l.panicked != nil {
		if l.ran {
			ls.failed.Add(1)
		}
		f, keep := ls.judge(ctx, key, l)
		ls.finish(key, l, func() {
			if keep {
				ls.failures.SetTTL(key, f, f.life)
			}
		})
		return
	}
	if c == nil || ttl < 0 {
		ls.finish(key, l, func() {})
		return
	}
	w := write[K, V]{key: key, val: l.val, over: old}
	if old == nil {
		w.over = new(seen[V])
	}
	c.prepare(&w, ttl)
	ls.finish(key, l, func() {
		ls.forget(key)
		c.put(&w)
	})
	if w.removed != nil {
		c.deliver(w.removed)
	}
}

// finish takes a load out of the current ones, and calls store if it was one of them still.
func (ls *loads[K, V]) finish(key K, l *loading[V], store func()) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.current[key] == l {
		delete(ls.current, key)
		ls.pending.Store(int64(len(ls.current)))
		store()
	}
}

// supersede keeps the load of key that is under way, if any, from being stored.
func (ls *loads[K, V]) supersede(key K) {
	if ls.pending.Load() != 0 || ls.failures != nil {
		ls.supersedeSlow(key)
	}
}

func (ls *loads[K, V]) supersedeSlow(key K) {
	ls.forget(key)
	if ls.pending.Load() == 0 {
		return
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.current, key)
	ls.pending.Store(int64(len(ls.current)))
}

// supersedeAll does so for all keys.
func (ls *loads[K, V]) supersedeAll() {
	if ls.failures != nil {
		ls.failures.Clear()
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	clear(ls.current)
	ls.pending.Store(0)
}
