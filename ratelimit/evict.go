package ratelimit

// levels are how many there are besides those for each number of charges: see suspicion.
const levels = 3

// insert enters a source, with what the sketch says at least of it; there must be
// less than a full window of that. It reports whether there was room.
func (t *table) insert(hash uint64, s source, now int64) (i uint32, ok bool) {
	if i, ok = t.pool.take(); !ok {
		if i, ok = t.evict(t.victims(s.family()), t.most, now); !ok {
			return 0, false
		}
	}
	e := &t.pool.entries[i]
	e.setSource(s)
	var room [mostFailures]int64
	stamps := room[:t.rule.failures]
	forgivenAt, long := t.sketches[s.family()].recall(hash, stamps, max(now, t.last), t.rule.longBuckets.at(now))
	t.setStamps(i, stamps)
	t.setStrikes(e, forgivenAt, now)
	if t.rule.long > 0 {
		long.trim(t.rule.long - t.rule.failures)
		t.setLong(i, long)
	}
	t.chain(hash, i)
	t.pool.count(s.family(), 1)
	t.levels[s.family()][0].push(t.pool.links, i)
	return i, true
}

// forget takes an entry out, and remembers in the sketch what it did. The slot is then the caller's.
func (t *table) forget(i uint32, now int64) {
	e := &t.pool.entries[i]
	if e.pardoned {
		e.lockedUntil = 0
	}
	if t.longNow(i, now) > 0 || e.newest != 0 || t.forgivenAt(e) != 0 { // of most who succeed there is nothing to be remembered
		var near [nearCharges]int64
		t.sketches[e.source.family()].fold(t.hash(e.source), t.stampsOf(i, &near), e.lockedUntil, t.forgivenAt(e), t.longOf(i))
	}
	t.remove(i)
}

// remove takes an entry out. The slot is then the caller's.
func (t *table) remove(i uint32) {
	e := &t.pool.entries[i]
	t.levels[e.source.family()][e.level].remove(t.pool.links, i)
	t.unchain(t.hash(e.source), i)
	t.pool.count(e.source.family(), -1)
	if t.rule.failures > nearCharges {
		t.clearStamps(i)
	}
	if t.marked {
		clear(t.marksOf(i))
	}
	e.setSource(0)
	e.state = state{}
}

// place puts an entry first in the level of its suspicion.
func (t *table) place(i uint32, now int64) { t.placeIn(i, t.suspicion(i, now)) }

func (t *table) placeIn(i uint32, level int) {
	e := &t.pool.entries[i]
	at := t.levels[e.source.family()]
	at[e.level].remove(t.pool.links, i)
	e.level, e.touched = uint8(level), false
	at[level].push(t.pool.links, i)
}

// placeCharged is place for an entry that was charged. One that was charged before is only marked: it is
// placed when its turn to be evicted comes, for the lists are far away in memory.
func (t *table) placeCharged(i uint32) {
	if e := &t.pool.entries[i]; e.level > 0 {
		e.touched = true
	} else {
		t.placeIn(i, 1)
	}
}

// suspicion ranks entries for eviction: by charges of their own in the window, then
// those with strikes or much of the long window used, then those that are locked. Inherited
// charges do not count, for in a flood everybody has them.
func (t *table) suspicion(i uint32, now int64) int {
	e := &t.pool.entries[i]
	switch {
	case e.lockedUntil > now:
		return t.rule.failures + 2
	case e.struck && t.forgivenAt(e) > now:
		return t.rule.failures + 1
	case t.rule.long > 0 && 2*int(e.longTotal) > t.rule.long && 2*t.longNow(i, now) > t.rule.long:
		return t.rule.failures + 1
	}
	open, _, failures := t.tally(i, now)
	return open + failures
}

// spent reports whether the sketch can be trusted with all that needs to be known of
// an entry: nothing in the window, and little in the long one, no more than recall leaves it.
func (t *table) spent(i uint32, now int64) bool {
	return !t.inWindow(t.pool.entries[i].newest, now) && t.suspicion(i, now) == 0 &&
		(t.rule.long <= 0 || t.longNow(i, now) <= min(t.rule.failures, t.rule.long-t.rule.failures))
}

// victims returns the family of which one has to go for a newcomer of another: his own, unless the
// other has more than its half.
func (t *table) victims(f family) family {
	if n := t.pool.len()[f]; n == 0 || n < t.rule.addresses/2 {
		return 1 - f
	}
	return f
}

// patience is how many entries of one level are looked at to find one that has not been charged since it was
// placed. Whatever is evicted, the sketch remembers: patience costs time and buys no safety.
const patience = 16

// victim returns the least suspicious entry of a family, and how suspicious it is. Those it passes by it places anew.
func (t *table) victim(f family, now int64) (i uint32, level int, ok bool) {
	at := t.levels[f]
	for level := range at {
		if i, ok := at[level].last(); ok && t.spent(i, now) {
			return i, 0, true
		}
	}
	for level := range at {
		for range patience {
			if i, ok = at[level].last(); !ok {
				break
			}
			is := t.suspicion(i, now)
			if is == level && !t.pool.entries[i].touched || is < level {
				return i, is, true
			}
			t.placeIn(i, is)
		}
		if i, ok = at[level].last(); ok {
			return i, level, true
		}
	}
	return 0, 0, false
}

// evict takes the least suspicious of a family out, if there is one that is no more suspicious than most. The slot
// is then the caller's.
func (t *table) evict(f family, most int, now int64) (i uint32, ok bool) {
	i, level, ok := t.victim(f, now)
	if !ok || level > most {
		return 0, false
	}
	e := &t.pool.entries[i]
	if !t.spent(i, now) {
		t.counts.evicted++
		if t.inWindow(t.pool.entries[i].newest, now) || e.locked(now) {
			t.counts.evictedLive++
		}
		if e.locked(now) {
			t.counts.evictedLocked++
		}
	}
	t.forget(i, now)
	return i, true
}

// sweep removes what is spent of the entries in the cells of the index from one number to another.
func (t *table) sweep(from, to int, now int64) (removed int) {
	t.each(from, to, func(i uint32) {
		if t.spent(i, now) {
			t.forget(i, now)
			t.pool.put(i)
			removed++
		}
	})
	t.counts.swept += uint64(removed)
	return removed
}
