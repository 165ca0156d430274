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
		require.NotNil(t, v.table)
		for i, value := range all {
			require.Equal(t, i, v.find(value))
		}
		require.Equal(t, -1, v.find("BREW"))
	}
	require.Nil(t, newClosedValues(statuses(maxTabled+1)).table, "too many")
	require.Nil(t, newClosedValues([]string{"aXcYe", "aZcWe"}).table, "the bytes looked at are the same")
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
	f.Fuzz(func(t *testing.T, list, value string) {
		all := strings.Split(list, " ")
		slices.Sort(all)
		all = slices.Compact(all)
		v := newClosedValues(all)
		require.Equal(t, slices.Index(all, value), v.find(value))
		for i := range all {
			require.Equal(t, i, v.find(all[i]))
		}
	})
}
