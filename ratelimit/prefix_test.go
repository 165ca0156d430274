package ratelimit

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Networks are asked before the clock is read where they are far away in memory, and after it where they are
// near: that they are limited is the same.
func TestNetworksNearAndFar(t *testing.T) {
	for _, test := range []struct {
		far   bool
		shift int // 0: in one /56, 8: each in another of a /48
		most  int
	}{{false, 0, 20}, {true, 0, 20}, {false, 8, 80}, {true, 8, 80}} {
		far := test.far
		tracker := newTracker(Config{}.withDefaults(), 4)
		in := 0
		for n := range 100 {
			s := source(0x2a00)<<48 | source(n)<<test.shift
			sh := tracker.shardOf(s)
			require.False(t, sh.far)
			sh.far = far
			if tracker.Fail(s.prefix().Addr()) == nil {
				in++
			}
			sh.far = false
		}
		require.Equal(t, test.most, in)
		var l login
		tracker.shared.name(&l, 0x2a00<<48)
		sh := tracker.shardOf(l.source)
		require.False(t, sh.roomy(&l))
		sh.far = far
		require.False(t, sh.roomy(&l))
		tracker.shared.name(&l, 0x2a01<<48)
		sh = tracker.shardOf(l.source)
		sh.far = far
		require.Equal(t, far, sh.roomy(&l))
	}
	require.True(t, newTracker(Config{MaxAddresses: 200_000}.withDefaults(), mostShards).shards[0].far)
}

// Any hash has two tallies in a line of its tier, and all tallies are some hash's. Who shares one of them
// seldom shares the other.
func TestSpotsAreInTheirTier(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, addresses := range []int{1, 1000} {
		tracker := newTracker(Config{MaxAddresses: addresses, Prefixes: append(DefaultPrefixes(), PrefixLimit{Bits: 32, Failures: 255})}.withDefaults(), 1)
		type spot struct{ line, tally uint32 }
		used, all := map[spot]bool{}, uint32(0)
		for f := range families {
			for n := range tracker.shared.rule.tiers[f] {
				p := &tracker.shared.rule.tiers[f][n]
				all += p.lines * p.cells
				pairs, seen := map[spots]bool{}, map[uint32]bool{}
				for range 200 + 10*p.lines*p.cells {
					at := p.spots(r.Uint64())
					require.Less(t, at.line-p.first, p.lines)
					require.Equal(t, p.cells > 1, at.a != at.b)
					for _, n := range []uint32{at.a, at.b} {
						require.Less(t, n, p.cells)
						require.LessOrEqual(t, (n+1)*p.width, uint32(lineWords-seenWords), "the filter is in no tally")
						require.Len(t, p.tally(&tracker.shards[0].networks[at.line], n), tallyWords(p.limit))
						used[spot{at.line, n}] = true
					}
					seen[at.seen] = true
					at.seen = 0
					pairs[at] = true
				}
				require.Greater(t, len(pairs), int(p.lines*max(1, p.cells*(p.cells-1))/5))
				require.Greater(t, len(seen), 200, "of 528")
			}
		}
		require.Len(t, used, int(all))
		require.Len(t, tracker.shards[0].networks, int(tracker.shared.lines))
	}
}

// A network is denied for a window after its charges, and for an eleventh of that more at the most.
func TestNetworksForgetInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := range source(20) {
			time.Sleep(time.Duration(n) * 17 * time.Second)
			tracker := newTracker(Config{}.withDefaults(), 1)
			for n := range source(20) {
				require.NoError(t, tracker.Fail((0x2a00<<48 | n).prefix().Addr()))
			}
			next := (source(0x2a00<<48) | 99).prefix().Addr()
			time.Sleep(15*time.Minute - time.Nanosecond)
			require.Error(t, tracker.Check(next))
			time.Sleep(15*time.Minute/11 + time.Second)
			require.NoError(t, tracker.Check(next))
		}
	})
}

// What is given back is given back in both tallies.
func TestNetworksGetTheirChargesBack(t *testing.T) {
	tracker := newTracker(Config{}.withDefaults(), 1)
	s := source(0x2a00 << 48)
	for _, end := range []func(Attempt){Attempt.Succeed, Attempt.Cancel} {
		a, err := tracker.Begin(s.prefix().Addr())
		require.NoError(t, err)
		count := func() (n int) {
			for i := range tracker.shared.rule.tiers[ipv6] {
				p := &tracker.shared.rule.tiers[ipv6][i]
				at := p.spots(p.hash(s))
				a, b := p.tallies(&tracker.shards[0].networks[at.line], at)
				n += a.count() + b.count()
			}
			return n
		}
		require.Equal(t, 4, count())
		end(a)
		require.Zero(t, count())
	}
}

