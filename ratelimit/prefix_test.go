package ratelimit

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Networks are asked before the clock is read where they are far away in memory, and after it where they are near: that they are limited is the same.
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
			s := source(0x2a00<<48 | n<<test.shift)
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
				sameLine, sameCell := uint32(0), uint32(0)
				for range 30 * p.lines * p.cells {
					at := p.spots(r.Uint64())
					first, row := uint32(p.first), p.lines
					require.True(t, uint32(at.a>>spotBits)-first < row)
					require.True(t, uint32(at.b>>spotBits)-first-row < row)
					_, c := p.tally(tracker.shards[0].networks, at.a)
					require.Len(t, c, tallyWords(p.limit))
					used[at.a], used[at.b] = true, true
					if uint32(at.a>>spotBits)-first == uint32(at.b>>spotBits)-first-row {
						sameLine++
					}
					if at.a%(1<<spotBits) == at.b%(1<<spotBits) {
						sameCell++
					}
				}
				require.Less(t, sameLine, 60*p.cells+40, "rows are independent: who shares a tally with another shares but one")
				require.Less(t, sameCell, 60*p.lines+40)
			}
		}
		require.Len(t, used, int(all))
		require.Len(t, tracker.shards[0].networks, tracker.shared.lines)
	}
}

// Who shares one of its two tallies with another is full by its own charges, and for as long as these count.
func TestNetworksThatShareATally(t *testing.T) {
	for _, shared := range []func(spots) spot{func(s spots) spot { return s.a }, func(s spots) spot { return s.b }} {
		p := newTier(PrefixLimit{Bits: 56, Failures: 2}, 1000, 1)
		lines, ruler := make([]line, p.size()), newRuler(tallyWidth(900e9))
		at := p.spots(1 << 40)
		other := at
		for n := uint64(2); shared(at) != shared(other) || at == other; n++ {
			other = p.spots(n * 0x9e3779b97f4a7c15)
		}
		require.False(t, p.add(lines, other, 100))
		require.True(t, p.add(lines, other, 100))
		require.False(t, p.add(lines, at, 103))
		require.True(t, p.add(lines, at, 103), "its fourth in the one, and its second in the other")
		require.False(t, p.add(lines, at, 103), "it is full already")
		now := ruler.start(103)
		require.Equal(t, ruler.start(103+tallyBuckets), p.fullUntil(lines, at, now, &ruler))
		require.Equal(t, ruler.start(100+tallyBuckets), p.fullUntil(lines, other, now, &ruler))
		p.sub(lines, at, 103)
		p.sub(lines, at, 103)
		_, c := p.tally(lines, shared(at))
		require.Equal(t, 3, c.count(), "a refund is of both")
		require.Zero(t, p.fullUntil(lines, at, now, &ruler))
		require.Equal(t, ruler.start(100+tallyBuckets), p.fullUntil(lines, other, now, &ruler))
	}
}

// The more addresses there are, and the fewer charges fill a tally, the more of them a row has: four at the least.
func TestRowsOfTallies(t *testing.T) {
	for _, row := range []struct{ limit, addresses, want int }{
		{10, 1000, 2000}, {20, 1000, 779}, {80, 1000, 153}, {1, 1000, 20_000}, {255, 1, 4}, {10, mostAddresses, mostCells},
	} {
		require.Equal(t, row.want, tierRow(row.limit, row.addresses, mostCells), "%+v", row)
	}
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
