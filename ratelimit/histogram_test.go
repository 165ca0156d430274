package ratelimit

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// A histogram never counts less than there is in the span, nor more than in the span
// and a fifteenth of it.
func TestHistogramErrsOnTheStrictSide(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, span := range []int64{1, 15e9, 1000e9, 1001e9 + 1} {
		width := bucketWidth(span)
		require.GreaterOrEqual(t, width*(buckets-1), span)
		var h histogram
		var made []int64
		count := func(now, span int64) (n int) {
			for _, at := range made {
				if at > now-span {
					n++
				}
			}
			return n
		}
		now := 20 * width
		for range 3000 {
			now += r.Int64N(1 + width*4)
			if r.IntN(50) == 0 {
				now += 40 * width
			}
			if k := len(made) - 1 - r.IntN(5); k >= 0 && r.IntN(5) == 0 {
				h.sub(uint32(made[k] / width))
				made = append(made[:k], made[k+1:]...)
			} else if count(now, buckets*width) < 200 {
				h.add(uint32(now / width))
				made = append(made, now)
			}
			h.advance(uint32(now / width))
			total := int(h.total)
			sum := 0
			for _, c := range h.counts {
				sum += int(c)
			}
			require.Equal(t, sum, total)
			require.GreaterOrEqual(t, total, count(now, span))
			require.LessOrEqual(t, total, count(now, buckets*width))
			limit := 1 + r.IntN(10)
			require.Less(t, int(h.at(h.freeAt(limit)).total), limit)
			if total >= limit {
				require.GreaterOrEqual(t, int(h.at(h.freeAt(limit)-1).total), limit)
			}
			trimmed := h
			trimmed.trim(3)
			require.EqualValues(t, min(3, total), trimmed.total)
		}
	}
}

func TestHistogramBucketsStayFull(t *testing.T) {
	var h histogram
	for range 300 {
		h.add(5)
	}
	for range 300 {
		h.sub(5)
	}
	require.EqualValues(t, 255, h.total)
}

// The oldest charges are trimmed away first.
func TestHistogramKeepsTheNewest(t *testing.T) {
	var h histogram
	for _, bucket := range []uint32{5, 5, 5, 9, 9, 20} {
		h.add(bucket)
	}
	h.trim(2)
	require.EqualValues(t, 1, h.counts[9])
	require.EqualValues(t, 1, h.counts[20%buckets])
	require.EqualValues(t, 2, h.total)
}

// What was trimmed away is not given back as well.
func TestHistogramGivesBackNoMoreThanItHas(t *testing.T) {
	var h histogram
	h.add(5)
	h.add(6)
	h.trim(1)
	h.sub(5)
	require.EqualValues(t, 1, h.total)
	require.Zero(t, h.counts[5])
	h.sub(6)
	require.Zero(t, h.total)
}

// The ruler divides exactly, at the edges of buckets as well, for as long as there are times.
func TestARulerDividesExactly(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 20_000 {
		width := 2 + r.Int64N(1<<r.IntN(59))
		ruler := newRuler(width)
		at := r.Int64N(1<<62) >> r.IntN(60)
		edge := at / width * width
		for _, at := range []int64{at, edge, max(edge-1, 0), edge + width - 1} {
			require.Equal(t, uint32(at/width), ruler.at(at), "%d/%d", at, width)
		}
		number := uint32(min(at/width, 1<<32-1, (1<<62)/width))
		require.Equal(t, number, ruler.at(ruler.start(number)))
	}
	power := newRuler(1 << 40)
	require.Equal(t, uint32(3), power.at(3<<40))
}
