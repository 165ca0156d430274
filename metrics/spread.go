package metrics

import "unsafe"

// A spread is a power of two of things that writers are spread over, so that those who
// write at the same time seldom write the same. It does not change: another takes its
// place.
type spread[T any] struct {
	of   []*T
	salt uint64 // odd; another one brings others together
}

// mine returns the one that the calling goroutine should write: that which the address
// of its stack chooses, so that it is the same each time.
func (s *spread[T]) mine() *T {
	var here byte
	hash := uint64(uintptr(unsafe.Pointer(&here))>>11) * s.salt >> 32
	return s.of[hash&uint64(len(s.of)-1)]
}

// unspread returns a spread of one.
func unspread[T any](first *T) *spread[T] { return &spread[T]{[]*T{first}, 0x9e3779b97f4a7c15} }

// grown returns a spread with twice as many, the old ones among them, or with just these
// if there may not be more than most. Either brings together others than s does: two
// writers that always meet need not go on to.
func (s *spread[T]) grown(most int) *spread[T] {
	n := len(s.of)
	if 2*n <= most {
		n *= 2
	}
	grown := &spread[T]{make([]*T, n), s.salt * 0xd1342543de82ef95}
	for i := copy(grown.of, s.of); i < n; i++ {
		grown.of[i] = new(T)
	}
	return grown
}
