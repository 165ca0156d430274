package ratelimit

import "sync"

// A sketch remembers the charges of all sources that were evicted, in a fixed
// number of cells. A source has one cell in each of two rows; a cell has as many times of
// charges, newest first, as an entry has. When a source
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
// The ends of lock-outs, the times when strikes are forgiven, and the charges in the long window are remembered
// in the same way, in cells of their own, of which fewer suffice. In the long window a newcomer always has a
// window's worth of it left: by a flood that goes on all day, strangers would otherwise be denied until the
// next. So each time a source gets itself evicted may give it that many failures more in the long window, and
// none in the short.
//
// Charges are kept by their ticks, rounded up: see leftBits. Who recalls one that is later than now takes now,
// which is no earlier than any charge was; and one that is so old that it counts no more is left out. So
// nothing above changes, and a source that was evicted is denied for up to a tick more.
//
// The idea of inheriting the maximum of the evicted is that of Space-Saving (Metwally,
// Agrawal and El Abbadi, ICDT 2005); two rows and the minimum are those of the Count-Min sketch (Cormode and
// Muthukrishnan, LATIN 2004).
type sketch struct {
	window int64
	ticks  ruler

	mu      sync.Mutex // guards what follows; it may be taken by who holds the lock of a table, and no other is taken then
	recent  rows       // the charges in the window: a cell is of lefts: see leftBits
	long    rows       // those in the long window: a cell is of counts: see longBuckets; nil: there is no such limit
	ends    deadlines  // of lock-outs
	pardons deadlines  // when strikes are forgiven
}

const sketchRows = 2

// mostCells bounds what the sketches of large trackers take. It is of a row; those of networks are of all
// tables together.
const mostCells = 1 << 17

// newSketch returns a sketch with eight cells in a row for the charges of five addresses in the table. A flood
// of five strangers for each address, from few networks and at once in every window, then denies less than one
// newcomer in a hundred.
func newSketch(c Config) *sketch {
	cells := func(forEach, addresses int) int { return min(max(c.MaxAddresses*forEach/addresses, 64), mostCells) }
	s := &sketch{
		window: int64(c.Window), ticks: newRuler(tickWidth(int64(c.Window))),
		recent:  newRows(cells(8, 5), leftWords(c.Failures)),
		ends:    newDeadlines(cells(1, 1)),
		pardons: newDeadlines(cells(1, 4)),
	}
	if c.LongFailures > 0 {
		s.long = newRows(cells(1, 2), 1)
	}
	return s
}

// bytes returns what the cells take.
func (s *sketch) bytes() int64 {
	return sliceBytes(s.recent.lines) + sliceBytes(s.long.lines) + sliceBytes(s.ends.cells) + sliceBytes(s.pardons.cells)
}

// fold remembers an entry.
func (s *sketch) fold(hash uint64, stamps []int64, lockedUntil, forgivenAt int64, long histogram) {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := s.ticks.after(stamps[0])
	for row := range sketchRows {
		l, at := s.recent.cell(hash, row)
		l.ageLefts(newest)
		for j, stamp := range stamps {
			l.raiseLeft(at, j, s.ticks.after(stamp))
		}
		if s.long.lines != nil {
			l, at := s.long.cell(hash, row)
			l.raiseLong(at, long)
		}
	}
	s.ends.raise(hash, coarsen(lockedUntil))
	s.pardons.raise(hash, floor(forgivenAt)) // not up: that could be a strike more
}

// judge says whether a source may be charged that is not in the table.
func (s *sketch) judge(hash uint64, failures int, now int64) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	until := s.ends.get(hash, now)
	if oldest := s.charge(hash, failures-1); oldest != 0 {
		until = max(until, oldest+s.window)
	}
	if until > now {
		return verdict{kind: saturated, until: until}
	}
	return verdict{}
}

// lockedUntil returns when a lock-out of a source ends at the latest, or zero if none is remembered that has
// not ended.
func (s *sketch) lockedUntil(hash uint64, now int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := s.ends.get(hash, now); until > now {
		return until
	}
	return 0
}

// charge returns when charge j of a source was at the latest, or zero. s.mu must be held.
func (s *sketch) charge(hash uint64, j int) int64 {
	a, at := s.recent.cell(hash, 0)
	b, bt := s.recent.cell(hash, 1)
	return s.ticks.start(min(a.leftTick(at, j), b.leftTick(bt, j)))
}

// recall sets the times of an entry to what is remembered at least of a source, and returns the rest of it,
// with no bucket of the long window that is later than one.
func (s *sketch) recall(hash uint64, stamps []int64, now int64, bucket uint32) (forgivenAt int64, long histogram) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for j := range stamps {
		stamps[j] = min(s.charge(hash, j), now)
	}
	if s.long.lines != nil {
		a, at := s.long.cell(hash, 0)
		b, bt := s.long.cell(hash, 1)
		long = leastLong(a, at, b, bt, bucket)
	}
	return s.pardons.get(hash, now), long
}

// rows are the cells of a sketch: two rows of them.
type rows struct {
	grid
	lines []line
}

func newRows(cells, width int) rows {
	g := newGrid(cells, width, lineWords)
	return rows{grid: g, lines: make([]line, sketchRows*g.lines)}
}

// cell returns the line that a source has in a row, and the first word of its cell.
func (r *rows) cell(hash uint64, row int) (l *line, word uint32) {
	at, word := r.at(uint32(hash >> (32 * row)))
	return &r.lines[uint32(row)*r.grid.lines+at], word
}
