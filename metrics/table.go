package metrics

import (
	"strings"
	"time"
)

// halfLife is how long it takes until an observation counts half in the choice
// of the names that have a series. It is long against the pauses of a route in
// use and short against the time an operator looks at a dashboard.
const halfLife = 5 * time.Minute

// A table is a capped set of named series, each with a value of type T. Pinned
// series are always there. Further names get a series while there is room; after
// that a name gets one when it has been seen more often than the coldest of the
// dynamic series, which is retired. A name must be seen at least twice to
// displace another, so that a flood of names seen once displaces nothing.
//
// It is not safe for concurrent use. Times are since the owner's start.
type table[T any] struct {
	maxDynamic int
	newValue   func(name string) T // the value of a new series
	retire     func(T)             // told each value whose series goes

	series  map[string]*series[T]
	dynamic int           // how many of series are not pinned
	waiting candidates    // names without a series
	halved  time.Duration // up to when heats and candidates have been halved

	admitted uint64 // dynamic series ever made
	retired  uint64 // dynamic series ever removed
}

type series[T any] struct {
	name   string
	pinned bool
	heat   uint64        // uses, halved every halfLife
	used   time.Duration // when it was last used
	value  T
}

func newTable[T any](maxDynamic int, pinned []string, newValue func(string) T, retire func(T)) *table[T] {
	t := &table[T]{
		maxDynamic: maxDynamic,
		newValue:   newValue,
		retire:     retire,
		series:     make(map[string]*series[T]),
		waiting:    newCandidates(max(maxDynamic, 16)),
	}
	for _, name := range pinned {
		t.series[name] = &series[T]{name: name, pinned: true, value: newValue(name)}
	}
	return t
}

// use returns the series of name, counting one use of it, or nil if the name has
// none for now.
func (t *table[T]) use(name string, now time.Duration) *series[T] {
	s := t.series[name]
	if s == nil {
		s = t.admit(name, now)
	}
	if s != nil {
		s.heat++
		s.used = now
	}
	return s
}

// admit makes a series for name if it may have one, and otherwise lets it wait.
func (t *table[T]) admit(name string, now time.Duration) *series[T] {
	if t.maxDynamic == 0 {
		return nil
	}
	t.cool(now)
	var heat uint64
	if t.dynamic >= t.maxDynamic {
		heat = t.waiting.offer(name)
		if heat < 2 {
			return nil
		}
		coldest := t.coldest()
		if heat <= coldest.heat {
			return nil
		}
		t.remove(coldest)
		heat-- // use counts the present one
	}
	t.waiting.remove(name)
	name = strings.Clone(name) // the caller's may be part of something large
	s := &series[T]{name: name, heat: heat, value: t.newValue(name)}
	t.series[name] = s
	t.dynamic++
	t.admitted++
	return s
}

// coldest returns the dynamic series with the least heat, of those the one
// unused for longest. There must be one.
func (t *table[T]) coldest() *series[T] {
	var coldest *series[T]
	for _, s := range t.series {
		if s.pinned {
			continue
		}
		if coldest == nil || s.heat < coldest.heat || s.heat == coldest.heat && s.used < coldest.used {
			coldest = s
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
	for _, s := range t.series {
		s.heat >>= uint(times)
	}
	t.waiting.halve(uint(times))
}

// sweep removes the dynamic series unused since before, and returns how many.
func (t *table[T]) sweep(now, before time.Duration) (removed int) {
	t.cool(now)
	for _, s := range t.series {
		if !s.pinned && s.used < before {
			t.remove(s)
			removed++
		}
	}
	return removed
}

func (t *table[T]) remove(s *series[T]) {
	delete(t.series, s.name)
	t.dynamic--
	t.retired++
	t.retire(s.value)
}
