package ratelimit

import (
	"math/rand/v2"
	"testing"
	"time"

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

func TestHistogramRaiseAndLower(t *testing.T) {
	fill := func(at ...uint32) (h histogram) {
		for _, n := range at {
			h.add(n)
		}
		return h
	}
	h := fill(100, 105, 105, 110)
	h.raise(fill(98, 105, 106, 112))
	require.Equal(t, fill(98, 100, 105, 105, 106, 110, 112), h)
	h.lower(fill(98, 105, 112, 114)) // with 114 the newest, 98 is too old
	want := fill(105, 112)
	want.advance(114)
	require.Equal(t, want, h)
}

// A moment is no earlier than what it stands for, and less than a third of a second later; beyond 36 years it is at the end.
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
