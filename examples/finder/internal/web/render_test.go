package web

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBriefKeepsWhatAPersonReads(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                         "0s",
		13801 * time.Nanosecond:   "13.8µs",
		2273037 * time.Nanosecond: "2.27ms",
		105163782:                 "105ms",
		time.Minute:               "1m",
		5 * time.Minute:           "5m",
		10 * time.Second:          "10s",
		time.Hour:                 "1h",
		90 * time.Minute:          "1h30m",
	} {
		require.Equal(t, want, brief(d), "%d ns", d)
	}
}
