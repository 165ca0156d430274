package ratelimit

import "hash/maphash"

func (t *table) hash(s source) uint64 { return maphash.Comparable(t.family[s.family].seed, s.bits) }

// find returns the entry of a source with that hash.
func (t *table) find(hash uint64, s source) (uint32, bool) {
	return t.index.find(hash, func(i uint32) bool { return t.entries[i].source == s })
}

// insert enters a source, with what the sketch says at least of it. There must be
// less than a full window of that.
func (t *table) insert(hash uint64, s source, now int64) uint32 {
	if t.len == t.rule.addresses {
		t.evict(s.family, now)
	}
	i := t.free
	if i != 0 {
		i--
		t.free = t.entries[i].next
	} else {
		i = uint32(len(t.entries))
		t.entries = append(t.entries, entry{})
	}
	k := &t.family[s.family]
	e := &t.entries[i]
	*e = entry{source: s, used: true}
	for j, stamps := 0, t.stampsOf(i); j < len(stamps); j++ {
		stamps[j] = k.sketch.least(hash, j)
		if stamps[j] != 0 {
			e.inherited |= 1 << j
		}
	}
	e.forgivenAt = k.sketch.least(hash, k.sketch.forgivenAt())
	t.long[i] = k.sketch.leastLong(hash)
	if t.rule.long > 0 {
		t.long[i].trim(t.rule.long - t.rule.failures)
	}
	t.index.insert(hash, i)
	t.len++
	k.len++
	k.levels[0].push(t.entries, i)
	return i
}

func (t *table) hashAt(i uint32) uint64 { return t.hash(t.entries[i].source) }

// forget takes an entry out, and remembers in the sketch what it did.
func (t *table) forget(i uint32, now int64) {
	e := &t.entries[i]
	if e.pardoned {
		e.lockedUntil = 0
	}
	t.long[i].advance(t.longBucket(now))
	t.family[e.source.family].sketch.fold(t.hash(e.source), t.stampsOf(i), e.lockedUntil, e.forgivenAt, t.long[i])
	t.remove(i)
}

// remove takes an entry out.
func (t *table) remove(i uint32) {
	e := &t.entries[i]
	k := &t.family[e.source.family]
	k.levels[e.level].remove(t.entries, i)
	t.index.remove(t.hash(e.source), i, t.hashAt)
	clear(t.stampsOf(i))
	t.long[i] = histogram{}
	clear(t.marksOf(i))
	t.len--
	k.len--
	*e = entry{next: t.free}
	t.free = i + 1
}

// place puts an entry first in the level of its suspicion.
func (t *table) place(i uint32, now int64) {
	e := &t.entries[i]
	levels := t.family[e.source.family].levels
	levels[e.level].remove(t.entries, i)
	e.level = uint8(t.suspicion(i, now))
	levels[e.level].push(t.entries, i)
}

// suspicion ranks entries for eviction: by charges of their own in the window, then
// those with strikes or much of the long window used, then those that are locked. Inherited
// charges do not count, for in a flood everybody has them.
func (t *table) suspicion(i uint32, now int64) int {
	e := &t.entries[i]
	switch {
	case e.lockedUntil > now:
		return t.rule.failures + 2
	case e.struck && e.forgivenAt > now:
		return t.rule.failures + 1
	case t.rule.long > 0 && 2*int(t.long[i].total) > t.rule.long && 2*int(t.longNow(i, now)) > t.rule.long:
		return t.rule.failures + 1
	}
	open, _, failures := t.tally(i, now)
	return open + failures
}

// longNow returns the charges of entry i in the long window.
func (t *table) longNow(i uint32, now int64) int {
	t.long[i].advance(t.longBucket(now))
	return int(t.long[i].total)
}

// spent reports whether the sketch can be trusted with all that needs to be known of
// an entry: nothing in the window, and little in the long one.
func (t *table) spent(i uint32, now int64) bool {
	return t.suspicion(i, now) == 0 && !t.inWindow(t.stampsOf(i)[0], now) &&
		(t.rule.long <= 0 || t.longNow(i, now) <= t.rule.failures)
}

// evict makes room for a source of a family: at the cost of its own, unless the
// other has more than its half.
func (t *table) evict(f family, now int64) {
	if k := &t.family[f]; k.len == 0 || k.len < t.rule.addresses/2 {
		f = 1 - f
	}
	k := &t.family[f]
	for level := range k.levels {
		if i, ok := k.levels[level].last(); ok && t.spent(i, now) {
			t.forget(i, now)
			return
		}
	}
	for level := range k.levels {
		i, ok := k.levels[level].last()
		if !ok {
			continue
		}
		e := &t.entries[i]
		t.counts.evicted++
		if t.inWindow(t.stampsOf(i)[0], now) || e.locked(now) {
			t.counts.evictedLive++
		}
		if e.locked(now) {
			t.counts.evictedLocked++
		}
		t.forget(i, now)
		return
	}
}

// sweep removes what is spent of the entries from one number to another.
func (t *table) sweep(from, to int, now int64) (removed int) {
	for i := from; i < min(to, len(t.entries)); i++ {
		if t.entries[i].used && t.spent(uint32(i), now) {
			t.forget(uint32(i), now)
			removed++
		}
	}
	t.counts.swept += uint64(removed)
	return removed
}
