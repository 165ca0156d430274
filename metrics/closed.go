package metrics

import "slices"

// closedValues finds the values of a closed label. Comparing a value with each of them
// would be wrong about the next branch again and again, so that there is a table in
// which each has a place of its own, by its length and three of its bytes: one comparison
// tells. There is none if two share these, if one is very long, or if there are many.
type closedValues struct {
	all    []closedValue // after one that no value is equal to
	tabled bool
	salt   uint32             // odd
	table  [closedSlots]uint8 // the index of a value in all, or 0
}

type closedValue struct {
	short uint32 // what short returns
	value string
}

const (
	closedSlots = 256
	maxTabled   = 32 // values for which a table is soon found
)

func newClosedValues(values []string) closedValues {
	v := closedValues{all: make([]closedValue, 1, 1+len(values)), salt: 0x9e3779b9}
	v.all[0].short = 1<<24 | 1 // of length 1, and the bytes differ
	for _, value := range values {
		v.all = append(v.all, closedValue{short(value), value})
	}
	for tries := 0; tries < 100 && len(values) <= maxTabled && !v.tabled; tries++ {
		v.salt *= 0x2c9277b5
		v.tabulate()
	}
	return v
}

// tabulate fills the table, unless two values would share a place.
func (v *closedValues) tabulate() {
	clear(v.table[:])
	for i, of := range v.all[1:] {
		at := &v.table[of.short*v.salt>>24]
		if *at != 0 || len(of.value) > 255 {
			clear(v.table[:])
			return
		}
		*at = uint8(i + 1)
	}
	v.tabled = true
}

// short returns the length of a value, of which it has eight bits, and three of its bytes:
// all of a value that has no more.
func short(value string) uint32 {
	n := len(value)
	if n == 0 {
		return 0
	}
	return uint32(value[0]) | uint32(value[n/2])<<8 | uint32(value[n-1])<<16 | uint32(n)<<24
}

// find returns one more than the index of a value, 0 if it is none of them.
func (v *closedValues) find(value string) int {
	short := short(value)
	i := v.table[short*v.salt>>24]
	if of := &v.all[i]; of.short == short && (len(value) <= 3 || of.value == value) {
		return int(i)
	}
	return v.search(value)
}

// search is find for a value that is not where the table says.
func (v *closedValues) search(value string) int {
	if v.tabled {
		return 0
	}
	return 1 + slices.IndexFunc(v.all[1:], func(of closedValue) bool { return of.value == value })
}
