package ratelimit

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is said of a source is no earlier than the latest that was kept of it, and later than that by rounding
// or for another who shares both of its cells; what has passed is not said.
func TestDeadlinesLoseNone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	d := newDeadlines(500)
	latest := map[uint64]int64{}
	now, exact := int64(0), 0
	for n := range 400 {
		now += r.Int64N(5e9)
		hash, at := r.Uint64(), now+r.Int64N(900e9)
		if n%2 == 1 { // one from before
			for hash = range latest {
				break
			}
		}
		d.raise(hash, coarsen(at))
		latest[hash] = max(latest[hash], at)
	}
	d.raise(r.Uint64(), coarsen(now-1e9)) // one that has passed hides none
	for hash, at := range latest {
		got := d.get(hash, now)
		if at > now {
			require.GreaterOrEqual(t, got, at)
		}
		if got-at < int64(1)<<momentBits {
			exact++
		}
	}
	require.Greater(t, exact, len(latest)*8/10)
	require.Zero(t, d.get(r.Uint64(), 1<<60))
	d.raise(1, 0)
	require.Zero(t, d.get(0, 1<<60))
}

// A moment is no earlier than what it stands for, and less than a third of a second later; beyond 36 years it
// is at the end.
func TestCoarseTimesErrOnTheStrictSide(t *testing.T) {
	require.Zero(t, coarsen(0).time(), "never is never")
	r := rand.New(rand.NewPCG(1, 5))
	for range 10_000 {
		at := 1 + r.Int64N(int64(36*365*24*time.Hour))
		require.GreaterOrEqual(t, coarsen(at).time(), at)
		require.Less(t, coarsen(at).time(), at+int64(time.Second)/3)
	}
	require.Equal(t, moment(1<<32-1), coarsen(1<<62))
}

// Who was evicted has no strike more when he comes back: of all that is kept of him only that is rounded down.
func TestTheSketchAddsNoStrike(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	for range 100 {
		s := newSketch(Config{}.withDefaults())
		hash, forgivenAt := r.Uint64(), int64(48*time.Hour)+r.Int64N(int64(time.Hour))
		s.fold(hash, make([]int64, 5), 0, forgivenAt, histogram{})
		got, _ := s.recall(hash, make([]int64, 5), forgivenAt-int64(time.Hour), 0)
		require.InDelta(t, forgivenAt-1<<momentBits/2, got, 1<<momentBits/2, "up to a quarter of a second earlier")
	}
}
