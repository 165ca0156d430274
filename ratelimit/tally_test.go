package ratelimit

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A stick is what a tally should be: it has the buckets of all charges of each of three who share it, and
// forgets none that counts.
type stick struct {
	of     [3][]uint32
	made   []uint32 // all, with those that were given back
	strict uint32   // the last bucket in which there was no room for more
}

// counting returns how many charges count when a bucket is the newest.
func counting(made []uint32, now uint32) (n int) {
	for _, bucket := range made {
		if now-bucket < tallyBuckets {
			n++
		}
	}
	return n
}

// newest returns the bucket of the newest charge that counts.
func (s *stick) newest() (bucket uint32) {
	for _, made := range s.of {
		for _, b := range made {
			bucket = max(bucket, b)
		}
	}
	return bucket
}

// A line of tallies is compared, after each of many operations by chance, with lists of all charges of three
// who share each. Unless it had no room for more in the span, it counts exactly those that were not given back.
// It never counts more than were made, nor fewer than one of the three has, or no less than the limit.
func TestTalliesCountWhatThereIs(t *testing.T) {
	if RaceDetector {
		t.Skip("one goroutine alone")
	}
	exact, strict, full := 0, 0, 0
	for limit := 1; limit <= mostInBucket; limit += 1 + limit/6 {
		r := rand.New(rand.NewPCG(uint64(limit), 1))
		g := newTier(PrefixLimit{Bits: 48, Failures: limit}, 1, 1)
		room := int(g.width)*wordBits - tallyBuckets
		require.GreaterOrEqual(t, room, limit)
		require.Less(t, room-limit, wordBits, "a word less would do")
		var l line
		sticks := make([]stick, g.cells)
		now, busy := uint32(tallyBuckets+r.IntN(1000)), 0
		check := func(n int) {
			s, c := &sticks[n], g.tally(&l, uint32(n))
			if c.count() > room {
				s.strict = l.base
			}
			isExact := l.base-s.strict >= tallyBuckets
			for _, later := range []uint32{0, l.after(now), 1 + uint32(r.IntN(tallyBuckets))} {
				got, have := c.countAfter(later), 0
				for _, made := range s.of {
					his := counting(made, l.base+later)
					require.GreaterOrEqual(t, got, min(limit, his), "limit %d, %d buckets later", limit, later)
					have += his
				}
				require.LessOrEqual(t, got, counting(s.made, l.base+later), "limit %d, %d buckets later", limit, later)
				if isExact {
					exact++
					require.Equal(t, have, got, "limit %d, %d buckets later", limit, later)
				} else {
					strict++
				}
			}
			require.Equal(t, c.count(), c.countAfter(0))
			free := c.freeAfter(limit)
			require.Less(t, c.countAfter(free), limit)
			require.Equal(t, c.count() >= limit, free > 0)
			if c.count() >= limit {
				full++
				require.GreaterOrEqual(t, c.countAfter(free-1), limit)
			}
			switch {
			case c.count() == 0:
				require.EqualValues(t, c.len(), c.newest())
			case isExact:
				require.Equal(t, s.newest(), l.base-c.newest())
			}
		}
		for range 600 {
			if r.IntN(1+limit/3) == 0 {
				now += uint32(r.IntN(3))
			}
			if r.IntN(200) == 0 {
				busy = r.IntN(len(sticks))
				now += uint32(r.IntN(2 * tallyBuckets))
			}
			n := busy
			if r.IntN(5) == 0 {
				n = r.IntN(len(sticks))
			}
			check(n) // a neighbour may have moved the line on
			s, c, who := &sticks[n], g.tally(&l, uint32(n)), r.IntN(3)
			switch made := s.of[who]; {
			case r.IntN(3) == 0 && len(made) > 0: // one is given back
				k := r.IntN(len(made))
				c.sub(l.base - made[k])
				s.of[who] = slices.Delete(made, k, k+1)
			case counting(made, now) < limit || r.IntN(2) == 0: // who is only observed is charged beyond the limit
				g.advance(&l, now)
				c.add()
				old := func(b uint32) bool { return now-b > 2*tallyBuckets }
				s.of[who] = slices.DeleteFunc(append(made, now), old)
				s.made = slices.DeleteFunc(append(s.made, now), old)
			}
			check(n)
			check(r.IntN(len(sticks)))
		}
	}
	require.Greater(t, min(exact, strict, full), 10_000)
}

// The buckets of a tally that have passed are as long as the span, and one that is the newest counts whatever
// of it has passed.
func TestTalliesErrByAnEleventh(t *testing.T) {
	for _, span := range []time.Duration{1, time.Second, 15 * time.Minute, 1001*time.Second + 1, 24 * time.Hour} {
		width := tallyWidth(int64(span))
		require.GreaterOrEqual(t, width*(tallyBuckets-1), int64(span))
		if span >= tallyBuckets*time.Second {
			require.LessOrEqual(t, width*tallyBuckets-int64(span), int64(span)/(tallyBuckets-1)+tallyBuckets)
		}
		ruler := newRuler(width)
		for at := range int64(100) {
			c := make(tally, 1)
			made := 7*width + at*width/100
			c.add()
			base := ruler.at(made)
			require.Equal(t, 1, c.countAfter(ruler.at(made+int64(span)-1)-base))
			require.Zero(t, c.countAfter(ruler.at(made+width*tallyBuckets)-base))
		}
	}
}

// A charge that is not there, for it was given back before, takes no other with it, and no time.
func TestNoChargeIsTakenThatIsNotThere(t *testing.T) {
	for _, words := range []int{1, 3} {
		c := make(tally, words)
		for _, passed := range []uint32{4, 3, 0, 2} {
			c.add()
			c.age(passed)
		}
		was := slices.Clone(c)
		for ago := range uint32(2 * tallyBuckets) {
			if ago != 2 && ago != 5 && ago != 9 {
				c.sub(ago)
				require.Equal(t, was, c, "%d", ago)
			}
		}
		for _, ago := range []uint32{2, 5, 9, 2} {
			n := c.count()
			c.sub(ago)
			require.Equal(t, n-1, c.count(), "%d", ago)
		}
		require.Zero(t, c.count())
	}
}

// A limit by default takes as many words as the package says.
func TestTalliesAreSmall(t *testing.T) {
	for limit, words := range map[int]int{1: 1, 10: 1, 20: 1, 21: 2, 50: 2, 52: 2, 80: 3, 255: 9} {
		require.Equal(t, words, tallyWords(limit), "%d", limit)
	}
}
