package ratelimit_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

func openJournal(t testing.TB, tracker *ratelimit.Tracker, name string) *ratelimit.Journal {
	t.Helper()
	j, err := tracker.OpenJournal(name, ratelimit.JournalConfig{})
	require.NoError(t, err)
	return j
}

func TestJournalKeepsWhatTheTableKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "attempts")
		first := newTracker(t, ratelimit.Config{})
		j := openJournal(t, first, name)
		fail(t, first, alice, 5)
		v6 := netip.MustParseAddr("2001:db8::1")
		for range 6 {
			fail(t, first, v6, 3)
			time.Sleep(20 * time.Minute) // 18 in the long window, three of them an hour ago
			first.Unlock(alice)
			fail(t, first, alice, 5)
		}
		fail(t, first, v6, 2)
		bob := netip.MustParseAddr("192.0.2.2")
		_, err := first.Begin(bob) // open
		require.NoError(t, err)
		require.NoError(t, j.Close())
		require.NoError(t, j.Close())
		fail(t, first, netip.MustParseAddr("192.0.2.9"), 5) // is nobody's business any more

		time.Sleep(5 * time.Minute)
		second := newTracker(t, ratelimit.Config{})
		openJournal(t, second, name)
		require.Equal(t, 3, second.Len())
		requireLocked(t, second.Check(alice), 55*time.Minute)
		for _, addr := range []netip.Addr{alice, v6, bob} {
			want, err := first.Explain(addr)
			require.NoError(t, err)
			got, err := second.Explain(addr)
			require.NoError(t, err)
			require.Equal(t, want.Record.Strikes, got.Record.Strikes)
			require.Equal(t, want.Long, got.Long)
			require.Equal(t, want.Record.Failures+want.Record.Open, got.Record.Failures, "who knows how the open one went")
			require.WithinDuration(t, want.Record.Last, got.Record.Last, time.Millisecond)
		}
		fail(t, second, v6, 3)
		require.ErrorAs(t, second.Check(v6), new(*ratelimit.LockedError))
	})
}

// Strikes count after a restart, and unlocking is not forgotten either.
func TestJournalKeepsStrikesAndUnlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "attempts")
		tracker := newTracker(t, ratelimit.Config{})
		openJournal(t, tracker, name)
		bob := netip.MustParseAddr("192.0.2.2")
		fail(t, tracker, alice, 5)
		require.NoError(t, tracker.LockNow(bob, time.Hour))
		require.True(t, tracker.Unlock(bob))
		time.Sleep(2 * time.Hour)

		tracker = newTracker(t, ratelimit.Config{}) // the other was killed
		openJournal(t, tracker, name)
		require.NoError(t, tracker.Check(bob))
		fail(t, tracker, alice, 5)
		requireLocked(t, tracker.Check(alice), 2*time.Hour)
	})
}

// Whoever was unlocked when the table had forgotten him is free, after a restart as well, and may be locked out
// anew, for less.
func TestUnlockingWhomTheTableForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "attempts")
		config := ratelimit.Config{MaxAddresses: 10, Prefixes: []ratelimit.PrefixLimit{}}
		tracker := newTracker(t, config)
		j := openJournal(t, tracker, name)
		fail(t, tracker, alice, 5)
		for i := range uint32(10) {
			require.NoError(t, tracker.LockNow(addr4(10<<24+i), 2*time.Hour))
		}
		requireBusy(t, tracker.Check(alice), true)
		x, err := tracker.Explain(alice)
		require.NoError(t, err)
		require.False(t, x.Tracked)
		require.Len(t, x.Charges, 5)
		require.Equal(t, ratelimit.Inherited, x.Charges[4].Kind)
		require.True(t, tracker.Unlock(alice))
		require.NoError(t, tracker.Check(alice))
		require.NoError(t, j.Save())

		restarted := newTracker(t, config)
		openJournal(t, restarted, name)
		require.NoError(t, restarted.Check(alice))
		require.NoError(t, tracker.LockNow(alice, time.Minute))
		requireLocked(t, tracker.Check(alice), time.Minute)
	})
}

