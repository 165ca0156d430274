package ratelimit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// LockNow ends no lock-out early, not even one that only the sketch remembers.
func TestLockNowOfWhomTheTableForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := testTracker(t, Config{MaxAddresses: 1})
		require.NoError(t, tracker.LockNow(address(1), time.Hour))
		require.NoError(t, tracker.LockNow(address(2), time.Hour))
		require.NoError(t, tracker.LockNow(address(1), time.Minute))
		time.Sleep(2 * time.Minute)
		require.Error(t, tracker.Check(address(1)))
	})
}

// Who shares the cells of strikes with a source that is locked out, and not those of its lock-out, is not locked.
func TestStrikesOfAnotherLockNobody(t *testing.T) {
	tracker := newTracker(Config{MaxAddresses: 1000}.withDefaults(), 1)
	sh := &tracker.shards[0]
	sk := sh.sketches[ipv4]
	now := int64(1000 * time.Hour)
	y := sh.hash(source4(1))
	x := source(0)
	for n := 2; ; n++ {
		s := source4(uint32(n))
		h := sh.hash(s)
		if sk.pardons.cell(h, 0) == sk.pardons.cell(y, 0) && sk.pardons.cell(h, 1) == sk.pardons.cell(y, 1) && sk.ends.cell(h, 0) != sk.ends.cell(y, 0) {
			x = s
			break
		}
	}
	e := entry{}
	sh.lockUntil(&e, now+24*int64(time.Hour), 5)
	sk.fold(y, make([]int64, 5), e.lockedUntil, sh.forgivenAt(&e), histogram{})
	c := clockwork{tracker}
	_, v := c.charge(x, now)
	require.Equal(t, allowed, v.kind)
	_, v = c.charge(x, now)
	require.Equal(t, allowed, v.kind, "%v", v)
}

// Strikes that are forgiven in decades, later than the sketch can say, are not all forgotten.
func TestStrikesForDecades(t *testing.T) {
	c := clockwork{newTracker(Config{MaxAddresses: 1, MaxLockout: longest}.withDefaults(), 1)}
	sh := &c.shards[0]
	now := int64(1)
	for n := range 5 {
		for range 5 {
			id, v := c.charge(source4(1), now)
			require.Equal(t, allowed, v.kind)
			c.settle(source4(1), id, failed, now)
		}
		i, ok := sh.find(sh.hash(source4(1)), source4(1))
		require.True(t, ok)
		require.Equal(t, n+1, sh.record(i, now).Strikes)
		now += int64(24 * time.Hour)
		if n == 3 {
			id, v := c.charge(source4(2), now)
			require.Equal(t, allowed, v.kind)
			c.settle(source4(2), id, failed, now)
		}
	}
}

// Strikes count, however many times the longest lock-out would have to pass until they are forgiven.
func TestStrikesForCenturies(t *testing.T) {
	c := clockwork{newTracker(Config{MaxAddresses: 1, Lockout: 1, MaxLockout: longest, Window: 1}.withDefaults(), 1)}
	sh := &c.shards[0]
	now := int64(1000 * time.Hour)
	for n := range 60 {
		e := entry{}
		strikes := min(n, int(sh.rule.mostStrikes()))
		sh.lockUntil(&e, now+sh.rule.span(strikes), strikes+1)
		require.GreaterOrEqual(t, sh.strikes(&e, now), min(n+1, int(sh.rule.mostStrikes())), "%d", n)
	}
}
