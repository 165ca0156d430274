package main

// maxSeries is how many measurements are kept: a week of two a minute, in some 20 MB.
const maxSeries = 20_000

// A series holds measurements, oldest first, and never more than its bound: when it is full every second is
// dropped, and from then on only as many are taken in as keep the distances equal. So it covers the whole time,
// ever more coarsely.
type series struct {
	bound  int
	kept   []measurement
	newest measurement // kept or not
	count  int         // measurements ever added
	stride int         // of these, one in stride is kept
}

func newSeries(bound int) *series { return &series{bound: bound, stride: 1} }

// add appends m.
func (s *series) add(m measurement) {
	s.newest = m
	if s.count%s.stride == 0 {
		if len(s.kept) == s.bound {
			s.thin()
		}
		if s.count%s.stride == 0 {
			s.kept = append(s.kept, m)
		}
	}
	s.count++
}

// thin drops every second measurement.
func (s *series) thin() {
	n := 0
	for i := 0; i < len(s.kept); i += 2 {
		s.kept[n] = s.kept[i]
		n++
	}
	clear(s.kept[n:])
	s.kept = s.kept[:n]
	s.stride *= 2
}

// last returns the newest measurement, or an empty one if there is none.
func (s *series) last() measurement { return s.newest }
