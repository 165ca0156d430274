package metrics

import (
	"math"
	"strings"
)

// candidates counts the names that have no series, the frequent ones well, in a
// fixed number of places: Space-Saving (Metwally, Agrawal and El Abbadi,
// "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005).
// A newcomer takes the place of the least frequent name and inherits its count
// as an error, so that count-inherited is what has certainly been counted for the
// name since then. Any name that makes up more than 1/max of what is offered is kept.
// An offer takes O(log max) time.
//
// Beside the counts, which are halved in time, it has a bound for each name on how much
// was ever offered for it, which is not: that of a newcomer begins with the greatest of
// all who were here and left.
//
// It is not safe for concurrent use.
type candidates struct {
	max    int
	byName map[string]*candidate
	heap   []*candidate // the least count at 0, each parent's at most its children's
	most   uint64       // no more was ever offered for a name that is not here
}

type candidate struct {
	name      string
	count     uint64
	inherited uint64
	most      uint64 // no more was ever offered
	again     bool   // whether it was offered more than once
	at        int    // index in heap
}

func newCandidates(max int) candidates {
	return candidates{max: max, byName: make(map[string]*candidate)}
}

// offer counts n for name. It returns how much has certainly been counted for it,
// and whether it had been offered before.
func (c *candidates) offer(name string, n uint64) (certain uint64, again bool) {
	e := c.byName[name]
	switch {
	case e != nil:
		e.again = true
		e.count = add(e.count, n)
		c.down(e.at)
	case len(c.heap) < c.max:
		e = &candidate{name: strings.Clone(name), count: n, most: c.most, at: len(c.heap)}
		c.byName[e.name] = e
		c.heap = append(c.heap, e)
		c.up(e.at)
	default:
		e = c.heap[0]
		delete(c.byName, e.name)
		c.left(e.most)
		e.name, e.inherited, e.again = strings.Clone(name), e.count, false
		e.count = add(e.count, n)
		e.most = c.most
		c.byName[e.name] = e
		c.down(0)
	}
	e.most = add(e.most, n)
	return e.count - e.inherited, e.again
}

// add returns a+b, or the greatest number there is.
func add(a, b uint64) uint64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxUint64
}

// left notes that a name is no longer here for which no more than most was offered.
func (c *candidates) left(most uint64) { c.most = max(c.most, most) }

// remove forgets name, if it is there, and returns the bound on what was ever offered for
// it. The caller keeps that until the name may come back, and then calls left.
func (c *candidates) remove(name string) (most uint64) {
	e := c.byName[name]
	if e == nil {
		return c.most
	}
	delete(c.byName, name)
	hole, last := e.at, len(c.heap)-1
	c.swap(hole, last)
	c.heap[last] = nil
	c.heap = c.heap[:last]
	if hole < last {
		c.up(hole)
		c.down(hole)
	}
	return e.most
}

// halve halves all counts times times, which keeps their order, and forgets the
// names whose count becomes 0.
func (c *candidates) halve(times uint) {
	for _, e := range c.heap {
		e.count >>= times
		e.inherited >>= times
	}
	for len(c.heap) > 0 && c.heap[0].count == 0 {
		c.left(c.remove(c.heap[0].name))
	}
}

func (c *candidates) up(i int) {
	for parent := (i - 1) / 2; i > 0 && c.heap[i].count < c.heap[parent].count; parent = (i - 1) / 2 {
		c.swap(i, parent)
		i = parent
	}
}

func (c *candidates) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(c.heap); child++ {
			if c.heap[child].count < c.heap[least].count {
				least = child
			}
		}
		if least == i {
			return
		}
		c.swap(i, least)
		i = least
	}
}

func (c *candidates) swap(i, j int) {
	c.heap[i], c.heap[j] = c.heap[j], c.heap[i]
	c.heap[i].at, c.heap[j].at = i, j
}