// Lock-outs that the table had to forget stay in the journal when it is saved.
func TestJournalKeepsWhatTheTableForgot(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attempts")
	config := ratelimit.Config{MaxAddresses: 10}
	tracker := newTracker(t, config)
	j := openJournal(t, tracker, name)
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	for i := range 30 {
		require.NoError(t, tracker.LockNow(addr(i), time.Hour))
	}
	for range 3 {
		require.NoError(t, j.Save())
	}
	tracker = newTracker(t, config)
	openJournal(t, tracker, name)
	for i := range 30 {
		require.Error(t, tracker.Check(addr(i)), "%d", i)
	}
	for i := range 5000 {
		require.NoError(t, tracker.LockNow(netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)}), time.Hour))
	}
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(120_000), "a journal is bounded")
}

// What happens after a restart is later than all that the journal has, lock-outs that the table had to forget
// included.
func TestUnlockedAfterARestart(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attempts")
	config := ratelimit.Config{MaxAddresses: 10}
	tracker := newTracker(t, config)
	j := openJournal(t, tracker, name)
	for i := range uint32(30) {
		require.NoError(t, tracker.LockNow(addr4(i), time.Hour))
	}
	require.NoError(t, j.Close())
	tracker = newTracker(t, config)
	openJournal(t, tracker, name)
	for i := uint32(19); i >= 15; i-- {
		require.True(t, tracker.Unlock(addr4(i)))
	}
	tracker = newTracker(t, config) // the other was killed
	openJournal(t, tracker, name)
	for i := range uint32(30) {
		require.Equal(t, i < 15 || i > 19, tracker.Check(addr4(i)) != nil, "%d", i)
	}
}

func TestJournalIgnoresATornTail(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attempts")
	tracker := newTracker(t, ratelimit.Config{})
	openJournal(t, tracker, name)
	fail(t, tracker, alice, 5)
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	bob := netip.MustParseAddr("192.0.2.2")
	require.NoError(t, tracker.LockNow(bob, time.Hour))
	longer, err := os.ReadFile(name)
	require.NoError(t, err)
	for size := len(longer) - 1; size >= 0; size-- {
		require.NoError(t, os.WriteFile(name, longer[:size], 0o600))
		tracker := newTracker(t, ratelimit.Config{})
		j, err := tracker.OpenJournal(name, ratelimit.JournalConfig{})
		require.NoError(t, err, "%d bytes", size)
		require.NoError(t, tracker.Check(bob))
		require.Equal(t, size >= len(whole), tracker.Check(alice) != nil)
		require.NoError(t, j.Close())
	}
	garbage := append(bytes.Clone(whole), bytes.Repeat([]byte{7}, len(longer)-len(whole))...)
	require.NoError(t, os.WriteFile(name, garbage, 0o600))
	tracker = newTracker(t, ratelimit.Config{})
	openJournal(t, tracker, name)
	require.Error(t, tracker.Check(alice))
}

func TestJournalReportsWhatItCannotWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	require.NoError(t, os.Mkdir(dir, 0o700))
	tracker := newTracker(t, ratelimit.Config{MaxAddresses: 10})
	j := openJournal(t, tracker, filepath.Join(dir, "attempts"))
	_, err := tracker.OpenJournal(filepath.Join(dir, "another"), ratelimit.JournalConfig{})
	require.EqualError(t, err, "ratelimit: the tracker has a journal already, want one at the most")
	require.NoError(t, os.RemoveAll(dir))
	require.ErrorIs(t, j.Save(), os.ErrNotExist)
	for range 1100 {
		require.NoError(t, tracker.LockNow(alice, time.Hour)) // at some time it must be saved
	}
	require.NotZero(t, tracker.Stats().JournalErrors)
	require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))
	require.Error(t, j.Close())
	_, err = newTracker(t, ratelimit.Config{}).OpenJournal(t.TempDir(), ratelimit.JournalConfig{})
	require.Error(t, err, "a directory")
}

