package ratelimit

import (
	"math/bits"
	"sync"
)

// A sketch remembers the charges of all sources that were evicted, in a fixed
// number of cells. A source has one cell in each of two rows; a cell has as many times of
// charges, newest first, as an entry has, the time of a lock-out's end, and more. When a source
// is evicted, each of its cells becomes the maximum of itself and of the entry,
// element by element. When a source comes that is not in the table, it begins with the minimum of its
// cells, element by element.
//
// That the window holds for every source follows from an invariant. Let τ be the times
// of the charges of a source that were allowed and not given back, newest first. Then
//
//   - the times in the source's entry, if it has one, and otherwise those in each of its cells, are
//     at no place earlier than τ.
//
// A charge puts the same newest time in front of both. A refund takes the same
// time from both. Eviction makes the cells no earlier than the entry; cells never get
// earlier, so the invariant holds for the sources that share them. Insertion takes the minimum of two lists that are
// no earlier than τ. A refund after an eviction takes a time from τ alone, which makes
// it no later. As an attempt is allowed only if the last time of the entry, or of the
// minimum of the cells, is outside the window, the last time of τ is outside as well: no source
// has more than Failures charges in a window, whatever others do. Nothing in this depends on chance,
// on who is evicted, or on what an attacker knows. Chance only decides how many others a source shares its
// cells with.
//
// The long window is remembered in the same way, by buckets of a third of it, but a newcomer always
// has a window's worth of it left: by a flood that goes on all day, strangers would otherwise be
// denied until the next. So each time a source gets itself evicted may give it that
// many failures more in the long window, and none in the short.
//
// Charges are kept by their ticks, rounded up; a tick is a quarter of a second, or if the window is longer than two hours a part in 16,384 or less
// of it. Who recalls one that is later than now takes now, which is no earlier than any charge was; and one that is a window
// older than the newest of its cell can count no more, and is left out. So nothing above changes, and a source that was evicted is denied for a tick more.
//
// The idea of inheriting the maximum of the evicted is that of Space-Saving (Metwally,
// Agrawal and El Abbadi, ICDT 2005); two rows and the minimum are those of the Count-Min sketch (Cormode and
// Muthukrishnan, LATIN 2004).
type sketch struct {
	failures, long int // of the rule
	tick           int // 2 to the power of it nanoseconds
	row            int // cells in one

	mu    sync.Mutex // guards what follows; it may be taken by who holds the lock of a table, and no other is taken then
	cells []uint32   // see cell
}

const sketchRows = 2

// mostCells bounds what the sketches of large trackers take, those of networks included: it is of a row, of all tables together.
const mostCells = 1 << 17

// newSketch returns a sketch with eight cells in a row for five addresses in the table. A flood of five strangers for each
// address, from few networks and at once in every window, then denies one newcomer in two hundred.
func newSketch(c Config) *sketch {
	s := &sketch{
		failures: c.Failures, long: c.LongFailures,
		tick: max(momentBits, bits.Len64(uint64(c.Window))-15),
		row:  min(max(c.MaxAddresses*8/5, 64), mostCells),
	}
	s.cells = make([]uint32, sketchRows*s.row*s.width())
	return s
}

// A moment is a time in quarters of a second, rounded up: 2^28 nanoseconds, of which 32 bits have 36 years. A later one is that late.
type moment uint32

const momentBits = 28

func coarsen(at int64) moment { return moment(roundUp(at, momentBits)) }

// time returns the latest that a time was before it was rounded up.
func (m moment) time() int64 { return int64(m) << momentBits }

// roundUp returns a time in units of 2^bits nanoseconds, rounded up.
func roundUp(at int64, bits int) uint32 { return uint32(max(0, min((at+1<<bits-1)>>bits, 1<<32-1))) }

