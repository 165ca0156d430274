package ratelimit

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What goes through a sketch comes back with no charge lost that counts, and none that counts for longer than a
// third of the span more.
func TestALongCellLosesNothingThatCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	for range 2000 {
		var h histogram
		bucket := uint32(r.IntN(40))
		for range r.IntN(60) {
			bucket += uint32(r.IntN(4))
			h.add(bucket)
		}
		now := bucket + uint32(r.IntN(3))
		h.advance(now)
		var a, b line
		a.raiseLong(3, h)
		b.raiseLong(7, h)
		if r.IntN(2) == 0 { // a neighbour ages the line
			a.raiseLong(4, histogram{last: now + uint32(r.IntN(6))})
		}
		back := leastLong(&a, 3, &b, 7, now)
		require.LessOrEqual(t, back.last, now)
		for later := a.base * longWidth; later < now+buckets+longWidth; later++ {
			require.GreaterOrEqual(t, back.at(later).total, h.at(later).total, "in %d", later-now)
		}
		require.LessOrEqual(t, back.total, h.total)
		require.Zero(t, back.at(now+buckets).total, "nor does one come back later than it was made")
	}
}

// Of two sources in a cell it has the larger counts, of two cells of a source the smaller ones count.
func TestLongCellsRaiseAndLower(t *testing.T) {
	fill := func(at ...uint32) (h histogram) {
		for _, n := range at {
			h.add(n * longWidth)
		}
		return h
	}
	var a, b line
	a.raiseLong(0, fill(10, 11, 11))
	a.raiseLong(0, fill(9, 11, 13))
	require.Equal(t, uint32(1<<24|2<<16|1), a.words[0], "9 is too old by then")
	b.raiseLong(2, fill(11))
	b.raiseLong(2, fill(11, 11))
	require.EqualValues(t, 2, b.longCount(2, 11), "no bit is left of a smaller count")
	b.raiseLong(14, fill(11, 13, 14))
	least := leastLong(&a, 0, &b, 14, 100)
	require.EqualValues(t, []uint8{1, 0, 1, 0}, []uint8{
		least.sum(11*longWidth, longWidth), least.sum(12*longWidth, longWidth), least.sum(13*longWidth, longWidth), least.sum(14*longWidth, longWidth),
	})
	full := histogram{last: 70, total: 510}
	full.counts[70%buckets], full.counts[71%buckets] = mostInBucket, mostInBucket
	a.raiseLong(1, full)
	require.EqualValues(t, mostInBucket, a.longCount(1, 14), "no count runs into the next")
	require.Zero(t, a.longCount(1, 13))
	many := histogram{last: 70, total: 400}
	many.counts[70%buckets], many.counts[65%buckets] = 200, 200
	a.raiseLong(2, many)
	now := leastLong(&a, 2, &a, 2, 60) // asked by a table whose clock is a little behind
	require.Equal(t, histogram{last: 60, total: mostInBucket, counts: now.counts}, now, "they are charges of now, as many as there can be")
	require.EqualValues(t, 1, a.longCount(0, 13), "nor into that of another cell")
}

// A sweep gives nobody more of the long window than there is, however little more than Failures it has.
func TestSweepsBuyNothingInTheLongWindow(t *testing.T) {
	for n := range 4 * 7 {
		each, long := 1+n%4, 5+n/4
		synctest.Test(t, func(t *testing.T) {
			tracker := testTracker(t, Config{LongFailures: long})
			made := 0
			for range 40 { // less than a fifteenth of a day before it is over
				for range each {
					if tracker.Fail(address(1)) == nil {
						made++
					}
				}
				time.Sleep(30 * time.Minute)
				tracker.Sweep()
			}
			require.Equal(t, long, made)
		})
	}
}