// A network is full when both of its tallies are, of which others have charged one.
func TestNetworksAreFullWhenBothTalliesAre(t *testing.T) {
	tracker := newTracker(Config{Prefixes: []PrefixLimit{{Bits: 48, Failures: 3}}}.withDefaults(), 1)
	tb, s := &tracker.shards[0].table, source(0x2a00<<48)
	p := &tb.rule.tiers[ipv6][0]
	at := p.spots(p.hash(s))
	line := &tb.networks[at.line]
	for n, of := range []uint32{at.a, at.b} {
		for range 2 - n {
			p.advance(line, tb.rule.buckets.at(tracker.now()))
			p.tally(line, of).add()
		}
		require.NoError(t, tracker.Fail(s.prefix().Addr()))
		require.Equal(t, of == at.b, len(tracker.Events()) > 0)
	}
	require.Error(t, tracker.Check(s.prefix().Addr()))
	require.Equal(t, 3, p.count(line, at, tb.rule.buckets.at(tracker.now())))
}

// A narrow network of which both tallies are full of others is not denied, nor shown as full, as long as a
// wider one that it is in has room.
func TestAWiderNetworkBoundsANarrowerOne(t *testing.T) {
	tracker := newTracker(Config{}.withDefaults(), 1)
	tb, s := &tracker.shards[0].table, source(0x2a00<<48)
	narrow := &tb.rule.tiers[ipv6][1]
	for range narrow.limit {
		narrow.add(&tb.networks[narrow.spots(narrow.hash(s)).line], narrow.spots(narrow.hash(s)), tb.rule.buckets.at(tracker.now()))
	}
	for charged := range 4 {
		x, err := tracker.Explain(s.prefix().Addr())
		require.NoError(t, err)
		require.NoError(t, x.Err)
		for _, network := range x.Networks {
			require.Equal(t, charged, network.Charges, "of %v", network.Prefix)
		}
		require.NoError(t, tracker.Fail(s.prefix().Addr()))
	}
}

// A network whose bits are not in the filter has no charges, whatever its tallies say; one that was charged is
// in it for as long as that counts.
func TestNetworksThatWereNotSeenAreNotDenied(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 5))
	for _, limit := range []int{1, 20, 50, 255} {
		p := newTier(PrefixLimit{Bits: 48, Failures: limit}, 1, 1)
		for range 300 {
			var l line
			base := uint32(100 + r.IntN(1000))
			one, other := p.spots(r.Uint64()), p.spots(r.Uint64())
			other.a, other.b = one.a, one.b
			for n := range limit {
				require.Equal(t, n+1, p.add(&l, one, base))
			}
			p.sub(&l, one, base)
			require.Equal(t, limit-1, p.count(&l, one, base), "one is given back, where a line has one tally as well")
			p.add(&l, one, base)
			alike := one.seen&other.seen == other.seen
			for now := base; now < base+tallyBuckets+2; now++ {
				if now > base && r.IntN(2) == 0 { // a neighbour moves the line on
					p.advance(&l, now)
				}
				counts := now-base < tallyBuckets
				want := 0
				if counts {
					want = limit
				}
				require.Equal(t, want, p.count(&l, one, now))
				require.GreaterOrEqual(t, p.most(&l, one), want)
				if !alike {
					require.Zero(t, p.count(&l, other, now))
					require.Zero(t, p.most(&l, other))
				}
			}
			p.advance(&l, base+2*tallyBuckets)
			require.False(t, l.saw(one.seen), "two periods later it is forgotten")
		}
	}
}

// sharing returns the hash and the spots of another network that shares one tally with one, and not both.
func sharing(p *tier, hash uint64, shared func(spots) uint32) (uint64, spots) {
	at := p.spots(hash)
	for n := uint64(2); ; n++ {
		hash := n * 0x9e3779b97f4a7c15
		other := p.spots(hash)
		both := (other.a == at.a || other.a == at.b) && (other.b == at.a || other.b == at.b)
		if other.line == at.line && shared(other) == shared(at) && !both {
			return hash, other
		}
	}
}