// A cell is what is remembered of the sources that share it, in words of 32 bits: the tick of the newest charge; of two of the others in each word, how
// many ticks earlier they were; the end of a lock-out, and when strikes are forgiven, as moments; and unless there is no such limit, the charges in
// the long window: see thirds.
type cell []uint32

const (
	untilWord = iota
	forgivenWord
	longWord // and the next
)

// agesWords returns how many words the charges but the newest have.
func (s *sketch) agesWords() int { return s.failures / 2 }

// width returns how many words a cell has.
func (s *sketch) width() int {
	if s.long <= 0 {
		return 1 + s.agesWords() + longWord
	}
	return 1 + s.agesWords() + longWord + 2
}

// rest returns a cell without the charges.
func (s *sketch) rest(c cell) cell { return c[1+s.agesWords():] }

// forgotten is the age of a charge that is none, or too old to count.
const forgotten = 1<<16 - 1

// charge returns the tick of charge j of a cell, or zero.
func (c cell) charge(j int) uint32 {
	if j == 0 {
		return c[0]
	}
	if age := c[(j+1)/2] >> (16 * (j & 1)) & forgotten; age < forgotten && c[0] != 0 {
		return c[0] - age
	}
	return 0
}

// raise makes no charge of a cell earlier than those of an entry.
func (s *sketch) raise(c cell, stamps []int64) {
	newest := max(c[0], roundUp(stamps[0], s.tick))
	for j := 1; j < len(stamps); j++ {
		tick := max(c.charge(j), roundUp(stamps[j], s.tick))
		age := uint32(forgotten)
		if tick != 0 {
			age = min(age, newest-tick)
		}
		word, shift := &c[(j+1)/2], 16*(j&1)
		*word = *word&^(forgotten<<shift) | age<<shift
	}
	c[0] = newest
}

// fold remembers an entry.
func (s *sketch) fold(hash uint64, stamps []int64, lockedUntil, forgivenAt int64, long histogram) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for row := range sketchRows {
		c := s.cell(hash, row)
		s.raise(c, stamps)
		rest := s.rest(c)
		rest[untilWord] = max(rest[untilWord], uint32(coarsen(lockedUntil)))
		rest[forgivenWord] = max(rest[forgivenWord], uint32(forgivenAt>>momentBits)) // not up: that could be a strike more
		if s.long > 0 {
			h := thirdsOf(rest)
			h.raise(thirdsFrom(long))
			h.put(rest)
		}
	}
}

// judge says whether a source may be charged that is not in the table.
func (s *sketch) judge(hash uint64, window, now int64) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, b := s.cell(hash, 0), s.cell(hash, 1)
	if until := moment(min(s.rest(a)[untilWord], s.rest(b)[untilWord])).time(); until > now {
		return verdict{kind: saturated, until: until}
	}
	if oldest := int64(min(a.charge(s.failures-1), b.charge(s.failures-1))) << s.tick; oldest != 0 && oldest+window > now {
		return verdict{kind: saturated, until: oldest + window}
	}
	return verdict{}
}

// recall sets the times of an entry to what is remembered at least of a source, and returns the rest of it, with no bucket of the long window that is later
// than one.
func (s *sketch) recall(hash uint64, stamps []int64, now int64, bucket uint32) (forgivenAt int64, long histogram) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, b := s.cell(hash, 0), s.cell(hash, 1)
	for j := range stamps {
		stamps[j] = min(int64(min(a.charge(j), b.charge(j)))<<s.tick, now)
	}
	if s.long > 0 {
		h := thirdsOf(s.rest(a))
		h.lower(thirdsOf(s.rest(b)))
		long = h.histogram(bucket)
	}
	return moment(min(s.rest(a)[forgivenWord], s.rest(b)[forgivenWord])).time(), long
}

// cell returns that of a source in a row.
func (s *sketch) cell(hash uint64, row int) cell {
	at := row*s.row + int(uint64(uint32(hash>>(32*row)))*uint64(s.row)>>32)
	return s.cells[at*s.width() : (at+1)*s.width()]
}
