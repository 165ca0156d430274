package coarse

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A second timer would set the clock beside the first, and stop it under the eyes of those who look.
func TestOneStartsTheClock(t *testing.T) {
	c := New(time.Now())
	c.running.Store(1) // as if another was about to
	require.Positive(t, c.Now())
	require.Nil(t, c.timer.Load())
}

// A machine may begin in 1970 and set its clock later.
func TestTimeIsThatOfTheClockAsItIsSetNow(t *testing.T) {
	c := New(time.Now())
	const secondsAt = 30 // where they begin in the first word of a Time that has a monotonic reading
	*(*uint64)(unsafe.Pointer(&c.base)) -= 3600 << secondsAt
	require.InDelta(t, time.Hour, time.Now().Round(0).Sub(c.base.Round(0)), float64(time.Minute))
	require.WithinDuration(t, time.Now().Round(0), c.Time(c.Precise()).Round(0), time.Minute)
}
