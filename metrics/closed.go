package metrics

import "slices"

// closedValues finds the values of a closed label. Comparing a value with each of them
// would be wrong about the next branch again and again, so that there is a table in
// which each has a place of its own, by four of its bytes: one comparison tells. Of
// values that share these bytes there is none.
type closedValues struct {
	all   []string
	table *[closedSlots]uint16 // one more than the index of the value, 0 if there is none; or nil
	salt  uint32               // odd
}

const (
	closedSlots = 256
	maxTabled   = 32 // values for which a table is soon found
)

func newClosedValues(all []string) closedValues {
	v := closedValues{all: all, salt: 0x9e3779b9}
	for tries := 0; tries < 100 && v.table == nil && len(all) <= maxTabled; tries++ {
		v.salt *= 0x2c9277b5
		v.table = v.tabulate()
	}
	return v
}

// tabulate returns the table, nil if two values would share a place.
func (v *closedValues) tabulate() *[closedSlots]uint16 {
	table := new([closedSlots]uint16)
	for i, value := range v.all {
		at := &table[v.slot(value)]
		if *at != 0 {
			return nil
		}
		*at = uint16(i + 1)
	}
	return table
}

func (v *closedValues) slot(value string) uint32 {
	n := len(value)
	if n == 0 {
		return 0
	}
	bytes := uint32(value[0]) | uint32(value[n-1])<<8 | uint32(value[n/2])<<16 | uint32(n)<<24
	return bytes * v.salt >> 24
}

// find returns the index of a value, -1 if it is none of them.
func (v *closedValues) find(value string) int {
	if v.table == nil {
		return slices.Index(v.all, value)
	}
	if i := int(v.table[v.slot(value)]) - 1; i >= 0 && v.all[i] == value {
		return i
	}
	return -1
}
