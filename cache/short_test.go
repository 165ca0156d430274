package cache

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The short ways of a write, set's own and exchange, are not taken where OnRemove is to be told. A cache that takes
// them and one that does not, whose keys have the same hashes, do the same.
func TestShortWaysDoWhatTheLongOnesDo(t *testing.T) {
	for name, config := range map[string]Config[int, int]{
		"entries":   {},
		"sizes":     {Size: func(_, v int) int64 { return int64(v % 1000) }},
		"expiry":    {TTL: time.Hour},
		"idle":      {TTL: time.Hour, Idle: 5 * time.Second},
		"stale-for": {TTL: time.Hour, StaleFor: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runBoth(t, config) })
		})
	}
}

func runBoth(t *testing.T, config Config[int, int]) {
	config.MaxEntries = 40
	short := build(t, config)
	config.OnRemove = func(int, int, Reason) {}
	long := build(t, config)
	long.engine.hasher = short.engine.hasher
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		key, value := r.IntN(80), r.IntN(1<<20)
		ttl := time.Duration(r.IntN(100)) * 500 * time.Millisecond // zero is for ever
		switch op := r.IntN(100); {
		case op < 50:
			require.Equal(t, long.Set(key, value), short.Set(key, value))
		case op < 70:
			require.Equal(t, long.SetTTL(key, value, ttl), short.SetTTL(key, value, ttl))
		case op < 80:
			require.Equal(t, long.Delete(key), short.Delete(key))
		case op < 85:
			time.Sleep(time.Duration(r.IntN(4)) * 500 * time.Millisecond)
		}
		key = r.IntN(80)
		want, there := long.Get(key)
		got, ok := short.Get(key)
		require.Equal(t, there, ok)
		require.Equal(t, want, got)
		require.Equal(t, long.Stats(), short.Stats())
	}
	checkInvariants(t, short)
	require.NotZero(t, short.Stats().Evicted)
	require.NotZero(t, short.Stats().Replaced)
}

// A newcomer whose victim held less than it needs takes another one as well, and no more; one that needs less gives
// the rest back.
func TestNewcomerThatIsLargerThanItsVictim(t *testing.T) {
	c := build(t, Config[int, *int]{MaxEntries: 8, MaxBytes: 1 << 20, Size: func(_ int, v *int) int64 { return int64(*v) }})
	set := func(key, size int) { require.True(t, c.Set(key, &size)) }
	for i := range 8 {
		set(i, 160)
	}
	full := c.Bytes()
	require.NoError(t, c.Resize(8, full))

	set(10, 320)
	require.EqualValues(t, 2, c.Stats().Evicted)
	require.Equal(t, full, c.Bytes())
	checkInvariants(t, c)

	for i := range 100 {
		set(20+i, 16*(1+i*7%30))
		checkInvariants(t, c)
	}
	require.EqualValues(t, 109, c.Stats().Sets)
}

// Where both bounds are reached to the entry and to the byte, nothing went for it; and nothing goes for what is
// refused.
func TestRoomThatJustSuffices(t *testing.T) {
	c := build(t, Config[int, int]{MaxEntries: 8, MaxBytes: 1 << 20, Size: func(_, v int) int64 { return int64(v) }})
	for i := range 7 {
		c.Set(i, 160)
	}
	c.Set(7, 160)
	c.Delete(7) // its slot is there
	require.NoError(t, c.Resize(8, c.Bytes()+160))
	require.True(t, c.Set(8, 160))
	require.Equal(t, c.MaxBytes(), c.Bytes())
	require.Equal(t, 8, c.Len())

	require.False(t, c.Set(9, 1<<20))
	require.Zero(t, c.Stats().Evicted)
	checkInvariants(t, c)
}

