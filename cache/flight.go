package cache

import (
	"cmp"
	"context"
	"reflect"
	"runtime/debug"
	"slices"
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

	// mu guards current, walks, and what each flight says it does. It is held while a result is
	// stored, so it comes before the engine's locks; no code of the user's runs under it.
	mu      sync.Mutex
	current map[K]*loading[V] // the load whose result may be stored, by key
	walks   uint64            // of leadsTo

	home     weak.Pointer[Cache[K, V]]
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
		ahead:          instant(float64(config.TTL>>instantShift) * (1 - config.RefreshAhead)), // which fits, where one of nanoseconds might not
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
		ofKey := sizerOf[K]()
		if config.Size != nil && !immutable(reflect.TypeFor[K]()) {
			ofKey.holds = holdsNothing // others may change what a key points to while it would be measured
		}
		ls.failures, err = New(Config[K, failure]{
			MaxEntries: maxFailures, MaxBytes: n, Groups: config.Groups,
			Size: func(key K, f failure) int64 { return ofKey.outside(&key) + f.bytes },
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
	least := int64(leastFailureBytes)
	if c.Groups {
		least *= 3
	}
	return min(mostFailureBytes, max(least, c.MaxBytes/16))
}

// A flight is one call of a loader.
type flight struct {
	cancel context.CancelFunc
	done   chan struct{}
	behind bool // a refresh: it goes on with nobody waiting

	// loads.mu guards these.
	waiters int       // of all its keys
	awaits  []*flight // those that its loader waits for
	ahead   func()    // lets it go first; nil unless it waits for its turn
	excused bool      // it needs no turn: a loader waits for it, which has one
	walk    uint64    // the last one of leadsTo that came here
}

// leadsTo reports whether f waits for g, itself or through others. It looks at each flight once, though there
// may be more ways to it than there are flights. ls.mu must be held.
func (ls *loads[K, V]) leadsTo(f, g *flight) bool {
	ls.walks++
	return f.leadsTo(g, ls.walks)
}

func (f *flight) leadsTo(g *flight, walk uint64) bool {
	if f == g || f.walk == walk {
		return f == g
	}
	f.walk = walk
	return slices.ContainsFunc(f.awaits, func(next *flight) bool { return next.leadsTo(g, walk) })
}

// A seat is the ctx of a flight, before it is made to end with it: it has the values of the ctx of whoever asked
// first, but not its end, and under the loads, as a key, the flight.
type seat struct {
	context.Context
	loads any
	*flight
}

func (s *seat) Deadline() (end time.Time, ok bool) { return end, false }
func (s *seat) Done() <-chan struct{}              { return nil }
func (s *seat) Err() error                         { return nil }

func (s *seat) Value(key any) any {
	if key == s.loads {
		return s.flight
	}
	return s.Context.Value(key)
}

// aboard returns the flight whose loader calls with this ctx; nil: it is no loader.
func (ls *loads[K, V]) aboard(ctx context.Context) *flight {
	f, _ := ctx.Value(ls).(*flight)
	return f
}

// A loading is one key of a flight. What it holds but the flight is set when that is done.
type loading[V any] struct {
	*flight
	mark     mark
	val      V
	err      error
	panicked *LoadPanic
	ran      bool // the loader did
	cut      bool // it was a refresh that failed as its time was over
}

// A seen is the entry that a load is to replace, as it was when the load began.
type seen[V any] struct {
	ok   bool
	head uint64
	val  cell[V]
}

// join returns the load of key that is under way, or begins one. It returns no load
// but the value if that came just now, or an error if who asks would wait for itself.
func (c *Cache[K, V]) join(ctx context.Context, key K, load loader[K, V]) (v V, l *loading[V], err error) {
	ls := c.loads
	from := ls.aboard(ctx)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if v, ok := c.Peek(key); ok {
		return v, nil, nil
	}
	l = ls.current[key]
	if l == nil || l.abandoned() {
		l = ls.register(key, load.mark)
		ctx, l.cancel = context.WithCancel(&seat{ctx, ls, l.flight})
		ls.queued.Add(1)
		go fly(ctx, ls, key, load, l, nil)
	} else if from != nil && ls.leadsTo(l.flight, from) {
		return v, nil, ErrLoadCycle
	}
	ls.board(l.flight, from)
	return v, l, nil
}

// abandoned reports whether f was told to give up, because nobody waits for it.
func (f *flight) abandoned() bool { return f.waiters == 0 && !f.behind }

// register makes a load of key the current one. ls.mu must be held.
func (ls *loads[K, V]) register(key K, mark mark) *loading[V] {
	l := &loading[V]{mark: mark, flight: &flight{done: make(chan struct{})}, err: ErrLoaderExited}
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

// board counts one who waits for f: the loader of from, if that is not nil. A loader has its turn, and who
// waits for a turn must not hold one; so what a loader waits for needs none. ls.mu must be held.
func (ls *loads[K, V]) board(f, from *flight) {
	f.waiters++
	ls.waiting.Add(1)
	if from != nil {
		from.awaits = append(from.awaits, f)
		f.excused = true
		if f.ahead != nil {
			f.ahead()
		}
	}
}

// leave is called by one who does not wait for f any more.
func (ls *loads[K, V]) leave(f, from *flight) {
	ls.waiting.Add(-1)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if f.waiters--; f.abandoned() {
		f.cancel()
	}
	if from != nil {
		at := slices.Index(from.awaits, f)
		from.awaits = slices.Delete(from.awaits, at, at+1)
	}
}

// turn waits for the turn of f, and reports whether it took one.
func (ls *loads[K, V]) turn(ctx context.Context, f *flight) (taken bool, err error) {
	if f.behind {
		return true, nil // before it began
	}
	defer ls.queued.Add(-1)
	ls.mu.Lock()
	if f.excused || ls.turns.TryAcquire(1) {
		defer ls.mu.Unlock()
		return !f.excused, ctx.Err()
	}
	wait, stop := context.WithCancel(ctx)
	defer stop()
	f.ahead = stop
	ls.mu.Unlock()

	err = ls.turns.Acquire(wait, 1)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	f.ahead = nil
	return err == nil, ctx.Err()
}

// fly waits for its turn, calls the loader, and stores what that returns unless it was superseded. It holds no
// pointer to the cache while the loader runs. A refresh has its turn already.
func fly[K comparable, V any](ctx context.Context, ls *loads[K, V], key K, load loader[K, V], l *loading[V], old *seen[V]) {
	roomy(1)
	var ttl time.Duration
	ls.run(ctx, l.flight, func() {
		v, life, err := load.call(ctx, key, ls.ttl)
		l.val, l.err, ttl = v, err, life
	}, func(p *LoadPanic, ran bool) {
		l.end(ctx, p, ran)
		land(ctx, ls.home.Value(), ls, key, ttl, l, old)
	})
}

// roomy makes the stack of a new goroutine as large as a load needs it, while there is hardly anything on it to be
// moved: growing later, with all the calls on it, took a third of the time of a load.
//
//go:noinline
func roomy(at int) byte {
	var room [4 << 10]byte
	room[at] = 1 // or the compiler would do without
	return room[at/2]
}

// end completes what a loader left: it panicked, or did not run because nobody waited any more.
func (l *loading[V]) end(ctx context.Context, p *LoadPanic, ran bool) {
	l.panicked, l.ran = p, ran
	if !ran {
		l.err = context.Cause(ctx)
	}
	l.cut = l.behind && l.err != nil && ctx.Err() != nil
}

// run calls fn when it is its turn, counts and times that, and then calls end, with the panic of fn and
// whether it ran at all, and tells those who wait.
func (ls *loads[K, V]) run(ctx context.Context, f *flight, fn func(), end func(p *LoadPanic, ran bool)) {
	defer close(f.done)
	defer f.cancel()
	taken, err := ls.turn(ctx, f)
	if taken {
		defer ls.turns.Release(1)
	}
	if err != nil {
		end(nil, false)
		return
	}
	ls.begun.Add(1)
	ls.running.Add(1)
	began := time.Now()
	defer func() {
		var p *LoadPanic
		if v := recover(); v != nil {
			p = &LoadPanic{v, debug.Stack()}
		}
		ls.times.add(time.Since(began))
		ls.running.Add(-1)
		end(p, true)
	}()
	fn()
}

// land stores the result of one key, or remembers its failure, unless something superseded the load meanwhile.
// A c of nil was collected meanwhile. If a function of the Config panics or ends the goroutine here, that counts as
// if the loader had.
func land[K comparable, V any](ctx context.Context, c *Cache[K, V], ls *loads[K, V], key K, ttl time.Duration, l *loading[V], old *seen[V]) {
	landed := false
	defer func() {
		if landed {
			return
		}
		l.err = ErrLoaderExited
		if v := recover(); v != nil {
			l.panicked = &LoadPanic{v, debug.Stack()}
		}
		ls.failed.Add(1)
		ls.finish(key, l, func() {})
	}()
	settle(ctx, c, ls, key, ttl, l, old)
	landed = true
}

func settle[K comparable, V any](ctx context.Context, c *Cache[K, V], ls *loads[K, V], key K, ttl time.Duration, l *loading[V], old *seen[V]) {
	if l.err != nil || l.panicked != nil {
		f, keep := ls.judge(ctx, key, l)
		if l.ran { // not before: a panic there is counted by land
			ls.failed.Add(1)
		}
		ls.finish(key, l, func() {
			if keep {
				ls.failures.set(key, f, f.life, ls.failures.engine.remark(l.mark))
			}
		})
		return
	}
	if c == nil {
		ls.finish(key, l, func() {})
		return
	}
	w := write[K, V]{key: key, val: l.val, over: old, mark: l.mark}
	if old == nil {
		w.over = new(seen[V])
	}
	c.prepare(&w, max(ttl, 0))
	ls.finish(key, l, func() {
		ls.forget(key)
		if ttl >= 0 {
			c.put(&w)
		} else if old != nil { // the source does not want the old one kept either
			c.engine.delete(&w, Deleted, &old.val)
		}
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
		store()
		ls.pending.Store(int64(len(ls.current))) // who writes from here on comes after the load
	}
}

// supersede keeps the load of key that is under way, if any, from being stored.
func (ls *loads[K, V]) supersede(key K) {
	if ls.pending.Load() != 0 || ls.failures != nil {
		ls.supersedeSlow(key)
	}
}

func (ls *loads[K, V]) supersedeSlow(key K) {
	if ls.pending.Load() != 0 {
		ls.drop(key)
	}
	ls.forget(key) // last, or a load that failed meanwhile would be remembered
}

// drop takes the load of key out of the current ones. It panics if Go cannot hash the key.
func (ls *loads[K, V]) drop(key K) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.current, key)
	ls.pending.Store(int64(len(ls.current)))
}

// supersedeGroup does so for what is loaded for a group.
func (ls *loads[K, V]) supersedeGroup(group uint32) {
	if ls.failures != nil {
		defer ls.failures.engine.groups.invalidate(group) // last: see supersedeSlow
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for key, l := range ls.current {
		if l.mark.group() == group {
			delete(ls.current, key)
		}
	}
	ls.pending.Store(int64(len(ls.current)))
}

// supersedeAll does so for all keys.
func (ls *loads[K, V]) supersedeAll() {
	ls.mu.Lock()
	clear(ls.current)
	ls.pending.Store(0)
	ls.mu.Unlock()
	if ls.failures != nil {
		ls.failures.Clear()
	}
}
