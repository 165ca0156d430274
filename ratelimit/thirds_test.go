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

// What goes through a sketch comes back with no charge lost that counts, and none that counts for longer than a third of the span more.
func TestThirdsOfAHistogram(t *testing.T) {
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
		kept := thirdsFrom(h)
		rest := make(cell, longWord+2)
		kept.put(rest)
		kept = thirdsOf(rest)
		back := kept.histogram(now)
		require.LessOrEqual(t, back.last, now)
		for later := now; later < now+buckets+thirdsWidth; later++ {
			require.GreaterOrEqual(t, back.at(later).total, h.at(later).total, "in %d", later-now)
		}
		require.LessOrEqual(t, back.total, h.total)
		require.Zero(t, back.at(now+buckets).total, "nor does one come back later than it was made")
	}
}

func TestThirdsRaiseAndLower(t *testing.T) {
	fill := func(at ...uint32) (h thirds) {
		for _, n := range at {
			h.add(n)
		}
		return h
	}
	h := fill(10, 11, 11)
	h.raise(fill(9, 11, 13))
	require.Equal(t, fill(10, 11, 11, 13), h, "9 is too old by then")
	h.lower(fill(11, 13, 14))
	want := fill(11, 13)
	want.advance(14)
	require.Equal(t, want, h)
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
