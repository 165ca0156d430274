package metrics

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever the memory does: a level is left upwards only at its threshold, and
// downwards only after Dwell without a reading that would keep it, to the lowest level of
// which that is true.
func FuzzAlert(f *testing.F) {
	f.Add([]byte{85, 10, 95, 0, 10, 200, 10, 200})
	f.Add([]byte{95, 1, 88, 255, 86, 255, 74, 255})
	f.Add([]byte{95, 1, 85, 0, 10, 60, 10, 60})
	f.Add([]byte{95, 1, 85, 50, 10, 5, 85, 5, 10, 50, 10, 5, 10, 20})
	f.Fuzz(func(t *testing.T, readings []byte) {
		type reading struct {
			at   time.Duration
			keep Level // the level that it would keep
		}
		c := WatchConfig{Dwell: time.Minute}.withDefaults()
		var a alert
		var now time.Duration
		var seen []reading
		for i := 0; i+1 < len(readings); i += 2 {
			now += time.Duration(readings[i+1]) * time.Second
			share := float64(readings[i]) / 100
			seen = append(seen, reading{now, levelOf(c, share+c.Hysteresis)})
			want := max(a.level, levelOf(c, share))
			for level := range want {
				dwelt := time.Duration(-1) // how long all readings up to now have allowed the level
				for j := len(seen) - 1; j >= 0 && seen[j].keep <= level; j-- {
					dwelt = now - seen[j].at
				}
				if dwelt >= c.Dwell {
					want = level
					break
				}
			}
			a = a.next(c, share, now)
			require.Equal(t, want, a.level)
			require.GreaterOrEqual(t, a.level, levelOf(c, share))
		}
	})
}
