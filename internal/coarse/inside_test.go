package coarse

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A second timer would set the clock beside the first, and stop it under the eyes of those who look.
func TestOneStartsTheClock(t *testing.T) {
	c := New(time.Now())
	c.running.Store(1) // as if another was about to
	require.Positive(t, c.Now())
	require.Nil(t, c.timer.Load())
}