// A cache that is empty has no victim, though its slots leave no room for what comes.
func TestLargeValueAfterManySmallOnes(t *testing.T) {
	c := build(t, Config[int, int]{MaxBytes: 1 << 20, Size: func(_, v int) int64 { return int64(v) }})
	for i := range 3000 {
		c.Set(i, 16)
	}
	require.Equal(t, 3000, c.DeleteFunc(func(int, int) bool { return true }))
	require.True(t, c.Set(1, int(c.MaxBytes()-c.engine.minimum)&^15))
	require.Equal(t, 1, c.Len())
	require.Zero(t, c.Stats().Evicted)
	checkInvariants(t, c)
}

// A full cache whose newcomer's shard holds little has another one give way.
func TestShardThatHoldsLittleIsSpared(t *testing.T) {
	c := build(t, Config[int, int]{MaxEntries: 2048})
	e := c.engine
	require.NotZero(t, e.mask)
	next := 0
	key := func(first bool) int { // another one of the first shard, or of one of the others
		for {
			next++
			if k := next; first == (hashOf(&e.hasher, &k)>>32&e.mask == 0) {
				return k
			}
		}
	}
	for range 2048 {
		c.Set(key(false), 0)
	}
	for i := range 10 {
		c.Set(key(true), 0)
		require.Equal(t, i+1, e.root.Load().shards[0].policy.live())
	}
	require.EqualValues(t, 10, c.Stats().Evicted)
	checkInvariants(t, c)
}

// Keys that meet in one bucket are told apart, and found beyond the bucket that they fill: those of one hash,
// and those of many.
func TestKeysThatMeet(t *testing.T) {
	for name, secret := range map[string]uint64{"one-hash": 0, "many": 1} {
		t.Run(name, func(t *testing.T) {
			c := build(t, Config[int, int]{MaxEntries: 100})
			c.engine.hasher.s1 *= secret
			var keys []int
			for k := 0; len(keys) < 2*bucketCells+1; k++ {
				if secret == 0 || uint32(hashOf(&c.engine.hasher, &k)) < 1<<28 { // the first of up to 16 buckets
					keys = append(keys, k)
				}
			}
			for _, ttl := range []time.Duration{0, 0, 2 * time.Hour, time.Hour} { // new, replaced, and to end sooner
				for _, k := range keys {
					require.True(t, c.SetTTL(k, k+int(ttl), ttl))
				}
				require.Equal(t, len(keys), c.Len())
				for _, k := range keys {
					got, ok := c.Get(k)
					require.True(t, ok)
					require.Equal(t, k+int(ttl), got)
				}
			}
			checkInvariants(t, c)
		})
	}
}

// Who meets a slot that another has freed since it was found in the index, or is writing to, does not write to it.
func TestOnlyALiveSlotIsWrittenTo(t *testing.T) {
	c := build(t, Config[int, int]{MaxEntries: 8})
	c.Set(1, 1)
	key, val := 1, 2
	h := hashOf(&c.engine.hasher, &key)
	sl := &c.engine.shard(h).slab.Load().slots[0]
	head := sl.head.Load()
	require.True(t, sl.take(head))
	require.False(t, c.engine.swap(h, &key, &val, never, 0, 0))
	require.Equal(t, head+(stateBusy-stateLive), sl.head.Load())
	sl.give(head)

	head = sl.leave(stateFree)
	c.Set(1, 3)
	got, ok := c.Get(1)
	require.True(t, ok)
	require.Equal(t, 3, got)
	require.Equal(t, head-(stateLive-stateFree), sl.head.Load())
}

// A victim that is just getting another value goes when it has that.
func TestABusyVictimIsWaitedFor(t *testing.T) {
	c := build(t, Config[int, int]{MaxEntries: 1})
	c.Set(1, 1)
	sl := &c.engine.root.Load().shards[0].slab.Load().slots[0]
	head := sl.head.Load()
	require.True(t, sl.take(head))
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Set(2, 2)
	}()
	for range 1000 {
		runtime.Gosched()
	}
	require.Equal(t, head+(stateBusy-stateLive), sl.head.Load())
	sl.give(head)
	<-done
	got, ok := c.Get(2)
	require.True(t, ok)
	require.Equal(t, 2, got)
	checkInvariants(t, c)
}
