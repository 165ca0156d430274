package ratelimit

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// A thirds counts no less than there is in the span, and no more than in the span and a third of it.
func TestThirdsErrOnTheStrictSide(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for _, span := range []int64{1, 15e9, 900e9, 1001e9 + 1} {
		ruler := thirdsRuler(span)
		require.GreaterOrEqual(t, ruler.width*(thirdsBuckets-1), span)
		var h thirds
		var made []int64
		within := func(now, span int64) (n int) {
			for _, at := range made {
				if at > now-span {
					n++
				}
			}
			return n
		}
		now := 20 * ruler.width
		for range 3000 {
			now += r.Int64N(1 + ruler.width)
			if k := len(made) - 1 - r.IntN(5); k >= 0 && r.IntN(5) == 0 {
				h.sub(ruler.at(made[k]))
				made = append(made[:k], made[k+1:]...)
			} else if within(now, thirdsBuckets*ruler.width) < 200 {
				h.add(ruler.at(now))
				made = append(made, now)
			}
			total := h.total(ruler.at(now))
			require.GreaterOrEqual(t, total, within(now, span))
			require.LessOrEqual(t, total, within(now, thirdsBuckets*ruler.width))
		}
	}
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
