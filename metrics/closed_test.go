package metrics

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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
