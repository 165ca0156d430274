package cache

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// loadTimes counts how long loads took: four classes for each power of two, of microseconds and more, so that a
// quantile is told to a quarter.
type loadTimes [4 * 40]atomic.Uint64

func (t *loadTimes) add(d time.Duration) { t[loadClass(d)].Add(1) }

func loadClass(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < 4 {
		return int(us)
	}
	log := bits.Len64(us) - 1 // two or more
	return min(4*(log-1)+int(us>>(log-2)&3), len(loadTimes{})-1)
}

// loadBound returns the time that all of a class are shorter than.
func loadBound(class int) time.Duration {
	if class < 4 {
		return time.Duration(class+1) * time.Microsecond
	}
	log := class/4 + 1
	return time.Duration(4+class%4+1) << (log - 2) * time.Microsecond
}

// quantiles returns for each q, in rising order, a time that this fraction of loads did not exceed.
func (t *loadTimes) quantiles(qs ...float64) []time.Duration {
	var counts [len(t)]uint64
	var total uint64
	for i := range t {
		counts[i] = t[i].Load()
		total += counts[i]
	}
	out := make([]time.Duration, len(qs))
	for k, q := range qs {
		below := uint64(0)
		for i, n := range counts {
			if below += n; n > 0 && float64(below) >= q*float64(total) {
				out[k] = loadBound(i)
				break
			}
		}
	}
	return out
}
