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
	const writers, each = 4, 100_000
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
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var taken uint64
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		taken += s.take(0)
	}
	require.Equal(t, uint64(writers*each), taken)
}

// Wherever the value is by then.
func TestGaugeIsWhatItWasSetTo(t *testing.T) {
	var g Gauge
	g.Add(3)
	g.s.grow()
	for i, l := range g.s.more.Load().of {
		l[0].Add(uint64(i))
	}
	for _, n := range []int64{5, -5, 0} {
		g.Set(n)
		require.Equal(t, n, g.Value())
		g.Add(2)
		require.Equal(t, n+2, g.Value())
	}
}
