package metrics

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func (s *stripes) lines() int {
	if more := s.more.Load(); more != nil {
		return len(more.of)
	}
	return 1
}

// Writers that meet spread, to a limit, and no addition is lost on the way.
func TestStripesGrowWhenWritersMeet(t *testing.T) {
	var s stripes
	for range 10_000 {
		s.add(&s.mine()[3], 1)
	}
	require.Equal(t, 1, s.lines(), "one writer needs one line")

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				s.add(&s.mine()[3], 1)
				s.grow()
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, s.lines(), maxStripes)
	require.GreaterOrEqual(t, s.lines(), min(4*runtime.NumCPU(), maxStripes))
	require.Same(t, &s.first, s.more.Load().of[0])
	require.Equal(t, uint64(18_000), s.sum(3))
	require.Zero(t, s.sum(2))
	require.Equal(t, uint64(18_000), s.take(3))
	require.Zero(t, s.sum(3))
}

// Taking beside adding moves each addition once.
func TestStripesTakeLosesNothing(t *testing.T) {
	const writers, each = 4, 20_000
	var s stripes
	s.grow()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				s.add(&s.mine()[0], 1)
			}
		})
	}
	var taken uint64
	for range 1000 {
		taken += s.take(0)
		runtime.Gosched()
	}
	wg.Wait()
	require.Equal(t, uint64(writers*each), taken+s.take(0))
}
