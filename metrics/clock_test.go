package metrics

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClockRunsWhileSomebodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(minClockPeriod)
		require.Equal(t, time.Duration(1), c.precise())
		time.Sleep(time.Hour)
		require.Equal(t, c.precise(), c.now())
		time.Sleep(minClockPeriod)
		require.Equal(t, c.precise(), c.now())
		require.Nil(t, c.timer.Load(), "who looks seldom needs no timer")
		time.Sleep(minClockPeriod - 1)
		require.Equal(t, c.precise(), c.now())
		timer := c.timer.Load()
		require.NotNil(t, timer, "who looks twice in a period does")
		for range 100 {
			time.Sleep(3 * time.Millisecond)
			synctest.Wait()
			now, precise := c.now(), c.precise()
			require.LessOrEqual(t, now, precise)
			require.LessOrEqual(t, precise-now, minClockPeriod)
			require.Same(t, timer, c.timer.Load(), "it goes on")
		}
		time.Sleep(2 * minClockPeriod)
		synctest.Wait()
		require.Zero(t, c.coarse.Load(), "nobody looks")
		require.Equal(t, c.precise(), c.now())
	})
}

func TestClockOfAShortPeriodIsPrecise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(minClockPeriod - 1)
		for range 10 {
			time.Sleep(time.Nanosecond)
			require.Equal(t, c.precise(), c.now())
		}
		require.Nil(t, c.timer.Load())
	})
}
