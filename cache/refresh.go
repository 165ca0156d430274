package cache

import (
	"context"
	"math"
	"time"
)

// An age is what GetOrLoad makes of the time that an entry has.
type age uint8

const (
	gone   age = iota // there is none that may be returned
	fresh             // it has not expired
	ageing            // it has not, but is past RefreshAhead
	stale             // it has, and may be returned
	grace             // it has, and may be returned if a load fails
)

// peek copies the entry of key, expired or not, and reports whether there is one.
func (c *Cache[K, V]) peek(key K, now *seen[V]) bool {
	h := hashOf(&c.engine.hasher, &key)
	f, ok := c.engine.find(c.engine.shard(h), uint32(h), &key, &now.val)
	now.ok, now.head = ok, f.head
	return ok
}

// look says how old the entry of key is, copies it to old unless it is gone, and counts the read. Nobody gets
// what is stale unless it is refreshed behind: else it is as what is in grace.
func (c *Cache[K, V]) look(key K, old *seen[V], behind bool) age {
	h := hashOf(&c.engine.hasher, &key)
	f, ok := c.engine.find(c.engine.shard(h), uint32(h), &key, &old.val)
	a := gone
	if ok {
		a = c.age(&f)
	}
	if a == stale && !behind {
		a = grace
	}
	switch a {
	case gone, grace:
		c.reads.mine().misses.Add(1)
	case fresh, ageing:
		if c.engine.idle != 0 {
			c.engine.touch(&f)
		} else {
			f.slot().hit(f.meta)
		}
		c.reads.mine().hits.Add(1)
	case stale:
		f.slot().hit(f.meta)
		c.reads.mine().hits.Add(1)
		c.loads.staleHits.Add(1)
	}
	old.ok, old.head = a != gone, f.head
	return a
}

func (c *Cache[K, V]) age(f *found[K, V]) age {
	e, ls := c.engine, c.loads
	deadline := deadlineOf(f.meta)
	if deadline == 0 {
		return gone // its group was invalidated
	}
	if !e.clock.passed(deadline) {
		hard := deadline
		if e.idle != 0 { // reads put that off, and no refresh is due for it
			hard = f.slab.hard[f.at].Load()
		}
		if ls.ahead != 0 && hard != never && hard-e.clock.now() <= ls.ahead {
			return ageing
		}
		return fresh
	}
	switch late := e.clock.precise() - deadline; {
	case late < ls.staleFor:
		return stale
	case late < ls.staleIfError:
		return grace
	}
	return gone
}

// refresh begins a load that nobody waits for, unless key is being loaded or failed of late or too many
// loads are under way.
func (c *Cache[K, V]) refresh(ctx context.Context, key K, load loader[K, V], old seen[V]) {
	ls := c.loads
	if ls.failure(key) != nil {
		return
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	var now seen[V]
	if ls.current[key] != nil || !c.peek(key, &now) || now.head != old.head || !ls.turns.TryAcquire(1) {
		return // somebody refreshes it, or just has, or may not
	}
	l := ls.register(key, load.mark)
	ctx, l.cancel = context.WithTimeout(&seat{ctx, ls, l.flight}, ls.refreshTimeout)
	l.behind = true
	ls.refreshes.Add(1)
	over := old // old itself stays off the heap
	go fly(ctx, ls, key, load, l, &over)
}

// A failure is a load that did not succeed, and is not tried again for a while.
type failure struct {
	err    error
	until  time.Time
	life   time.Duration // for which it is remembered: longer, so that the next one waits longer
	streak int           // failures in a row
	bytes  int64         // what it counts for
}

const (
	maxFailures  = 1000
	failureBytes = 256 // of an error beside its text

	mostFailureBytes  = 256 << 10 // of all failures
	leastFailureBytes = 16 << 10

	// mostBackoff is how many times Backoff is doubled at the most.
	mostBackoff = 6
)

// failure returns the error of the last load of key if that is not to be repeated yet.
func (ls *loads[K, V]) failure(key K) error {
	if ls.failures == nil || ls.failures.Len() == 0 {
		return nil
	}
	if f, ok := ls.failures.Get(key); ok && time.Now().Before(f.until) {
		return f.err
	}
	return nil
}

// forget forgets that loads of key failed.
func (ls *loads[K, V]) forget(key K) {
	if ls.failures != nil && ls.failures.Len() != 0 {
		ls.failures.Delete(key)
	}
}

// judge decides whether the failure of l is remembered. It calls code of the user's.
func (ls *loads[K, V]) judge(ctx context.Context, key K, l *loading[V]) (f failure, keep bool) {
	if ls.failures == nil || ctx.Err() != nil && !l.behind {
		return f, false // nobody remembers, or everybody went away
	}
	f.err = l.err
	if l.panicked != nil {
		f.err = l.panicked
	}
	f.bytes = int64(len(f.err.Error())) + failureBytes
	exited := l.panicked != nil || l.err == ErrLoaderExited
	if ls.negativeTTL > 0 && !exited && (ls.negativeIf == nil || ls.negativeIf(f.err)) {
		f.life = ls.negativeTTL
		f.until = time.Now().Add(f.life)
		return f, true
	}
	if ls.backoff > 0 {
		if last, ok := ls.failures.Peek(key); ok {
			f.streak = min(last.streak+1, mostBackoff)
		}
		wait := min(ls.backoff, math.MaxInt64>>(mostBackoff+1)) << f.streak // two years do not overflow
		f.until, f.life = time.Now().Add(wait), 2*wait
		return f, true
	}
	return f, false
}

func (ls *loads[K, V]) stats(st *Stats) {
	st.Loads, st.LoadErrors, st.Refreshes = ls.begun.Load(), ls.failed.Load(), ls.refreshes.Load()
	st.Loading, st.Queued, st.Waiting = int(ls.running.Load()), int(ls.queued.Load()), int(ls.waiting.Load())
	st.StaleHits, st.StaleOnError, st.NegativeHits = ls.staleHits.Load(), ls.staleOnError.Load(), ls.negativeHits.Load()
	q := ls.times.quantiles(0.5, 0.9, 0.99)
	st.LoadP50, st.LoadP90, st.LoadP99 = q[0], q[1], q[2]
}
