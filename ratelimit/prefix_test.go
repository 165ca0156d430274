package ratelimit

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Networks are asked before the clock is read where they are far away in memory, and after it where they are near: that they are limited is the same.
func TestNetworksNearAndFar(t *testing.T) {
	for _, far := range []bool{false, true} {
		tracker := newTracker(Config{}.withDefaults(), 4)
		in := 0
		for n := range source(100) {
			s := source(0x2a00<<48 | n)
			sh := tracker.shardOf(s)
			require.False(t, sh.far)
			sh.far = far
			if tracker.Fail(s.prefix().Addr()) == nil {
				in++
			}
			sh.far = false
		}
		require.Equal(t, 20, in)
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

// Any hash has two tallies, in the rows of its tier, and all tallies are some hash's.
func TestSpotsAreInTheirRows(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, addresses := range []int{1, 1000, 20_000} {
		tracker := newTracker(Config{MaxAddresses: addresses, Prefixes: append(DefaultPrefixes(), PrefixLimit{Bits: 32, Failures: 255})}.withDefaults(), 1)
		used, all := map[spot]bool{}, uint32(0)
		for f := range families {
			for n := range tracker.shared.rule.tiers[f] {
				p := &tracker.shared.rule.tiers[f][n]
				all += 2 * p.lines * p.cells
				both := map[[2]spot]bool{}
				for range 30 * p.lines * p.cells {
					at := p.spots(r.Uint64())
					first, row := uint32(p.first), p.lines
					require.True(t, uint32(at.a>>spotBits)-first < row)
					require.True(t, uint32(at.b>>spotBits)-first-row < row)
					_, c := p.tally(tracker.shards[0].networks, at.a)
					require.Len(t, c, tallyWords(p.limit))
					used[at.a], used[at.b] = true, true
					both[[2]spot{at.a, at.b}] = true
				}
				require.Greater(t, len(both), int(2*p.lines*p.cells), "who shares one of them seldom shares the other")
			}
		}
		require.Len(t, used, int(all))
		require.Len(t, tracker.shards[0].networks, tracker.shared.lines)
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

// What is given back is given back in both rows.
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
				for _, at := range []spot{at.a, at.b} {
					_, c := p.tally(tracker.shards[0].networks, at)
					n += c.count()
				}
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
	for n, of := range []spot{at.a, at.b} {
		line, c := p.tally(tb.networks, of)
		for range 2 - n {
			p.advance(line, tb.rule.buckets.at(tracker.now()))
			c.add()
		}
		require.NoError(t, tracker.Fail(s.prefix().Addr()))
		require.Equal(t, of == at.b, len(tracker.Events()) > 0)
	}
	require.Error(t, tracker.Check(s.prefix().Addr()))
	require.Equal(t, 3, p.count(tb.networks, at, tb.rule.buckets.at(tracker.now())))
}

// Each account has a tick for each of its tallies.
func TestTalliesOfAccountsAreNumbered(t *testing.T) {
	for _, limit := range []int{10, 50, 255} {
		a := newAccounts(Config{AccountFailures: limit}.withDefaults())
		numbers := map[uint32]spot{}
		for n := range uint32(sketchRows) * a.tier.lines {
			for cell := range a.tier.cells {
				at := spot(n<<spotBits | cell*a.tier.width)
				numbers[a.tier.number(at)] = at
				_ = a.tick(at)
			}
		}
		require.Len(t, numbers, len(a.last))
	}
}
