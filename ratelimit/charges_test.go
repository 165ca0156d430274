package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The charges of an entry are those of a list of times, whichever are pushed, refunded or too old: by default
// to the nanosecond, and where ages are rounded, no charge is earlier than it was made, or later by more than
// the unit.
func TestEntriesKeepTheTimesOfCharges(t *testing.T) {
	for _, window := range []time.Duration{200 * time.Microsecond, 15 * time.Minute, 18 * time.Minute, 24 * time.Hour, longest} {
		for _, failures := range []int{1, 4, 5, 6, 64} {
			t.Run(fmt.Sprint(window, "/", failures), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(window), uint64(failures)))
				tracker := newTracker(Config{Window: window, MaxLockout: longest, LongWindow: max(window, 24*time.Hour), Failures: failures, MaxAddresses: 4}.withDefaults(), 1)
				sh := &tracker.shards[0]
				i, ok := sh.insert(sh.hash(source4(1)), source4(1), 1)
				require.True(t, ok)
				unit := int64(1) << sh.rule.unit
				require.LessOrEqual(t, unit, max(1, int64(window)>>38))
				want := make([]int64, failures)
				now := int64(1)
				for n := 0; n < 2000 && now < 1<<61; n++ {
					var near [nearCharges]int64
					if got := sh.stampsOf(i, &near); r.IntN(4) == 0 {
						j := r.IntN(failures)
						copy(got[j:], got[j+1:])
						got[failures-1] = 0
						sh.setStamps(i, got)
						copy(want[j:], want[j+1:])
						want[failures-1] = 0
					} else {
						now = sh.roundUp(now + 1 + r.Int64N(1+int64(window)>>r.IntN(30)))
						sh.push(i, &login{}, now)
						copy(want[1:], want)
						want[0] = now
					}
					for j, at := range sh.stampsOf(i, &near) {
						require.Equal(t, at, sh.stamp(i, j))
						if at == 0 {
							require.LessOrEqual(t, want[j], max(0, now-int64(window)), "only what is too old to count is forgotten")
							continue
						}
						require.Equal(t, want[j], at)
					}
				}
			})
		}
	}
}

// Charges that come out of order, from a journal whose clock was set back, are all kept, and none is taken to
// be earlier than it was.
func TestAChargeIsNoEarlierThanTheOneBefore(t *testing.T) {
	for _, failures := range []int{4, nearCharges, 9} {
		tracker := newTracker(Config{Failures: failures, MaxAddresses: 4}.withDefaults(), 1)
		sh := &tracker.shards[0]
		i, _ := sh.insert(sh.hash(source4(1)), source4(1), 1)
		for _, at := range []int64{5000, 7000, 6000, 8000} {
			sh.push(i, &login{}, at)
		}
		var near [nearCharges]int64
		require.Equal(t, []int64{8000, 7000, 7000, 5000}, sh.stampsOf(i, &near)[:4])
	}
}

// No slot is taken for that of a source that it does not have.
func TestAnEntryHoldsItsSource(t *testing.T) {
	tracker := newTracker(Config{MaxAddresses: 4}.withDefaults(), 1)
	sh := &tracker.shards[0]
	i, _ := sh.insert(sh.hash(source4(1)), source4(1), 1)
	require.True(t, sh.holds(i, source4(1)))
	require.False(t, sh.holds(i, source4(2)))
	sh.remove(i)
	require.False(t, sh.holds(i, source4(1)))
	require.False(t, sh.holds(i, 0), "nobody has a free slot, though ::/64 is written as it is")
}

// A mark tells accounts and secrets apart, and no account from each of them.
func TestAMarkKnowsAccountAndSecret(t *testing.T) {
	require.Zero(t, (&login{}).mark())
	require.NotZero(t, (&login{account: 1 << accountBits}).mark().account(), "that is not no account")
	m := (&login{account: 1<<40 | 7, secret: 1<<secretBits - 1}).mark()
	require.EqualValues(t, 7, m.account())
	require.EqualValues(t, 1<<secretBits-1, m.secret())
	tracker, err := NewTracker(Config{})
	require.NoError(t, err)
	for n := range 20 << secretBits { // one in 4,096 would have none
		l := tracker.shared.login(Login{Account: "alice", Secret: fmt.Sprint(n)}, 1)
		require.NotZero(t, l.secret)
		require.EqualValues(t, l.secret, l.mark().secret(), "no bit of it is lost")
	}
}
