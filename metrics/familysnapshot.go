package metrics

import "slices"

// FamilySnapshot is what a [Family] had counted at one moment. It does not change
// any more.
type FamilySnapshot struct {
	Name, Help string
	Labels     []string // their names, the open one first

	// Counters are those that have counted something, and those of the pinned
	// series, by the values of their labels.
	Counters []LabelledCount
	Total    uint64 // of all counters

	Series    int    // values of the open label that have a series, pinned ones among them
	MaxSeries int    // pinned ones and FamilyConfig.MaxSeries more
	Admitted  uint64 // series ever made, beside the pinned ones
	Retired   uint64 // series ever removed
	Clipped   uint64 // values of the open label that were shortened or repaired
	Bytes     int64  // as Bytes
	MaxBytes  int64
}

// A LabelledCount is one counter of a [Family].
type LabelledCount struct {
	Values []string // of the labels
	Count  uint64
}

// Snapshot returns what the family has counted. The counters add up to the number of
// calls to Inc, and what Add added, that had returned before Snapshot was called;
// of those under way it may have some and lack others.
func (f *Family) Snapshot() FamilySnapshot {
	s := FamilySnapshot{Name: f.config.Name, Help: f.config.Help, Labels: []string{f.config.Label}, MaxBytes: f.config.MaxBytes}
	for _, l := range f.config.Closed {
		s.Labels = append(s.Labels, l.Name)
	}
	f.copyCounts(&s)
	s.Clipped = f.clipped.Load()
	slices.SortFunc(s.Counters, func(a, b LabelledCount) int { return slices.Compare(a.Values, b.Values) })
	return s
}

func (f *Family) copyCounts(s *FamilySnapshot) {
	f.mu.Lock() // so that no counts move meanwhile
	defer f.mu.Unlock()
	t, combinations := f.table, f.config.combinations()
	for e := range t.index.all() {
		open := e == t.other || e == t.retired
		for i := range combinations {
			n := e.value.sum(i)
			values, declared := f.values(e.name, i)
			if n > 0 || declared && e.pinned() && !open {
				s.Counters = append(s.Counters, LabelledCount{values, n})
				s.Total += n
			}
		}
	}
	s.Series = t.index.live - 2 // but for other and retired
	s.MaxSeries = s.Series - t.dynamic + f.config.MaxSeries
	s.Admitted, s.Retired = t.admissions, t.retirements
	s.Bytes = f.config.fixedBytes() + t.bytes
}

// values returns the values of the labels of combination i of a series, and
// whether all of them are declared.
func (f *Family) values(name string, i int) (values []string, declared bool) {
	values = make([]string, 1+len(f.config.Closed))
	values[0], declared = name, true
	for k, l := range slices.Backward(f.config.Closed) {
		n := len(l.Values) + 1
		if values[k+1] = OtherName; i%n > 0 {
			values[k+1] = l.Values[i%n-1]
		} else {
			declared = false
		}
		i /= n
	}
	return values, declared
}
