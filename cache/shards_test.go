package cache

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A small cache is one shard, so that its policy sees all of it; more processors get more shards, each of which still
// has enough to choose from.
func TestShardsFor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, c := range []struct {
		procs, entries int
		bytes          int64
		want           int
	}{
		{1, 1, 0, 1}, {1, 500, 0, 1}, {64, 500, 0, 1},
		{2, 2047, 0, 1}, {2, 2048, 0, 2}, {2, 100_000, 0, 32}, {2, 1_000_000, 0, 32},
		{4, 2047, 0, 1}, {8, 2048, 0, 4}, {16, 2048, 0, 8}, {16, 100_000, 0, 256}, {128, 2048, 0, 8},
		{2, 3_000_000, 0, 64}, {2, 10_000_000, 0, 256}, {1, 1 << 30, 0, 1024}, {128, 1 << 30, 0, 1024},
		{2, 0, 1 << 20, 1}, {2, 0, 50 << 20, 8}, {2, 0, 1 << 30, 128}, {16, 0, 1 << 30, 256}, {1, 0, 1 << 62, 1024},
		{2, 500, 50 << 20, 1}, {2, 10_000_000, 50 << 20, 8},
	} {
		runtime.GOMAXPROCS(c.procs)
		require.Equal(t, c.want, shardsFor(c.entries, c.bytes), "%+v", c)
	}
}

// A shard whose slots have no more numbers evicts, and does not grow.
func TestAShardThatCannotGrowEvicts(t *testing.T) {
	c := build(t, Config[int, int]{MaxEntries: 100})
	for i := range 10 {
		require.True(t, c.Set(i, i))
	}
	s := &c.engine.root.Load().shards[0]
	slots := s.slots()
	s.next, s.price = mostSlots+1, 0
	for i := range 100 {
		require.True(t, c.Set(i, i))
		v, ok := c.Get(i)
		require.True(t, ok)
		require.Equal(t, i, v)
	}
	require.Equal(t, slots, s.slots())
	require.Equal(t, slots, c.Len())
	checkInvariants(t, c)
}

// A fraction is rounded up in each shard.
func TestShrinkOfEachShard(t *testing.T) {
	c := build(t, Config[int, int]{MaxEntries: 20_000})
	for i := range 10_000 {
		c.Set(i, i)
	}
	require.Equal(t, int(c.engine.mask+1), c.Shrink(1e-9))
	checkInvariants(t, c)
}

// A victim that went before the ring of ticks began is as old as that says.
func TestAgesOfLongAgo(t *testing.T) {
	var a ages
	for tick := range uint16(200) {
		a.turn(tick, instant(1000+tick))
	}
	for _, test := range []struct {
		victim  lastVictim
		at, age instant
	}{
		{lastVictim{}, 0, 0},
		{lastVictim{tick: 199, idle: 0, any: true}, 1199, 0},
		{lastVictim{tick: 190, idle: 20, any: true}, 1190, 20},
		{lastVictim{tick: 190, idle: 100, any: true}, 1190, 190 - 136},
		{lastVictim{tick: 136, idle: 1, any: true}, 1136, 0},
		{lastVictim{tick: 100, idle: 9, any: true}, 1136, 0},
	} {
		at, age := a.of(test.victim, 199)
		require.Equal(t, [2]instant{test.at, test.age}, [2]instant{at, age}, "%+v", test.victim)
	}
}