// Save and attempts may run at the same time, and nothing that was locked is lost.
func TestJournalWhileSaving(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attempts")
	tracker := newTracker(t, ratelimit.Config{})
	j := openJournal(t, tracker, name)
	var wg sync.WaitGroup
	addr := func(g, i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(g), 0, byte(i)}) }
	for g := range 3 {
		wg.Go(func() {
			for i := range 100 {
				for range 5 {
					_ = tracker.Fail(addr(g, i))
				}
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			_ = j.Save()
		}
	})
	wg.Wait()
	tracker = newTracker(t, ratelimit.Config{})
	openJournal(t, tracker, name)
	for g := range 3 {
		for i := range 100 {
			require.ErrorAs(t, tracker.Check(addr(g, i)), new(*ratelimit.LockedError))
		}
	}
}

// TestMain is also the process that is killed: see TestAttack28CrashToForget.
func TestMain(m *testing.M) {
	if name := os.Getenv("RATELIMIT_TEST_DIES"); name != "" {
		tracker, err := ratelimit.NewTracker(ratelimit.Config{})
		if err == nil {
			_, err = tracker.OpenJournal(name, ratelimit.JournalConfig{})
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for range 5 {
			_ = tracker.Fail(alice)
		}
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		fmt.Println(err)
		select {}
	}
	os.Exit(m.Run())
}

func FuzzJournal(f *testing.F) {
	name := filepath.Join(f.TempDir(), "attempts")
	tracker := newTracker(f, ratelimit.Config{})
	j := openJournal(f, tracker, name)
	fail(f, tracker, alice, 5)
	fail(f, tracker, netip.MustParseAddr("2001:db8::1"), 3)
	require.NoError(f, j.Close())
	valid, err := os.ReadFile(name)
	require.NoError(f, err)
	f.Add(valid)
	f.Add(valid[:50])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(t.TempDir(), "attempts")
		require.NoError(t, os.WriteFile(name, data, 0o600))
		tracker := newTracker(t, ratelimit.Config{MaxAddresses: 3})
		if _, err := tracker.OpenJournal(name, ratelimit.JournalConfig{}); err != nil {
			require.ErrorIs(t, err, ratelimit.ErrCorrupt)
			_, err = tracker.OpenJournal(name, ratelimit.JournalConfig{Anew: true})
			require.NoError(t, err)
		}
		require.LessOrEqual(t, tracker.Len(), 3)
		_ = tracker.Fail(alice)
		tracker.Sweep()
	})
}

// Unlocking forgets strikes and failures for good, not only until the process is killed, and is no news when
// the journal is read.
func TestJournalForgetsWhoWasUnlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "attempts")
		tracker := newTracker(t, ratelimit.Config{})
		j := openJournal(t, tracker, name)
		bob, carol := addr4(7), addr4(8)
		fail(t, tracker, alice, 5)
		time.Sleep(time.Hour)
		fail(t, tracker, bob, 4)
		fail(t, tracker, carol, 5)
		require.NoError(t, j.Save())
		require.False(t, tracker.Unlock(alice), "she has a strike")
		require.False(t, tracker.Unlock(bob), "he has four failures")
		require.True(t, tracker.Unlock(carol))

		tracker = newTracker(t, ratelimit.Config{}) // the other was killed
		openJournal(t, tracker, name)
		require.Empty(t, tracker.Events())
		require.Zero(t, tracker.Len())
		fail(t, tracker, alice, 5)
		requireLocked(t, tracker.Check(alice), time.Hour)
		fail(t, tracker, bob, 4)
		require.NoError(t, tracker.Check(bob))
	})
}

// A journal that is opened while attempts are made ends no lock-out, and forgives no strike.
func TestAJournalShortensNoLockout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "attempts")
		bob, config := addr4(7), ratelimit.Config{Lockout: time.Minute}
		tracker := newTracker(t, config)
		j := openJournal(t, tracker, name)
		fail(t, tracker, bob, 5)
		time.Sleep(30 * time.Second)
		fail(t, tracker, alice, 5)
		require.NoError(t, j.Close())

		time.Sleep(30 * time.Second)
		tracker = newTracker(t, config)
		require.NoError(t, tracker.LockNow(alice, time.Hour))
		require.NoError(t, tracker.LockNow(bob, time.Hour))
		openJournal(t, tracker, name)
		for _, addr := range []netip.Addr{alice, bob} {
			requireLocked(t, tracker.Check(addr), time.Hour)
			r, _ := tracker.Lookup(addr)
			require.Equal(t, 1, r.Strikes)
		}
	})
}

