package metrics

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestClosedValuesHaveATable(t *testing.T) {
	for _, all := range [][]string{
		nil, {""}, {"200", "301", "404", "429", "500"}, {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}, statuses(maxTabled),
	} {
		v := newClosedValues(all)
		require.True(t, v.tabled)
		for i, value := range all {
			require.Equal(t, i+1, v.find(value))
		}
		require.Zero(t, v.find("BREW"))
	}
	for why, all := range map[string][]string{
		"too many":                         statuses(maxTabled + 1),
		"the bytes looked at are the same": {"aXcYe", "aZcWe"},
		"one is very long":                 {"200", strings.Repeat("2", 300)},
		"so, and one is empty":             {"", "aXcYe", "aZcWe"},
		"so, and some are of one byte":     {"aXcYe", "\x00", "\x01", "\x7f", "aZcWe"},
	} {
		v := newClosedValues(all)
		require.False(t, v.tabled, why)
		for i, value := range all {
			require.Equal(t, i+1, v.find(value), why)
		}
		require.Zero(t, v.find("BREW"), why)
	}
}

// A value whose length is 256 more has the same as all that is looked at of a short one.
func TestClosedValuesTellTheLengthApart(t *testing.T) {
	for n := 1; n < 10; n++ {
		brief, long := strings.Repeat("0", n), strings.Repeat("0", n+256)
		require.Equal(t, short(brief), short(long))
		both := newClosedValues([]string{long, brief})
		require.Equal(t, []int{1, 2}, []int{both.find(long), both.find(brief)})
		alone := newClosedValues([]string{brief})
		require.Equal(t, []int{0, 1}, []int{alone.find(long), alone.find(brief)})
		alone = newClosedValues([]string{long})
		require.Equal(t, []int{1, 0}, []int{alone.find(long), alone.find(brief)})
	}
}

// A length that a byte has no room for counts as none, and so do a few bytes of zero.
func TestClosedValuesTellTheEmptyOneApart(t *testing.T) {
	long := strings.Repeat("\x00", 256)
	require.Equal(t, short(""), short(long))
	alone := newClosedValues([]string{long})
	require.Equal(t, []int{1, 0}, []int{alone.find(long), alone.find("")})
	alone = newClosedValues([]string{""})
	require.Equal(t, []int{0, 1}, []int{alone.find(long), alone.find("")})
}

// Of a value longer than three bytes, the bytes that are not looked at first count too.
func TestClosedValuesTellEachByteApart(t *testing.T) {
	for n := 1; n < 20; n++ {
		value := strings.Repeat("a", n)
		v := newClosedValues([]string{value})
		require.True(t, v.tabled)
		for i := range n {
			require.Zero(t, v.find(value[:i]+"b"+value[i+1:]), "byte %d of %d", i, n)
		}
	}
}

// Of any number of values: the table, the values in it, and the copy that the
// configuration keeps.
func TestClosedBytesAreNoLessThanTheAllocatorTakes(t *testing.T) {
	for n := range maxCombinations {
		taken := cap(append([]closedValue(nil), make([]closedValue, n+1)...))*int(unsafe.Sizeof(closedValue{})) +
			cap(append([]string(nil), make([]string, n)...))*int(unsafe.Sizeof("")) +
			cap(append([]byte(nil), make([]byte, unsafe.Sizeof(closedValues{}))...)) +
			cap(append([]byte(nil), make([]byte, unsafe.Sizeof(ClosedLabel{}))...))
		declared := FamilyConfig{Closed: []ClosedLabel{{Values: make([]string, n)}}}
		without := FamilyConfig{}
		require.LessOrEqual(t, int64(taken), declared.fixedBytes()-without.fixedBytes(), "%d values", n)
	}
}

// statuses returns the first n that there could be.
func statuses(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(100+i))
	}
	return all
}

func FuzzClosedValues(f *testing.F) {
	f.Add("a b c", "b")
	f.Add("aXcYe aZcWe", "aZcWe")
	f.Add("\x00 \xff", "")
	f.Add("\x01 \x01\x00\x00", "\x01\x00")
	f.Fuzz(func(t *testing.T, list, value string) {
		all := strings.Split(list, " ")
		slices.Sort(all)
		all = slices.Compact(all)
		v := newClosedValues(all)
		require.Equal(t, slices.Index(all, value)+1, v.find(value))
		for i := range all {
			require.Equal(t, i+1, v.find(all[i]))
		}
	})
}
