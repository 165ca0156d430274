package browser

import (
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A helper of Chromium that outlives it by a moment goes on to write, and what it writes goes too.
func TestWhatIsStillWrittenIsRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "profile")
	require.NoError(t, os.Mkdir(dir, 0o755))
	var over atomic.Bool
	written, started := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		for i := 0; !over.Load(); i++ {
			_ = os.MkdirAll(filepath.Join(dir, strconv.Itoa(i)), 0o755) // makes dir again, should it be gone
			if i == 100 {
				close(started)
			}
		}
	}()
	<-started
	time.AfterFunc(100*time.Millisecond, func() { over.Store(true) })
	require.NoError(t, remove(dir))
	<-written
}
