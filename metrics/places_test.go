package metrics

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever the order in which turns go on, a ring that is full has its number of
// observations, of which all but seven for each turn are among the last, and the others
// not much older.
func FuzzRingByTurns(f *testing.F) {
	f.Add(uint16(100), uint8(0), []byte{0, 1, 0, 1, 1, 1, 0, 0, 0, 1})
	f.Add(uint16(1000), uint8(200), []byte("some turns go on and others do not"))
	f.Add(uint16(65), uint8(1), []byte{7})
	f.Fuzz(func(t *testing.T, size uint16, before uint8, order []byte) {
		size = 65 + size%1000
		r := newRing[int64](RingConfig{Size: int(size), MaxAge: time.Hour}, newClock(0))
		made := int64(0)
		for range before {
			r.observe(0, made)
			made++
		}
		for range 6 {
			r.places.grow()
		}
		turns := r.places.many.Load().of
		require.LessOrEqual(t, len(turns), min(len(r.words)/64, mostStripes()))
		require.Greater(t, len(turns), 1)
		for i := 0; len(order) > 0 && i < 5*len(r.words); i++ {
			choice := int(order[i%len(order)]) + i/len(order)*7
			code, ok := encode(made)
			require.True(t, ok)
			r.write(turns[choice*choice%len(turns)], uint64(newWord(code, 0)))
			made++
		}
		s := r.snapshot(1, nil)
		require.Equal(t, uint64(made), s.Observed)
		require.LessOrEqual(t, s.Count, int(size))
		if made < 2*int64(len(r.words)) {
			return
		}
		require.Equal(t, int(size), s.Count)
		require.Len(t, slices.Compact(slices.Clone(s.codes)), s.Count, "each is there once")
		stale := 0
		for _, code := range s.codes {
			age := made - decode[int64](code)
			if age > int64(size) {
				stale++
			}
			require.LessOrEqual(t, age, int64(3*int(size)+8*len(turns)))
		}
		require.LessOrEqual(t, stale, 7*len(turns))
	})
}

// Turns begin where nobody has written.
func TestRingKeepsWhatWasThereBeforeTurns(t *testing.T) {
	for before := range 20 {
		r := newRing[int64](RingConfig{Size: 1000, MaxAge: time.Hour}, newClock(0))
		for n := range before {
			r.observe(0, int64(n))
		}
		r.places.grow()
		for range 8 {
			r.write(r.places.many.Load().of[0], uint64(newWord(99, 0)))
		}
		require.Equal(t, before+8, r.snapshot(1, nil).Count)
	}
}

// One who writes alone has all places again, but for those of one block.
func TestRingIsExactAgainWhenOneWrites(t *testing.T) {
	r := newRing[int64](RingConfig{Size: 1000, MaxAge: time.Hour}, newClock(0))
	for range 6 {
		r.places.grow()
	}
	for n := range int64(20_000) {
		code, _ := encode(n)
		turns := r.places.many.Load().of
		if n > 15_000 {
			turns = turns[:1]
		}
		r.write(turns[n%int64(len(turns))], uint64(newWord(code, 0)))
	}
	s := r.snapshot(1, nil)
	require.Equal(t, 1000, s.Count)
	require.GreaterOrEqual(t, s.Quantile(0.008), int64(19_000))
}

// Writers that meet get turns, and nothing is lost or made twice on the way.
func TestRingGrowsTurnsWhenWritersMeet(t *testing.T) {
	const writers, each = 8, 3000
	r := newRing[int64](RingConfig{Size: 1000, MaxAge: time.Hour}, newClock(time.Hour))
	for n := range 1000 {
		r.observe(0, int64(n))
	}
	require.Nil(t, r.places.many.Load(), "one writer needs none")
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for n := range each {
				r.observe(0, int64(n))
				if n%100 == 0 {
					for range meetings {
						r.places.meet()
					}
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, r.places.many.Load().of, min(16, mostStripes()))
	s := r.snapshot(1, nil)
	require.Equal(t, uint64(1000+writers*each), s.Observed)
	require.Equal(t, 1000, s.Count)

	small := newRing[int64](RingConfig{Size: 64, MaxAge: time.Hour}, newClock(0))
	for range meetings {
		small.places.meet()
	}
	require.Nil(t, small.places.many.Load(), "a small ring would have no other places")
}

// Writers that have met and go on to meet, when there are no more lines to be had, are
// brought together with others.
func TestSpreadChangesWhoMeets(t *testing.T) {
	const writers = 40
	first := unspread(new(turn))
	most := first.grown(4).grown(4)
	require.Len(t, most.of, 4)
	require.Same(t, first.of[0], most.of[0])
	next := most.grown(4)
	require.Equal(t, most.of, next.of)

	where := make(chan [2]*turn, writers)
	var wg sync.WaitGroup
	hold := make(chan struct{})
	for range writers {
		wg.Go(func() {
			where <- [2]*turn{most.mine(), next.mine()}
			<-hold // so that each has a stack of its own
		})
	}
	together, apart, used := 0, 0, map[*turn]bool{}
	var seen [][2]*turn
	for range writers {
		w := <-where
		used[w[0]] = true
		for _, other := range seen {
			if other[0] == w[0] {
				together++
				if other[1] != w[1] {
					apart++
				}
			}
		}
		seen = append(seen, w)
	}
	close(hold)
	wg.Wait()
	require.Greater(t, len(used), 1)
	require.Greater(t, apart, together/4)
}