// Who shares one of its two tallies with another is full by its own charges, and for as long as these count.
func TestNetworksThatShareATally(t *testing.T) {
	for _, limit := range []int{2, 21, 53} { // of one word, of two and of three
		for _, shared := range []func(spots) uint32{func(s spots) uint32 { return s.a }, func(s spots) uint32 { return s.b }} {
			p := newTier(PrefixLimit{Bits: 56, Failures: limit}, 1000, 1)
			at := p.spots(1 << 40)
			_, other := sharing(&p, 1<<40, shared)
			var l line
			for n := range limit {
				require.Equal(t, n+1, p.add(&l, other, 100))
			}
			for n := range limit {
				if has := p.add(&l, at, 103); n == limit-1 {
					require.Equal(t, limit, has, "it is full by its own, in the one that it has for itself")
				} else {
					require.Less(t, has, limit)
				}
			}
			require.EqualValues(t, 103+tallyBuckets, p.freeAt(&l, at))
			require.EqualValues(t, 100+tallyBuckets, p.freeAt(&l, other))
			require.Equal(t, limit, p.count(&l, at, 103))
			p.sub(&l, at, 103)
			p.sub(&l, at, 103)
			require.Equal(t, limit-2, p.count(&l, at, 103), "a refund is of both")
			require.Equal(t, limit, p.count(&l, other, 103))
			require.Equal(t, limit-2, p.count(&l, at, 100+tallyBuckets))
			require.Zero(t, p.count(&l, other, 100+tallyBuckets))
		}
	}
}

// Of a narrower network there are no more charges than are counted of a wider one, unless that is full.
func TestWiderNetworksBoundNarrowerOnes(t *testing.T) {
	wide, narrow := &tier{limit: 80}, &tier{limit: 20}
	for _, test := range []struct {
		wide, narrow int
		admitted     bool
	}{{0, 20, true}, {19, 99, true}, {20, 20, false}, {79, 20, false}, {79, 19, true}} {
		b := unbounded
		require.True(t, b.admits(wide, test.wide))
		require.Equal(t, test.admitted, b.admits(narrow, test.narrow), "%+v", test)
	}
	b := unbounded
	require.False(t, b.admits(wide, 80))
	b = unbounded
	require.True(t, b.admits(&tier{limit: 10, observe: true}, 10), "nobody is denied what is only observed")
	require.False(t, b.admits(narrow, 20), "and beyond a limit it is not known how many there were")
}

// Nobody is told that a network is full whose tallies are full of others', as long as a wider one is not.
func TestOthersMakeNoNetworkFull(t *testing.T) {
	tracker := newTracker(Config{}.withDefaults(), 1)
	s := source(0x2a00 << 48)
	tiers, bucket := tracker.shared.rule.tiers[ipv6], tracker.shared.rule.buckets.at(tracker.now())
	narrow := &tiers[1]
	at := narrow.spots(narrow.hash(s))
	for range narrow.limit - 1 {
		narrow.add(&tracker.shards[0].networks[at.line], at, bucket) // of others, for all that the /48 knows
	}
	require.NoError(t, tracker.Fail(s.prefix().Addr()))
	require.Empty(t, tracker.Events())
	require.NoError(t, tracker.Check(s.prefix().Addr()))
}

// The more addresses there are, and the fewer charges fill a tally, the more of them a table has: eight at the least.
func TestTalliesOfATier(t *testing.T) {
	for _, test := range []struct {
		PrefixLimit
		addresses, want int
	}{
		{PrefixLimit{Failures: 10}, 1000, 4000}, {PrefixLimit{Failures: 20}, 1000, 2000}, {PrefixLimit{Failures: 80}, 1000, 500},
		{PrefixLimit{Failures: 50, Observe: true}, 1000, 533}, {PrefixLimit{Failures: 1}, 1000, 40_000}, {PrefixLimit{Failures: 255}, 1, 8}, {PrefixLimit{Failures: 10}, mostAddresses, mostCells},
	} {
		require.Equal(t, test.want, tierTallies(test.PrefixLimit, test.addresses, mostCells), "%+v", test)
	}
}

// Each account has a tick for each of its tallies.
func TestTalliesOfAccountsAreNumbered(t *testing.T) {
	for _, limit := range []int{10, 50, 255} {
		a := newAccounts(Config{AccountFailures: limit}.withDefaults())
		ticks := map[*uint8]bool{}
		for line := range a.tier.lines {
			for n := range a.tier.cells {
				ticks[a.tick(line, n)] = true
			}
		}
		require.Len(t, ticks, len(a.last))
	}
}

// Whoever hears of a network that is only observed hears when it has room again, as of any other.
func TestAnObservedNetworkHasAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := testTracker(t, Config{})
		for n := range 50 {
			require.NoError(t, tracker.Fail(address(10<<24+n)))
			time.Sleep(10 * time.Second)
		}
		e := <-tracker.Events()
		require.Equal(t, PrefixFull, e.Kind)
		require.Greater(t, e.Wait, time.Duration(0))
		require.LessOrEqual(t, e.Wait, 20*time.Minute)
	})
}
