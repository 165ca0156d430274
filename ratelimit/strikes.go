package ratelimit

import (
	"math/rand/v2"
	"time"
)

// lock begins a lock-out of entry i, unless there is one.
func (t *table) lock(i uint32, now int64) {
	e := &t.pool.entries[i]
	if e.locked(now) {
		return
	}
	if t.spares(e.source, now) {
		return
	}
	strikes := t.strikes(e, now)
	span := t.rule.span(strikes)
	if t.rule.jitter > 0 {
		span += rand.Int64N(t.rule.jitter + 1)
	}
	t.lockUntil(e, now+span, strikes+1)
	t.counts.lockouts++
	t.change(lockout, e.source, e)
	t.emit(Event{Kind: LockedOut, Source: e.source.prefix(), Wait: time.Duration(span), Strikes: int(e.strikes), Accounts: t.spread(i)}, now)
}

// lockUntil locks a source that then has so many strikes.
func (t *table) lockUntil(e *entry, until int64, strikes int) {
	for strikes > 1 && t.rule.span(strikes-1) == t.rule.maxLockout {
		strikes-- // with one less the next is as long
	}
	e.lockedUntil, e.strikes = until, uint8(strikes)
	e.struck, e.pardoned = true, false
}

// forgivenAt returns when the last strike of an entry is forgiven: one is for each maxLockout before.
// Of an absurd configuration, in which that is more than a century away, it is then.
func (t *table) forgivenAt(e *entry) int64 {
	return e.lockedUntil + min(int64(e.strikes), century/t.rule.maxLockout)*t.rule.maxLockout
}

const century = 10 * int64(longest)

// setStrikes gives an entry as many strikes as are forgiven at a time, after a lock-out that ended at another
// or before. If the sketch took the first from one source and the second from another, they may be further from
// each other than all strikes are.
func (t *table) setStrikes(e *entry, forgivenAt, ended int64) {
	if left := forgivenAt - ended; left > 0 {
		e.strikes = uint8(min((left-1)/t.rule.maxLockout+1, t.rule.mostStrikes()))
		e.lockedUntil = min(ended, forgivenAt-int64(e.strikes)*t.rule.maxLockout)
	}
}

// enter is insert for a source that nobody has judged: if the sketch remembers a lock-out, the entry has it.
func (t *table) enter(hash uint64, s source, now int64) (i uint32, ok bool) {
	until := t.sketches[s.family()].lockedUntil(hash, now)
	if i, ok = t.insert(hash, s, now); ok && until != 0 {
		e := &t.pool.entries[i]
		t.setStrikes(e, t.forgivenAt(e), until)
		e.lockedUntil = until
	}
	return i, ok
}

// locked reports whether an entry is locked out.
func (e *entry) locked(now int64) bool { return e.lockedUntil > now && !e.pardoned }

// spares reports whether a source is a proxy that must not be locked, and tells of it.
func (t *table) spares(s source, now int64) bool {
	if !t.rule.isProxy(s) {
		return false
	}
	t.counts.proxyFailures++
	t.emit(Event{Kind: ProxyFailing, Source: s.prefix()}, now)
	return true
}

// isProxy reports whether a source is a proxy: one of IPv4 also if its address is inside one of IPv6.
func (r *rule) isProxy(s source) bool {
	for _, p := range r.proxies {
		if inside, _ := sourceOf(p.Addr()); s == inside || p.Overlaps(s.prefix()) {
			return true
		}
	}
	return false
}

// change remembers for the journal that a source was locked or unlocked, and what its entry is then.
func (t *table) change(kind transitionKind, s source, e *entry) {
	t.sequence++
	t.changed = transition{sequence: t.sequence, source: s, kind: kind, at: e.lockedUntil, more: t.forgivenAt(e)}
	t.unsaved = true
}

// mostStrikes returns how many strikes make the longest lock-out.
func (r *rule) mostStrikes() int64 {
	n := 1
	for r.span(n) < r.maxLockout {
		n++
	}
	return int64(n)
}

// span returns how long the lock-out is of a source with so many strikes before.
func (r *rule) span(strikes int) int64 {
	span := r.lockout
	for range strikes {
		if span > r.maxLockout/2 {
			return r.maxLockout
		}
		span *= 2
	}
	return span
}

// strikes returns the lock-outs of a source that are not forgiven.
func (t *table) strikes(e *entry, now int64) int {
	forgiven := max(0, now-e.lockedUntil) / t.rule.maxLockout
	return int(max(0, int64(e.strikes)-forgiven))
}

// pardon forgets the failures of a source.
func (t *table) pardon(s source, now int64) {
	var l login
	t.name(&l, s)
	i, ok := t.find(l.hash, s)
	if !ok {
		return
	}
	for j := t.rule.failures - 1; j >= 0; j-- {
		if t.openOf(i)>>j&1 == 0 {
			t.refund(i, j, &l)
		}
	}
	t.place(i, now)
}

// unlock forgets a source and reports whether it was denied, for all that is known; ok is whether there was room.
// Where the sketch would deny it, an entry that is empty stays in the table for as long.
func (t *table) unlock(s source, now int64) (wasDenied, ok bool) {
	hash := t.hash(s)
	i, found := t.find(hash, s)
	v := t.judgeStranger(hash, s, now)
	wasDenied = v.kind != allowed
	if found {
		wasDenied = t.judge(i, now).kind != allowed
	}
	switch {
	case v.kind != allowed:
		if !found {
			if i, ok = t.insert(hash, s, now); !ok {
				return false, false
			}
		}
		t.reset(i)
		e := &t.pool.entries[i]
		e.lockedUntil, e.pardoned = v.until+t.rule.window, true
		t.place(i, now)
	case found:
		t.remove(i)
		t.pool.put(i)
	default:
		return false, true
	}
	t.change(unlocked, s, &entry{})
	return wasDenied, true
}

// reset makes entry i know nothing of its source.
func (t *table) reset(i uint32) {
	e := &t.pool.entries[i]
	e.lockedUntil, e.strikes, e.own, e.struck, e.pardoned = 0, 0, 0, false, false
	t.clearStamps(i)
	t.setLong(i, histogram{})
	clear(t.marksOf(i))
}

// lockNow locks a source for a span, without a strike, and never for less than it is. It reports whether there
// was room.
func (t *table) lockNow(s source, span, now int64) (ok bool) {
	if t.spares(s, now) {
		return true
	}
	hash := t.hash(s)
	i, ok := t.find(hash, s)
	if !ok {
		if i, ok = t.enter(hash, s, now); !ok {
			return false
		}
	}
	e := &t.pool.entries[i]
	strikes := t.strikes(e, now)
	if e.pardoned {
		e.lockedUntil = 0
	}
	t.lockUntil(e, max(e.lockedUntil, now+span), strikes)
	t.place(i, now)
	t.counts.lockouts++
	t.change(lockout, e.source, e)
	t.emit(Event{Kind: LockedOut, Source: s.prefix(), Wait: time.Duration(e.lockedUntil - now), Strikes: strikes}, now)
	return true
}
