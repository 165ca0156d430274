package ratelimit

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A guess is an attempt of an acquaintance.
type guess struct {
	who   uint64
	id    int64
	open  bool
	given bool // back
}

// One set of acquaintances is compared, after each of many operations by chance, with a list of who succeeded,
// the latest first, and one of all their attempts: who is among the latest four is known, and has no more than
// the budget, strictly, and no less than that in a third of the time more; the first end of an attempt counts.
func TestAcquaintancesHaveTheirBudget(t *testing.T) {
	const hour = int64(time.Hour)
	for _, budget := range []int{1, 3, 5, mostFailures} {
		r := rand.New(rand.NewPCG(uint64(budget), 1))
		k := newKnown(Config{Failures: budget, Lockout: time.Hour, MaxAddresses: 4}.withDefaults())
		require.Len(t, k.sets, 1)
		of := func(who uint64) *login { return &login{account: who, hash: 7} }
		var latest []uint64
		var made []*guess
		counted := func(who uint64, now, span int64) (charges, open int) {
			for _, g := range made {
				if g.who == who && g.id > now-span {
					if !g.given {
						charges++
					}
					if g.open {
						open++
					}
				}
			}
			return charges, open
		}
		now, named, denied, full, twice, mixed := 100*hour, int64(0), 0, 0, 0, 0
		for range 30_000 {
			now += r.Int64N(hour / 40)
			if r.IntN(500) == 0 {
				now += r.Int64N(3 * hour)
			}
			who := 1 + uint64(r.IntN(6))
			_, a := k.find(of(who))
			require.Equal(t, slices.Contains(latest, who), a != nil)
			switch r.IntN(20) {
			case 0: // a success
				k.add(of(who))
				if a == nil && len(latest) == 4 {
					gone := latest[3]
					made = slices.DeleteFunc(made, func(g *guess) bool { return g.who == gone })
				}
				latest = slices.DeleteFunc(latest, func(other uint64) bool { return other == who })
				latest = slices.Insert(latest, 0, who)[:min(len(latest)+1, 4)]
			case 1, 2, 3, 4, 5, 6, 7, 8: // an attempt ends, or ends once more
				if len(made) == 0 {
					continue
				}
				g := made[len(made)-1-r.IntN(min(len(made), 20))]
				how := outcome(r.IntN(3))
				got := k.settle(of(g.who), g.id, how)
				switch {
				case !g.open && got: // by chance: it is another's end
					name := openName(g.id, k.ruler.at(g.id))
					at := slices.IndexFunc(made, func(other *guess) bool {
						return other.open && other.who == g.who && openName(other.id, k.ruler.at(other.id)) == name
					})
					require.GreaterOrEqual(t, at, 0)
					g = made[at]
					mixed++
				case !g.open:
					twice++
				case g.id > now-hour:
					require.True(t, got)
				}
				if g.open && got && how != failed {
					g.given = true
				}
				g.open = false
			default:
				charges, _ := counted(who, now, hour)
				more, open := counted(who, now, hour+hour/3+1)
				id, ok := k.charge(of(who), max(now, named+1))
				if !ok {
					denied++
					require.True(t, a == nil || more >= budget || open >= len(a.open), "%d of %d, %d open", more, budget, open)
					continue
				}
				require.NotNil(t, a)
				require.Less(t, charges, budget)
				require.GreaterOrEqual(t, id, now)
				require.Less(t, id, now+10)
				if charges == budget-1 {
					full++
				}
				named = id
				made = append(made, &guess{who: who, id: id, open: true})
				if len(made) > 1000 {
					made = slices.Clone(made[500:])
				}
			}
		}
		require.NotZero(t, denied)
		require.NotZero(t, twice)
		require.LessOrEqual(t, mixed, twice/500)
		if budget < 10 {
			require.NotZero(t, full)
		}
	}
}

// Attempts under way have names of their own, though their times have the same lower bits, and none has that of
// no attempt.
func TestAttemptsUnderWayAreNotMixedUp(t *testing.T) {
	k := newKnown(Config{}.withDefaults())
	l := &login{account: 1, hash: 7}
	k.add(l)
	period := int64(1) << openNow
	start := k.ruler.start(knownBuckets) // the name of a charge at this time would be zero
	require.Zero(t, openName(start, k.ruler.at(start)))
	var ids []int64
	for n := range int64(4) {
		id, ok := k.charge(l, start+n*period)
		require.True(t, ok)
		require.NotContains(t, ids, id)
		ids = append(ids, id)
	}
	_, ok := k.charge(l, start+4*period)
	require.False(t, ok, "four are under way")
	for _, id := range ids {
		require.True(t, k.settle(l, id, failed))
		require.False(t, k.settle(l, id, cancelled))
	}
	_, a := k.find(l)
	require.Equal(t, 4, a.total())

	for range 4 {
		_, ok := k.charge(l, k.ruler.start(2*knownBuckets)+period)
		require.True(t, ok)
	}
	id, ok := k.charge(l, k.ruler.start(3*knownBuckets))
	require.True(t, ok, "four that are forgotten have lapsed")
	require.True(t, k.settle(l, id, failed))
	require.False(t, k.settle(l, id, cancelled))
}

