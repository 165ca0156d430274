package scratch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A buffer comes empty, whatever its last user left in it; and one that a long answer has made large does not
// come back.
func TestBuffersComeEmptyAndOfModestSize(t *testing.T) {
	for range 100 {
		b := Get()
		require.Zero(t, b.Len())
		require.LessOrEqual(t, b.Cap(), keep)
		b.Write(make([]byte, keep+1))
		Put(b)
		b = Get()
		require.Zero(t, b.Len())
		require.LessOrEqual(t, b.Cap(), keep)
		b.WriteString("left over")
		Put(b)
	}
}
