package coarse_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/internal/coarse"
)

func TestNowIsBehindByAPeriodAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coarse.New(time.Now())
		require.Equal(t, int64(1), c.Precise())
		require.Equal(t, int64(1), c.Now())
		for range 5000 {
			time.Sleep(7 * time.Microsecond)
			now, precise := c.Now(), c.Precise()
			require.LessOrEqual(t, now, precise)
			require.LessOrEqual(t, precise-now, int64(coarse.Period))
		}
	})
}

// A bubble ends when no timer is left.
func TestAClockThatNobodyLooksAtStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coarse.New(time.Now())
		require.Zero(t, c.Peek(), "it has not been looked at")
		c.Now()
		require.NotZero(t, c.Peek())
		time.Sleep(coarse.Period)
		synctest.Wait()
		require.Zero(t, c.Peek(), "about to stop")
		c.Now()
		require.Equal(t, c.Precise(), c.Peek())
		time.Sleep(5 * coarse.Period)
		require.Zero(t, c.Peek(), "stopped")
		require.Equal(t, c.Precise(), c.Now(), "who wakes it gets the precise time")
		require.NotZero(t, c.Peek(), "it runs again")
	})
}

func TestTimeIsThatOfTheWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coarse.New(time.Now().Add(-time.Hour))
		require.Equal(t, int64(time.Hour)+1, c.Precise())
		require.Equal(t, time.Now(), c.Time(c.Precise()))
	})
}

func TestADroppedClockIsCollected(t *testing.T) {
	c := coarse.New(time.Now())
	c.Now()
	w := weak.Make(c)
	c = nil
	for range 1000 {
		if runtime.GC(); w.Value() == nil {
			return
		}
		runtime.Gosched()
	}
	t.Fatal("a timer keeps it")
}

func TestManyMayLook(t *testing.T) {
	c := coarse.New(time.Now())
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			last := int64(0)
			for range 10_000 {
				if now := c.Now(); now <= 0 || now > c.Precise() {
					t.Errorf("%d, and it is %d", now, c.Precise())
				}
				if now := c.Peek(); now != 0 && (now < last || now > c.Precise()) {
					t.Errorf("peeked %d after %d, and it is %d", now, last, c.Precise())
				} else if now != 0 {
					last = now
				}
			}
		})
	}
	group.Wait()
}

func TestReadingAllocatesNothing(t *testing.T) {
	c := coarse.New(time.Now())
	c.Now()
	require.Zero(t, testing.AllocsPerRun(100, func() { c.Now(); c.Peek(); c.Precise() }))
}

func BenchmarkNow(b *testing.B) {
	c := coarse.New(time.Now())
	for b.Loop() {
		c.Now()
	}
}

func BenchmarkPrecise(b *testing.B) {
	c := coarse.New(time.Now())
	for b.Loop() {
		c.Precise()
	}
}