// Whoever was known by his address when the attempt began may say how it went when he is known by his device.
func TestAcquaintancesByAddressAndThenByDevice(t *testing.T) {
	k := newKnown(Config{}.withDefaults())
	l := &login{account: 1, hash: 7}
	k.add(l)
	id, ok := k.charge(l, 1e18)
	require.True(t, ok)
	l.device = 1 << 20
	k.add(l)
	require.True(t, k.settle(l, id, succeeded))
	l.device = 0
	_, a := k.find(l)
	require.Zero(t, a.total())
}

// Which set a pair falls into, and what it is told by there, are other bits of its hash; and none is zero,
// which is nobody.
func TestAcquaintancesAreToldByAllBits(t *testing.T) {
	k := newKnown(Config{}.withDefaults())
	require.NotSame(t, k.set(7), k.set(1<<63|7))
	require.Same(t, k.set(7), k.set(8))
	k.set(7).add(7)
	require.NotNil(t, k.set(7).get(7))
	require.Nil(t, k.set(8).get(8))
	require.Nil(t, k.set(1<<63|7).get(1<<63|7))
	for _, hash := range []uint64{0, 1 << 32, 1<<63 | 1<<32} {
		require.Equal(t, hash|1, atLeastOne(hash))
	}
	require.Equal(t, uint64(1<<63|2), atLeastOne(1<<63|2))
}

// A budget is for a lock-out, or for a window if that is longer: three of its buckets are no shorter, and
// buckets are no shorter than a second.
func TestTheBudgetOfAcquaintancesIsForALockout(t *testing.T) {
	for _, config := range []Config{
		{}, {Lockout: time.Hour + 1}, {Lockout: time.Hour + 2}, {Lockout: time.Minute, Window: time.Hour + 1}, {Lockout: time.Nanosecond, Window: time.Nanosecond},
	} {
		config = config.withDefaults()
		span := max(config.Lockout, config.Window)
		width := time.Duration(newKnown(config).ruler.width)
		require.GreaterOrEqual(t, width*(knownBuckets-1), span)
		require.Less(t, width, max(span/(knownBuckets-1)+2, time.Second+1))
		require.GreaterOrEqual(t, width, time.Second, "so their numbers suffice")
	}
}

// As many are known as there are sources, and no more than 65,536; each takes 17 bytes.
func TestAcquaintancesAreSmall(t *testing.T) {
	require.EqualValues(t, 4*17, unsafe.Sizeof(acquaintances{}))
	for addresses, sets := range map[int]int{1: 1, 4: 1, 5: 2, 1000: 250, mostAddresses: mostKnown / 4} {
		require.Len(t, newKnown(Config{MaxAddresses: addresses}.withDefaults()).sets, sets)
	}
}

