package metrics

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever the memory does: a level is left upwards only at its threshold, and
// downwards only after Dwell without a reading that would keep it.
func FuzzAlert(f *testing.F) {
	f.Add([]byte{85, 10, 95, 0, 10, 200, 10, 200})
	f.Add([]byte{95, 1, 88, 255, 86, 255, 74, 255})
	f.Fuzz(func(t *testing.T, readings []byte) {
		c := WatchConfig{Dwell: time.Minute}.withDefaults()
		var a alert
		var now, kept time.Duration // kept: the last reading that would keep the level
		for i := 0; i+1 < len(readings); i += 2 {
			now += time.Duration(readings[i+1]) * time.Second
			share := float64(readings[i]) / 100
			before := a.level
			a = a.next(c, share, now)
			switch {
			case a.level > before:
				require.Equal(t, levelOf(c, share), a.level)
				kept = now
			case a.level < before:
				require.GreaterOrEqual(t, now-kept, c.Dwell)
				require.Equal(t, levelOf(c, share+c.Hysteresis), a.level)
				kept = now
			case levelOf(c, share+c.Hysteresis) >= before:
				kept = now
			}
			require.GreaterOrEqual(t, a.level, levelOf(c, share))
		}
	})
}
