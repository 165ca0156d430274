package ratelimit

// The long window of an entry is a histogram, of which the newest bucket is in the entry, and the others are
// elsewhere: so most charges need no more than the entry.

// longOf returns the charges of entry i in the long window.
func (t *table) longOf(i uint32) histogram {
	if t.rule.long <= 0 {
		return histogram{}
	}
	e := &t.pool.entries[i]
	h := histogram{last: e.longLast, total: uint16(e.longTotal), counts: t.pool.long[i]}
	h.counts[h.last%buckets] = e.longNow
	return h
}

// setLong sets the charges of entry i in the long window, of which there are never more than are allowed.
func (t *table) setLong(i uint32, h histogram) {
	if t.rule.long <= 0 {
		return
	}
	h.trim(t.rule.long)
	e := &t.pool.entries[i]
	e.longLast, e.longTotal, e.longNow = h.last, uint8(h.total), h.counts[h.last%buckets]
	t.pool.long[i] = h.counts
}

// chargeLong counts a charge of entry i.
func (t *table) chargeLong(i uint32, at int64) {
	if t.rule.long <= 0 {
		return
	}
	e, bucket := &t.pool.entries[i], t.rule.longBuckets.at(at)
	if bucket == e.longLast && int(e.longTotal) < t.rule.long {
		e.longTotal++
		e.longNow++
		return
	}
	h := t.longOf(i)
	h.add(bucket)
	t.setLong(i, h)
}

// refundLong takes back a charge of entry i that was made at a time.
func (t *table) refundLong(i uint32, at int64) {
	h := t.longOf(i)
	h.sub(t.rule.longBuckets.at(at))
	t.setLong(i, h)
}

// longNow returns how many charges entry i has in the long window.
func (t *table) longNow(i uint32, now int64) int {
	e := &t.pool.entries[i]
	if e.longTotal == 0 || t.rule.longBuckets.at(now) <= e.longLast {
		return int(e.longTotal)
	}
	h := t.longOf(i)
	h.advance(t.rule.longBuckets.at(now))
	t.setLong(i, h)
	return int(h.total)
}
