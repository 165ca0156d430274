package ratelimit

import "sync"

// A sketch remembers the charges of all sources that were evicted, in a fixed
// number of cells. A source has one cell in each of two rows; a cell is as many times of
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
// The long window is remembered in the same way, bucket by bucket, but a newcomer always
// has a window's worth of it left: by a flood that goes on all day, strangers would otherwise be
// denied until the next. So each time a source gets itself evicted may give it that
// many failures more in the long window, and none in the short.
//
// Times are kept in 32 bits, rounded up to a quarter of a second; who recalls one that is later than now takes now, which
// is no earlier than any charge was. So nothing above changes, and a source that was evicted is denied for a quarter of a second more.
//
// The idea of inheriting the maximum of the evicted is that of Space-Saving (Metwally,
// Agrawal and El Abbadi, ICDT 2005); two rows and the minimum are those of the Count-Min sketch (Cormode and
// Muthukrishnan, LATIN 2004).
type sketch struct {
	failures int
	row      int // cells in one

	mu    sync.Mutex  // guards what follows; it may be taken by who holds the lock of a table, and no other is taken then
	cells []moment    // each is failures times, the end of a lock-out, and when strikes are forgiven
	long  []histogram // one to a cell: the long windows
}

const sketchRows = 2

// mostCells bounds what the sketches of large trackers take, those of networks included: it is of a row, of all tables together.
const mostCells = 1 << 17

// newSketch returns a sketch with seven cells in a row for four addresses in the table. A flood of five strangers for each
// address, from few networks and at once in every window, then denies one newcomer in 2,000; with six cells eleven, and with
// five a hundred and more.
func newSketch(failures, addresses int) *sketch {
	row := min(max(addresses*7/4, 64), mostCells)
	s := &sketch{failures: failures, row: row, long: make([]histogram, sketchRows*row)}
	s.cells = make([]moment, sketchRows*row*s.width())
	return s
}

// A moment is a time in quarters of a second, rounded up: 2^28 nanoseconds, of which 32 bits have 36 years. A later one is that late.
type moment uint32

const momentBits = 28

func coarsen(at int64) moment {
	return moment(min((at+1<<momentBits-1)>>momentBits, 1<<32-1))
}

// time returns the latest that a time was before it was rounded up.
func (m moment) time() int64 { return int64(m) << momentBits }

// The elements of a cell are the charges, newest first, and then these.
func (s *sketch) lockedUntil() int { return s.failures }
func (s *sketch) forgivenAt() int  { return s.failures + 1 }
func (s *sketch) width() int       { return s.failures + 2 }

// fold remembers an entry.
func (s *sketch) fold(hash uint64, stamps []int64, lockedUntil, forgivenAt int64, long histogram) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for row := range sketchRows {
		at := s.at(hash, row)
		cell := s.cell(at)
		for j, stamp := range stamps {
			cell[j] = max(cell[j], coarsen(stamp))
		}
		cell[s.lockedUntil()] = max(cell[s.lockedUntil()], coarsen(lockedUntil))
		cell[s.forgivenAt()] = max(cell[s.forgivenAt()], moment(forgivenAt>>momentBits)) // not up: that could be a strike more
		s.long[at].raise(long)
	}
}

// judge says whether a source may be charged that is not in the table.
func (s *sketch) judge(hash uint64, window, now int64) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := s.least(hash, s.lockedUntil()); until > now {
		return verdict{kind: saturated, until: until}
	}
	if oldest := s.least(hash, s.failures-1); oldest != 0 && oldest+window > now {
		return verdict{kind: saturated, until: oldest + window}
	}
	return verdict{}
}

// least returns element j of what is remembered at least of a source. s.mu must be held.
func (s *sketch) least(hash uint64, j int) int64 {
	return min(s.cell(s.at(hash, 0))[j], s.cell(s.at(hash, 1))[j]).time()
}

// recall sets the times of an entry to what is remembered at least of a source, and returns the rest of it.
func (s *sketch) recall(hash uint64, stamps []int64, now int64) (forgivenAt int64, long histogram) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for j := range stamps {
		stamps[j] = min(s.least(hash, j), now)
	}
	long = s.long[s.at(hash, 0)]
	long.lower(s.long[s.at(hash, 1)])
	return s.least(hash, s.forgivenAt()), long
}

func (s *sketch) at(hash uint64, row int) int {
	return row*s.row + int(uint64(uint32(hash>>(32*row)))*uint64(s.row)>>32)
}

func (s *sketch) cell(at int) []moment { return s.cells[at*s.width() : (at+1)*s.width()] }