// Who saves a journal that is closed is told so, and changes nothing: the file may be another tracker's by then.
func TestAClosedJournalIsNotSaved(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attempts")
	first := newTracker(t, ratelimit.Config{})
	closed := openJournal(t, first, name)
	require.NoError(t, closed.Close())
	openJournal(t, first, filepath.Join(t.TempDir(), "another"))
	second := newTracker(t, ratelimit.Config{})
	openJournal(t, second, name)
	require.ErrorIs(t, closed.Save(), os.ErrClosed)
	require.NoError(t, closed.Close())
	require.NoError(t, second.LockNow(alice, time.Hour))
	third := newTracker(t, ratelimit.Config{})
	openJournal(t, third, name)
	require.Error(t, third.Check(alice))
	_, err := first.OpenJournal(name, ratelimit.JournalConfig{})
	require.EqualError(t, err, "ratelimit: the tracker has a journal already, want one at the most")
}

// A file that somebody removed is written again.
func TestARemovedJournalIsWrittenAgain(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attempts")
	tracker := newTracker(t, ratelimit.Config{})
	j := openJournal(t, tracker, name)
	fail(t, tracker, alice, 5)
	require.NoError(t, os.Remove(name))
	require.NoError(t, j.Save())
	bob := addr4(7)
	fail(t, tracker, bob, 5)
	restarted := newTracker(t, ratelimit.Config{})
	openJournal(t, restarted, name)
	require.Error(t, restarted.Check(alice))
	require.Error(t, restarted.Check(bob))
}

// A tracker that has a journal leaves the file of another as it is, corrupt or not.
func TestASecondJournalIsNotPutAside(t *testing.T) {
	dir := t.TempDir()
	tracker := newTracker(t, ratelimit.Config{})
	j := openJournal(t, tracker, filepath.Join(dir, "attempts"))
	corrupt := filepath.Join(dir, "corrupt")
	require.NoError(t, os.WriteFile(corrupt, []byte("what is this"), 0o600))
	_, err := tracker.OpenJournal(corrupt, ratelimit.JournalConfig{Anew: true})
	require.EqualError(t, err, "ratelimit: the tracker has a journal already, want one at the most")
	require.FileExists(t, corrupt)
	require.NoError(t, j.Close())
	_, err = tracker.OpenJournal(corrupt, ratelimit.JournalConfig{})
	require.ErrorIs(t, err, ratelimit.ErrCorrupt)
	openJournal(t, tracker, filepath.Join(dir, "attempts"))
}

// A lock-out that finds the journal in need of a new file, which cannot be made, leaves that alone for a minute: to
// try takes as long as to read all of it.
func TestAJournalThatCannotBeSavedIsLeftAloneForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "attempts")
		tracker := newTracker(t, ratelimit.Config{MaxAddresses: 10})
		openJournal(t, tracker, name)
		require.NoError(t, os.WriteFile(name, []byte("who wrote this"), 0o600))
		for range 4*10 + 1000 + 100 {
			require.NoError(t, tracker.LockNow(alice, time.Hour))
		}
		require.EqualValues(t, 1, tracker.Stats().JournalErrors)
		time.Sleep(time.Minute)
		require.NoError(t, tracker.LockNow(alice, time.Hour))
		require.NoError(t, tracker.LockNow(alice, time.Hour))
		require.EqualValues(t, 2, tracker.Stats().JournalErrors)
		require.NoError(t, os.Remove(name))
		time.Sleep(time.Minute)
		require.NoError(t, tracker.LockNow(alice, time.Hour))
		require.EqualValues(t, 2, tracker.Stats().JournalErrors)
		restarted := newTracker(t, ratelimit.Config{})
		openJournal(t, restarted, name)
		requireLocked(t, restarted.Check(alice), time.Hour)
	})
}
