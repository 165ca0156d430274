package metrics

import (
	"cmp"
	"strings"
	"sync/atomic"
	"time"
)

// halfLife is how long it takes until an observation counts half in the choice
// of the names that have a series. It is long against the pauses of a route in
// use and short against the time an operator looks at a dashboard.
const halfLife = 5 * time.Minute

// A table is a capped set of named series, each with a value of type T. Pinned
// series are always there, and among them the two for what has no series of its
// own: OtherName and RetiredName. Further names get a series while there is room;
// after that a name gets one when it has been seen more often than the coldest of
// the dynamic series, which is retired: its counts move to the retired series. A
// name must be seen at least twice to displace another, so that a flood of names
// seen once displaces nothing.
//
// find may be called at any time. Of the other methods only one may run at a
// time, which the owner's mutex sees to. Times are by the owner's clock.
type table[T cell[T]] struct {
	config tableConfig[T]

	index          *index[T]
	other, retired *series[T]
	dynamic        int           // how many are not pinned
	bytes          int64         // of all series; see seriesBytes
	waiting        candidates    // frequent names without a series
	halved         time.Duration // up to when heats and candidates have been halved
	coolest        uint64        // no dynamic series has less heat

	admissions  uint64 // dynamic series ever made
	retirements uint64 // dynamic series ever removed
}

// A cell is the value of a series: counters.
type cell[T any] interface {
	count() uint64 // what has been counted: the frequency by which series are chosen
	moveTo(T)      // moves the counts, losing none that is made meanwhile
}

type tableConfig[T any] struct {
	maxDynamic int
	maxBytes   int64 // of all series, 0: not bounded
	pinned     []string
	newValue   func() T
	valueBytes int64 // what a value takes at most
}

// A series counts what goes by one name. Whoever has counted in one must then
// look whether it is gone, and if so, see to it that table.late is called: a count
// that remove did not move is one whose maker sees that the series is gone.
type series[T cell[T]] struct {
	key    key // of the name, as the index makes it
	hash   uint64
	name   string
	number uint64 // of its admission, 0 if it is pinned
	value  T
	used   atomic.Int64 // when it was last used, without usedBits
	gone   atomic.Bool  // retired: what is counted here is seen by nobody

	missed  uint64 // at most so much was counted for the name in that of all others
	heat    uint64 // counts until the last cooling, halved every halfLife
	counted uint64 // the value's count at the last cooling
}

// usedBits is how many bits of the time a series does not keep when it is used. What
// remains are seconds, about, so that it is written once in a second rather than with each
// use.
const usedBits = 30

// seriesOverhead is what a series takes beside its name and value: itself, four slots in
// the index, and as many again while that is made anew.
const seriesOverhead = 128 + 8*8

func newTable[T cell[T]](c tableConfig[T]) *table[T] {
	t := &table[T]{config: c, index: newIndex[T](), waiting: newCandidates(max(c.maxDynamic, 16))}
	t.other, t.retired = t.pin(OtherName), t.pin(RetiredName)
	for _, name := range c.pinned {
		if t.index.get(name) == nil {
			t.pin(name)
		}
	}
	return t
}

func (t *table[T]) pin(name string) *series[T] {
	s := &series[T]{name: strings.Clone(name), value: t.config.newValue()}
	t.index.put(s)
	t.bytes += t.seriesBytes(name)
	return s
}

// seriesBytes returns what the series of a name takes at most.
func (t *table[T]) seriesBytes(name string) int64 {
	return seriesOverhead + t.config.valueBytes + nameBytes(len(name))
}

// nameBytes returns what the allocator takes for a name of n bytes at most: of longer ones
// a fifth more than they need.
func nameBytes(n int) int64 { return int64(n+n/5+15) &^ 15 }