// An account that is slow takes an attempt a pace after the last, and no later than a tick more.
func TestSlowAccountsKeepTheirPace(t *testing.T) {
	for _, config := range []Config{{}, {AccountFailures: 1}, {AccountFailures: 3, Window: time.Hour}, {AccountFailures: 100}, {AccountFailures: 5, Window: time.Second}} {
		a := newAccounts(config.withDefaults())
		r := rand.New(rand.NewPCG(1, uint64(a.pace)))
		l := &login{account: 1 << 40}
		now := int64(1e18) + r.Int64N(1e12)
		require.GreaterOrEqual(t, a.buckets.width*(tallyBuckets-1), int64(config.withDefaults().Window))
		for n := range a.tier.limit {
			require.Equal(t, n+1 == a.tier.limit, a.charge(l, now), "it becomes slow once")
		}
		charge := func() int64 {
			require.Equal(t, a.count(l, now) == a.tier.limit-1, a.charge(l, now))
			return now
		}
		slow := 0
		for range 300 {
			last := charge()
			v := a.judge(l, now)
			if v.kind == allowed { // the first have left the window
				require.Less(t, a.count(l, now), a.tier.limit)
				continue
			}
			require.GreaterOrEqual(t, v.until, last+a.pace)
			require.LessOrEqual(t, v.until, last+a.pace+a.ticks.width)
			require.Zero(t, (v.until-a.pace)%a.ticks.width, "so there are few of them at a time")
			now += r.Int64N(v.until - now)
			if a.count(l, now) >= a.tier.limit {
				require.Equal(t, v, a.judge(l, now))
				slow++
				if r.IntN(4) == 0 { // somebody who is known logs in: nobody may make an attempt sooner for that
					a.charge(l, now)
					a.refund(l, now)
					w := a.judge(l, now)
					require.GreaterOrEqual(t, w.until, v.until)
					require.LessOrEqual(t, w.until, now+a.pace+a.buckets.width)
					v = w
				}
			}
			now = v.until
			require.Equal(t, allowed, a.judge(l, now).kind)
			if r.IntN(4) == 0 { // somebody logs in: of the one before nothing but the bucket is known
				charge()
				a.refund(l, now)
				if v := a.judge(l, now); v.kind == slowed {
					require.LessOrEqual(t, v.until, now+a.pace+a.buckets.width)
					require.GreaterOrEqual(t, v.until, last+a.pace)
					now = v.until
				}
			}
		}
		require.Greater(t, slow, 100)
	}
}

// By default an account is slow for less than a part of 140 longer.
func TestTheTicksOfAccountsAreFine(t *testing.T) {
	a := newAccounts(Config{}.withDefaults())
	require.Less(t, 140*a.ticks.width, a.pace)
}

// Who shares one of his two tallies waits for himself alone.
func TestAccountsThatShareATally(t *testing.T) {
	for _, shared := range []func(spots) uint32{func(s spots) uint32 { return s.a }, func(s spots) uint32 { return s.b }} {
		a := newAccounts(Config{AccountFailures: 1}.withDefaults())
		l := &login{account: 1 << 40}
		hash, _ := sharing(&a.tier, l.account, shared)
		other := &login{account: hash}
		now := int64(1e18)
		a.charge(l, now)
		until := a.judge(l, now).until
		require.Greater(t, until, now)
		a.charge(other, now+a.pace/2)
		require.Equal(t, until, a.judge(l, now+a.pace/2).until)
		require.Greater(t, a.judge(other, now+a.pace/2).until, until)
	}
}

// The clocks of two tables may differ by the time that it takes to get a lock: a charge that is before the
// bucket of its line is taken for one in it.
func TestAccountsChargedOutOfOrder(t *testing.T) {
	a := newAccounts(Config{AccountFailures: 1}.withDefaults())
	l := &login{account: 1 << 40}
	edge := a.buckets.start(1e6)
	a.charge(l, edge+5)
	a.charge(l, edge-5)
	require.Equal(t, 2, a.count(l, edge+5))
	require.Equal(t, 2, a.count(l, edge-5))
	v := a.judge(l, edge-4)
	require.GreaterOrEqual(t, v.until, edge+5+a.pace)
	require.LessOrEqual(t, v.until, edge+a.ticks.width+a.pace)
	a.refund(l, edge-5)
	require.Equal(t, 2, a.count(l, edge+5), "there is none in the bucket before, and none is taken from another")
	a.refund(l, edge+5)
	require.Equal(t, 1, a.count(l, edge+5))
	late := edge + 10*a.ticks.width
	a.charge(l, late)
	a.charge(l, edge+5)
	require.GreaterOrEqual(t, a.judge(l, late).until, late+a.pace)
}

// If the newest charge is given back, the one before was no later than the end of its bucket; and of two
// tallies of an account the one that says less of it counts.
func TestAccountsWhoseNewestChargeIsGivenBack(t *testing.T) {
	a := newAccounts(Config{AccountFailures: 1}.withDefaults())
	l := &login{account: 1 << 40}
	edge := a.buckets.start(1e6)
	a.charge(l, edge-1)
	a.charge(l, edge+5)
	a.refund(l, edge+5)
	require.Equal(t, edge+a.pace, a.judge(l, edge+5).until)
	a.charge(l, edge+5)
	a.charge(l, edge+6)
	a.refund(l, edge+5)
	require.Equal(t, edge+a.ticks.width+a.pace, a.judge(l, edge+6).until, "another is in its bucket")

	at := a.tier.spots(l.account)
	line := &a.lines[at.line]
	a.tier.advance(line, a.buckets.at(edge)+1)
	a.tier.tally(line, at.a).add() // for another who shares one of them
	require.Equal(t, edge+a.ticks.width+a.pace, a.judge(l, edge+6).until)
}
