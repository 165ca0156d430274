package ratelimit

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func addrOf(n uint32) netip.Addr {
	var four [4]byte
	binary.BigEndian.PutUint32(four[:], n)
	return netip.AddrFrom4(four)
}

// Many at once, in all tables, with sweeps, locks and unlocks of others: nobody gets a sixth failure, no slot
// is lost or shared, and the bound holds all the time.
func TestTablesShareOneBound(t *testing.T) {
	const bound, addresses, each = 64, 300, 4000
	tracker := newTracker(Config{MaxAddresses: bound, Prefixes: []PrefixLimit{}}.withDefaults(), 8)
	var failed [8][addresses]int
	var wg sync.WaitGroup
	for g := range failed {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 8))
			for range each {
				n := r.Uint32N(addresses)
				switch addr := addrOf(n << 8); r.IntN(100) {
				case 0:
					tracker.Sweep()
				case 1:
					tracker.Unlock(addrOf(1<<31 | n))
				case 2:
					_ = tracker.LockNow(addrOf(1<<31|n), time.Minute)
				case 3:
					if a, err := tracker.Begin(addrOf(1<<31 | n)); err == nil {
						a.Succeed()
					}
				case 4:
					if tracker.Fail(addr) == nil {
						failed[g][n]++
					}
				default:
					if a, err := tracker.Begin(addr); err == nil {
						failed[g][n]++
						a.Fail()
					}
				}
				if tracker.Len() > bound {
					t.Error("more than the bound")
				}
			}
		})
	}
	wg.Wait()
	for n := range addresses {
		in := 0
		for g := range failed {
			in += failed[g][n]
		}
		require.LessOrEqual(t, in, 5, "address %d", n)
	}
	checkInvariants(t, tracker)
	require.NotZero(t, tracker.Stats().EvictedLive)
}

// Where all are locked that are in a table, another one makes room: nobody is forgotten without a trace.
func TestRoomIsMadeForLockouts(t *testing.T) {
	tracker := newTracker(Config{MaxAddresses: 64}.withDefaults(), 8)
	for n := range uint32(1000) {
		require.NoError(t, tracker.LockNow(addrOf(n<<8), time.Hour))
	}
	for n := range uint32(1000) {
		require.Error(t, tracker.Check(addrOf(n<<8)), "%d", n)
	}
	checkInvariants(t, tracker)
}

// A network that is limited has one table, whichever of its networks are limited besides.
func TestNetworksAreOfOneTable(t *testing.T) {
	tracker := newTracker(Config{}.withDefaults(), 32)
	used := map[*shard]bool{}
	for n := range uint64(2000) {
		one := newSource(n<<16, ipv6) // the first /64 of a /48
		require.Same(t, tracker.shardOf(one), tracker.shardOf(one|0xffff))
		four := source4(uint32(n) << 8)
		require.Same(t, tracker.shardOf(four), tracker.shardOf(source4(uint32(n)<<8|0xff)))
		used[tracker.shardOf(one)] = true
	}
	require.Len(t, used, 32)
	require.Equal(t, 1, shardsFor(Config{Prefixes: []PrefixLimit{{IPv4: true, Bits: 8, Failures: 9}}}.withDefaults()))
}

// Where all sources are in one network, and so in one table with more of them than its index has cells, no more
// are looked at with that locked than elsewhere.
func TestChunksAreOfSoManyEntries(t *testing.T) {
	tracker := newTracker(Config{MaxAddresses: 20_000, Prefixes: []PrefixLimit{{Bits: 32, Failures: 255, Observe: true}}}.withDefaults(), 64)
	for n := range source(20_000) {
		require.NoError(t, tracker.Fail((0x2a000000<<32 | n<<8).prefix().Addr()))
	}
	all, most := 0, 0
	tracker.inChunks(func(sh *shard, from, to int) {
		has := 0
		sh.each(from, to, func(uint32) { has++ })
		all += has
		most = max(most, has)
	})
	require.Equal(t, tracker.Len(), all)
	require.Equal(t, 20_000, all)
	require.Less(t, most, 2*sweepChunk)
	tracker.Sweep()
	for i := range tracker.shards {
		has := uint32(0)
		tracker.shards[i].each(0, 1<<30, func(uint32) { has++ })
		require.Equal(t, has, tracker.shards[i].has)
	}
}