// fits reports whether there is room for a series of that name, beside all others
// or, if there is one, in the place of victim.
func (t *table[T]) fits(name string, victim *series[T]) bool {
	dynamic, bytes := t.dynamic+1, t.bytes+t.seriesBytes(name)
	if victim != nil {
		dynamic, bytes = dynamic-1, bytes-t.seriesBytes(victim.name)
	}
	return dynamic <= t.config.maxDynamic && (t.config.maxBytes == 0 || bytes <= t.config.maxBytes)
}

// find returns the series of name, nil if it has none. It takes no lock.
func (t *table[T]) find(name string, now time.Duration) *series[T] {
	s := t.index.get(name)
	if s != nil {
		s.use(now)
	}
	return s
}

// use notes that the series is used at now.
func (s *series[T]) use(now time.Duration) {
	if at := int64(now >> usedBits); s.used.Load() != at {
		s.used.Store(at)
	}
}

// admit returns the series of name, in which n will be counted. It is made if the
// name may have one, and is otherwise that of all others.
func (t *table[T]) admit(name string, n uint64, now time.Duration) *series[T] {
	if s := t.find(name, now); s != nil {
		return s // since the caller looked
	}
	t.cool(now)
	var heat, offered uint64
	if !t.fits(name, nil) {
		var again bool
		heat, again = t.waiting.offer(name, n)
		if !again || heat <= t.coolest {
			return t.other
		}
		coldest := t.coldest()
		if coldest == nil {
			return t.other
		}
		t.coolest = coldest.temperature()
		if heat <= t.coolest || !t.fits(name, coldest) {
			return t.other
		}
		t.remove(coldest)
		heat -= min(heat, n) // will be counted
		offered = n
	}
	missed := t.waiting.remove(name) - offered
	name = strings.Clone(name) // the caller's may be part of something large
	t.admissions++
	s := &series[T]{name: name, number: t.admissions, missed: missed, heat: heat, value: t.config.newValue()}
	s.used.Store(int64(now >> usedBits))
	t.index.put(s)
	t.bytes += t.seriesBytes(name)
	t.coolest = min(t.coolest, heat)
	t.dynamic++
	return s
}

func (s *series[T]) pinned() bool { return s.number == 0 }

// temperature is the heat by now.
func (s *series[T]) temperature() uint64 { return add(s.heat, s.value.count()-s.counted) }

// coldest returns the dynamic series with the least heat, of those the one
// unused for longest, of those the oldest, or nil if there is none.
func (t *table[T]) coldest() *series[T] {
	var coldest *series[T]
	var least uint64
	for s := range t.index.all() {
		if s.pinned() {
			continue
		}
		heat := s.temperature()
		if coldest == nil || cmp.Or(
			cmp.Compare(heat, least),
			cmp.Compare(s.used.Load(), coldest.used.Load()),
			cmp.Compare(s.number, coldest.number)) < 0 {
			coldest, least = s, heat
		}
	}
	return coldest
}

// cool halves all heats and candidates once for each halfLife that has passed.
func (t *table[T]) cool(now time.Duration) {
	times := (now - t.halved) / halfLife
	if times <= 0 {
		return
	}
	t.halved += times * halfLife
	for s := range t.index.all() {
		n := s.value.count()
		s.heat, s.counted = add(s.heat, n-s.counted)>>uint(times), n
	}
	t.coolest >>= uint(times)
	t.waiting.halve(uint(times))
}

// sweep removes the dynamic series unused since before, and returns how many.
func (t *table[T]) sweep(now, before time.Duration) (removed int) {
	t.cool(now)
	for s := range t.index.all() {
		if !s.pinned() && time.Duration(s.used.Load())<<usedBits < before {
			t.remove(s)
			removed++
		}
	}
	return removed
}

func (t *table[T]) remove(s *series[T]) {
	t.index.delete(s)
	t.bytes -= t.seriesBytes(s.name)
	t.dynamic--
	t.retirements++
	t.waiting.left(s.missed)
	s.gone.Store(true)
	s.value.moveTo(t.retired.value)
}

// late moves what was counted in a series while it was removed.
func (t *table[T]) late(s *series[T]) { s.value.moveTo(t.retired.value) }
