package metrics

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// A Family counts by the values of labels, and is bounded in series and in bytes
// whatever the values are.
//
// One label is open: anything may come as its value. It has a series for each
// pinned value and for at most MaxSeries others, and what overflows is counted as
// [OtherName], of that label only: the closed labels keep their values. A value
// that turns out to be frequent takes the place of the coldest series, whose counts
// move to [RetiredName]. No count is ever lost on the way: the counters of a
// snapshot always add up to the number of calls.
//
// With two open labels, a flood of one would drive out the values of the other;
// make two families of them, or one label.
type Family struct {
	config FamilyConfig // with defaults filled in
	clock  *clock
	closed []closedValues // of each closed label

	clipped atomic.Uint64

	mu    sync.Mutex // guards table, but for what its find reads
	table *table[combinations]
}

// NewFamily returns a family that has counted nothing, or the error of
// [FamilyConfig.Validate]. It starts no goroutine and needs no Close.
func NewFamily(c FamilyConfig) (*Family, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	n := c.combinations()
	closed := make([]closedValues, len(c.Closed))
	for i, l := range c.Closed {
		closed[i] = newClosedValues(l.Values)
	}
	return &Family{config: c, clock: newClock(maxClockPeriod), closed: closed, table: newTable(tableConfig[combinations]{
		maxDynamic: c.MaxSeries,
		maxBytes:   c.MaxBytes - c.fixedBytes(),
		pinned:     c.Pinned,
		newValue:   func() combinations { return newCombinations(n) },
		valueBytes: combinationsBytes(n),
	})}, nil
}

// Inc adds 1 to the counter of the value of the open label and those of the closed
// ones, in the order of the configuration. A value of the open label that is too
// long is clipped, bytes that are not UTF-8 are replaced, and the empty one is
// [UnmatchedName]. A value of a closed label that is not among its values, or is
// not given, is [OtherName], and values too many are ignored.
// For a value that has a series as it is given Inc takes constant time and no lock, and allocates only
// to spread, as a [Counter] does.
func (f *Family) Inc(value string, closed ...string) {
	f.Add(1, value, closed...)
}

// Add adds n, as Inc does 1.
func (f *Family) Add(n uint64, value string, closed ...string) {
	combination, now := f.combination(closed), f.clock.now()
	if value == "" {
		value = UnmatchedName
	}
	var s *series[combinations]
	if len(value) <= f.config.MaxLabelBytes { // so that no more is looked at
		s = f.table.index.get(value)
	}
	if s != nil {
		s.use(now)
	} else {
		s = f.admit(value, n, now)
	}
	f.add(s, combination, n)
}

func (f *Family) add(s *series[combinations], combination int, n uint64) {
	of := &s.value[uint(combination)/uint(len(line{}))]
	if w := &of.mine()[uint(combination)%uint(len(line{}))]; !addAlone(w, n) {
		of.meet(w, n)
	}
	if s.gone.Load() {
		f.late(s)
	}
}

func (f *Family) late(s *series[combinations]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.table.late(s)
}

// admit returns the series of a value of the open label that has none as it is given, to
// count n.
func (f *Family) admit(value string, n uint64, now time.Duration) *series[combinations] {
	value = f.kept(value)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.table.admit(value, n, now)
}

// kept returns a value of the open label as it is kept.
func (f *Family) kept(value string) string {
	if value == "" {
		return UnmatchedName
	}
	value, changed := clip(value, f.config.MaxLabelBytes)
	if changed {
		f.clipped.Add(1)
	}
	return value
}

// combination returns the number of the combination of these values: the digits
// of a number, so to speak, with 0 for other.
func (f *Family) combination(closed []string) (n int) {
	if len(f.closed) == 1 && len(closed) == 1 {
		return f.closed[0].find(closed[0])
	}
	for i := range f.closed {
		values := &f.closed[i]
		n *= len(values.all)
		if i < len(closed) {
			n += values.find(closed[i])
		}
	}
	return n
}

// A Handle is a counter of a [Family] that is found once and used often. It goes on
// working when its series has been retired: it then counts as Inc of the family
// does, in the series that the value has by then or in that of all others.
type Handle struct {
	family      *Family
	value       string
	combination int
	series      atomic.Pointer[series[combinations]]
}

// With returns a handle for the values, which are as for Inc.
func (f *Family) With(value string, closed ...string) *Handle {
	h := &Handle{family: f, value: strings.Clone(f.kept(value)), combination: f.combination(closed)}
	h.series.Store(f.table.find(h.value, f.clock.now()))
	return h
}

// Inc adds 1.
func (h *Handle) Inc() { h.Add(1) }

// Add adds n.
func (h *Handle) Add(n uint64) {
	s := h.series.Load()
	if s == nil || s.gone.Load() {
		now := h.family.clock.now()
		if s = h.family.table.find(h.value, now); s == nil {
			s = h.family.admit(h.value, n, now)
		}
		if s != h.family.table.other { // which it may leave by being counted there
			h.series.Store(s)
		}
	} else {
		s.use(h.family.clock.now())
	}
	h.family.add(s, h.combination, n)
}

// Sweep removes the series that are not pinned and have not been used for
// IdleAfter, adds their counts to [RetiredName], and returns how many it removed.
// It gives memory back sooner; no bound depends on it.
func (f *Family) Sweep() (removed int) {
	now := f.clock.precise()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.table.sweep(now, now-f.config.IdleAfter)
}

// Bytes returns how much memory the family takes, at most MaxBytes. It is an upper
// bound: it has room for the stripes that counters may spread over.
func (f *Family) Bytes() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.config.fixedBytes() + f.table.bytes
}

// combinations are the counters of a series, one for each combination of closed
// labels, by eights.
type combinations []stripes

func newCombinations(n int) combinations { return make(combinations, (n+len(line{})-1)/len(line{})) }

// combinationsBytes is what n counters take when they are spread as far as can be,
// and as much again while they spread.
func combinationsBytes(n int) int64 {
	lines := int64(mostStripes())
	each := int64(unsafe.Sizeof(stripes{})) + 32 + (lines-1)*int64(unsafe.Sizeof(line{})) + 2*8*lines
	return each * int64((n+len(line{})-1)/len(line{}))
}

func (c combinations) sum(i int) uint64 { return c[i/len(line{})].sum(i % len(line{})) }

func (c combinations) count() (n uint64) {
	for i := range c {
		for j := range c[i].first {
			n += c[i].sum(j)
		}
	}
	return n
}

func (c combinations) moveTo(to combinations) {
	for i := range c {
		for j := range c[i].first {
			to[i].first[j].Add(c[i].take(j))
		}
	}
}
