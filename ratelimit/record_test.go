package ratelimit

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A wall clock that is set back while a process runs dates nothing before what was written already.
func TestTheClockOfAJournalNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(time.Now())
		first := c.wall(c.now(), c.now())
		require.Equal(t, time.Now().UnixNano(), first)
		c.ahead.Add(int64(5 * time.Hour)) // as if it had been set back by five hours since
		time.Sleep(time.Second)
		require.Equal(t, first+int64(5*time.Hour+time.Second), c.wall(c.now(), c.now()))
		c.ahead.Add(-int64(10 * time.Hour)) // as if it had been set forward
		require.Equal(t, time.Now().UnixNano(), c.wall(c.now(), c.now()))
	})
}

// Whoever writes a record does so after he has unlocked the table, so another may be faster. The later of two
// is the one that was made later, wherever it stands.
func TestRecordsAreReadInTheOrderInWhichTheyWereMade(t *testing.T) {
	s, ok := sourceOf(addrOf(1))
	require.True(t, ok)
	now := time.Now().UnixNano()
	locked := transition{sequence: 1, source: s, kind: lockout, written: now, at: now + int64(time.Hour), more: now + int64(25*time.Hour)}
	free := transition{sequence: 2, source: s, kind: unlocked, written: now}
	name := filepath.Join(t.TempDir(), "attempts")
	require.NoError(t, os.WriteFile(name, locked.append(free.append([]byte(journalMagic))), 0o600))
	tracker, err := NewTracker(Config{})
	require.NoError(t, err)
	_, err = tracker.OpenJournal(name, JournalConfig{})
	require.NoError(t, err)
	require.NoError(t, tracker.Check(addrOf(1)))
}

// A record of a family or a kind that there is none of is not one, though its checksum be right.
func TestRecordsOfNoKindAreCorrupt(t *testing.T) {
	for at, good := range map[int][]byte{16: {0, 1}, 17: {1, 2, 3, 4}} {
		for b := range 256 {
			record := (&transition{kind: lockout}).append(nil)
			record[at] = byte(b)
			body := record[:transitionSize-4]
			_, ok := parseTransition(binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, castagnoli)))
			require.Equal(t, bytes.IndexByte(good, byte(b)) >= 0, ok, "%d at %d", b, at)
		}
	}
}

// A journal has a record for each charge in the window and for each bucket of the long one that has some.
func TestAJournalHasNoMoreThanThereIs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attempts")
	tracker, err := NewTracker(Config{})
	require.NoError(t, err)
	j, err := tracker.OpenJournal(name, JournalConfig{})
	require.NoError(t, err)
	require.NoError(t, tracker.Fail(addrOf(1)))
	require.NoError(t, j.Save())
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.EqualValues(t, len(journalMagic)+2*transitionSize, info.Size())
	require.NoError(t, j.Close())
}

// Charges of a journal were not counted against networks, so to forgive them takes no other's charge there.
func TestForgivenChargesOfAJournalAreNoOthers(t *testing.T) {
	c := clockwork{newTracker(Config{Prefixes: []PrefixLimit{{IPv4: true, Bits: 24, Failures: 5}}}.withDefaults(), 1)}
	sh := &c.shards[0]
	a, b := source4(10<<24+1), source4(10<<24+2)
	now := int64(100*time.Hour) + 10*int64(time.Second)
	for n := range int64(3) {
		require.True(t, sh.restore(&transition{source: a, kind: charge, at: now - 3*int64(time.Second) + n}, now, now))
	}
	for range 3 {
		id, v := c.charge(b, now)
		require.Equal(t, allowed, v.kind)
		c.settle(b, id, failed, now)
	}
	var l login
	sh.name(&l, b)
	tier := &sh.rule.tiers[ipv4][0]
	at := tier.spots(tier.hash(b))
	require.Equal(t, 3, tier.count(&sh.networks[at.line], at, sh.rule.buckets.at(now)))
	sh.pardon(a, now)
	require.Equal(t, 3, tier.count(&sh.networks[at.line], at, sh.rule.buckets.at(now)))
}

// A lock-out that was forgotten between two records of its source is not lost.
func TestALockoutForgottenWhileItIsRestored(t *testing.T) {
	tracker := newTracker(Config{MaxAddresses: 1}.withDefaults(), 1)
	sh := &tracker.shards[0]
	now := int64(100 * time.Hour)
	for _, r := range []transition{
		{source: source4(1), kind: lockout, at: now + int64(time.Hour), more: now + 25*int64(time.Hour)},
		{source: source4(2), kind: lockout, at: now + int64(time.Hour), more: now + 25*int64(time.Hour)},
		{source: source4(1), kind: charge, at: now},
	} {
		tracker.inRoom(sh, r.source, func() bool { return sh.restore(&r, now, now) })
	}
	_, v := clockwork{tracker}.charge(source4(1), now+int64(30*time.Minute))
	require.Equal(t, locked, v.kind)
	i, ok := sh.find(sh.hash(source4(1)), source4(1))
	require.True(t, ok)
	require.Equal(t, 1, sh.record(i, now).Strikes)
}
