package metrics

import (
	"math/bits"
	"runtime"
	"sync/atomic"
)

// A line is eight counters that fill a cache line.
type line [8]atomic.Uint64

const (
	// meetings is how often two writers must have met on a line until there are
	// twice as many stripes. It is more than chance brings about in a while, and
	// passes within milliseconds when processors compete.
	meetings = 64

	maxStripes = 64
)

// stripes are eight counters that are as cheap as an atomic word each while one goroutine writes at a time.
// When writers meet they are spread over more and more lines, up to four for each processor, and those who go
// on to meet are spread anew, so that they seldom meet again: the idea of Doug Lea's LongAdder. A counter's
// value is the sum over all lines. The zero value is ready.
type stripes struct {
	first line
	more  atomic.Pointer[spread[line]] // nil at first; the first line is among them
	met   atomic.Uint32
	_     [52]byte // to two lines, so that who reads more does not wait for who writes first
}

// mine returns the line that the calling goroutine should write.
func (s *stripes) mine() *line {
	if more := s.more.Load(); more != nil {
		return more.mine()
	}
	return &s.first
}

// add adds n to a counter of a line that mine returned.
func (s *stripes) add(w *atomic.Uint64, n uint64) {
	if !addAlone(w, n) {
		s.meet(w, n)
	}
}

// addAlone adds n and reports true unless another writes at the same time. Where it is
// often called, it is so in place of add, which is too long to be inlined.
func addAlone(w *atomic.Uint64, n uint64) bool {
	v := w.Load()
	return w.CompareAndSwap(v, v+n)
}

// meet is add for one who has met another writer.
func (s *stripes) meet(w *atomic.Uint64, n uint64) {
	w.Add(n)
	if s.met.Add(1)%meetings == 0 {
		s.grow()
	}
}

// grow spreads the writers anew.
func (s *stripes) grow() {
	old := s.more.Load()
	if old == nil {
		s.more.CompareAndSwap(nil, unspread(&s.first).grown(mostStripes()))
		return
	}
	s.more.CompareAndSwap(old, old.grown(mostStripes())) // if another has done it, that will do
}

// mostStripes is how many lines there may be: four for each processor, as a power
// of two.
func mostStripes() int { return min(1<<bits.Len(uint(4*runtime.NumCPU()-1)), maxStripes) }

// sum returns the value of counter i.
func (s *stripes) sum(i int) uint64 {
	more := s.more.Load()
	if more == nil {
		return s.first[i].Load()
	}
	var sum uint64
	for _, l := range more.of {
		sum += l[i].Load()
	}
	return sum
}

// take returns the value of counter i and makes it 0, losing nothing that is
// added meanwhile.
func (s *stripes) take(i int) uint64 {
	more := s.more.Load()
	if more == nil {
		return s.first[i].Swap(0)
	}
	var sum uint64
	for _, l := range more.of {
		sum += l[i].Swap(0)
	}
	return sum
}
