package ratelimit_test

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

// A record of which a full disk took a part is written over by the next, so the journal is not corrupt.
func TestJournalOnAFullDisk(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attempts")
	tracker := newTracker(t, ratelimit.Config{})
	openJournal(t, tracker, name)
	require.NoError(t, tracker.LockNow(alice, time.Hour))
	info, err := os.Stat(name)
	require.NoError(t, err)

	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	full := syscall.Rlimit{Cur: uint64(info.Size()) + 7, Max: limit.Max}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full))
	lost := tracker.LockNow(addr4(7), time.Hour)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	require.NoError(t, lost, "it holds in the process")
	require.EqualValues(t, 1, tracker.Stats().JournalErrors)
	require.Error(t, tracker.Check(addr4(7)))

	require.NoError(t, tracker.LockNow(addr4(8), time.Hour))
	restarted := newTracker(t, ratelimit.Config{})
	openJournal(t, restarted, name)
	require.Error(t, restarted.Check(alice))
	require.NoError(t, restarted.Check(addr4(7)))
	require.Error(t, restarted.Check(addr4(8)))
}
