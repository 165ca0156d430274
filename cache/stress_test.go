package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
)

// A stamped value says what key it was set for, in more words than one.
type stamped struct {
	key  int
	text string
	turn *int
	last int
}

func stampFor(key, n int) stamped { return stamped{key, fmt.Sprint(key, " ", n), &n, key} }

// wrong reports whether v is not one of the values of key, whole.
func (v stamped) wrong(key int) bool {
	return v.key != key || v.last != key || v.text != fmt.Sprint(key, " ", *v.turn)
}

// All operations at once, and whoever looks finds all as it must be: at every instant the structure of each
// shard, the ledgers and the bounds, and each value whole.
func TestInvariantsUnderFire(t *testing.T) {
	for name, config := range map[string]Config[int, stamped]{
		"plain":             {MaxEntries: 5000, MaxBytes: 32 << 20},
		"tight":             {MaxBytes: 256 << 10, TTL: time.Minute},
		"told":              {MaxEntries: 5000, OnRemove: func(int, stamped, Reason) {}},
		"groups-and-idling": {MaxEntries: 5000, TTL: time.Minute, Idle: time.Second, Jitter: 0.5, Groups: true, StaleFor: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			w := fire(t, config)
			runtime.GC()
			require.Nil(t, w.Value(), "a cache that was dropped is collected")
		})
	}
}

func fire(t *testing.T, config Config[int, stamped]) weak.Pointer[Cache[int, stamped]] {
	c := build(t, config)
	const goroutines, operations = 6, 4000
	var running atomic.Int32
	var wrong atomic.Pointer[string]
	var group sync.WaitGroup
	check := func(key int, v stamped) {
		if v.wrong(key) {
			s := fmt.Sprintf("key %d has %+v", key, v)
			wrong.Store(&s)
		}
	}
	running.Store(goroutines)
	for id := range goroutines {
		group.Go(func() {
			defer running.Add(-1)
			r := rand.New(rand.NewPCG(uint64(id), 1))
			for n := range operations {
				key := r.IntN(8000)
				if r.IntN(2) == 0 {
					key = r.IntN(20) // where they meet
				}
				switch op := r.IntN(1000); {
				case op < 300:
					if v, ok := c.Get(key); ok {
						check(key, v)
					}
				case op < 600:
					c.Set(key, stampFor(key, n))
				case op < 750:
					c.SetTTL(key, stampFor(key, n), time.Duration(r.IntN(2_000_000)))
				case op < 850:
					v, err := c.GetOrLoad(context.Background(), key, func(context.Context, int) (stamped, error) { return stampFor(key, n), nil })
					if err == nil {
						check(key, v)
					}
				case op < 930:
					c.Delete(key)
				case op < 960:
					c.Sweep()
				case op < 970:
					if config.Groups {
						c.Group("g").Set(key, stampFor(key, n))
					}
				case op < 975:
					if config.Groups {
						c.InvalidateGroup("g")
					}
				case op < 985:
					d := 1 + r.IntN(3)
					_ = c.Resize(config.MaxEntries/d, config.MaxBytes/int64(d))
				case op < 990:
					c.Shrink(r.Float64() / 2)
				case op < 992:
					c.Clear()
				case op < 996:
					c.DeleteFunc(func(key int, v stamped) bool { check(key, v); return key%7 == 0 })
				default:
					for key, v := range c.All() {
						check(key, v)
					}
				}
			}
		})
	}
	looks := 0
	for running.Load() > 0 {
		checkShards(t, c)
		n, most := c.Len(), config.MaxEntries
		require.True(t, most == 0 || n <= most, "%d entries, at most %d", n, most)
		require.True(t, config.MaxBytes == 0 || c.Bytes() <= config.MaxBytes)
		looks++
		runtime.Gosched()
	}
	group.Wait()
	require.NotZero(t, looks)
	require.Nil(t, wrong.Load())
	checkInvariants(t, c)
	return weak.Make(c)
}

// A Get of a key that is there finds it, whatever others do to other keys and whoever replaces its value: while
// the index fills and empties around it, entries expire, and slabs grow and are compacted.
func TestAPresentKeyIsNeverMissed(t *testing.T) {
	const pinned = 200
	c := build(t, Config[int, stamped]{MaxEntries: 100_000})
	for key := range pinned {
		c.Set(key, stampFor(key, 0))
	}
	var missed, wrong, reads atomic.Int64
	var done atomic.Bool
	var readers, writers sync.WaitGroup
	for id := range 2 {
		readers.Go(func() {
			for i := id; !done.Load(); i++ {
				v, ok := c.Get(i % pinned)
				switch reads.Add(1); {
				case !ok:
					missed.Add(1)
				case v.wrong(i % pinned):
					wrong.Add(1)
				}
			}
		})
	}
	for id := range 3 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(id), 2))
			for round := range 6 {
				mine := 1000 + id*20_000
				for i := range 3000 {
					switch i % 4 {
					case 0:
						key := r.IntN(pinned)
						c.Set(key, stampFor(key, i))
					case 1:
						c.SetTTL(mine+i, stampFor(mine+i, round), time.Microsecond)
					default:
						c.Set(mine+i, stampFor(mine+i, round))
					}
				}
				c.Sweep()
				for i := range 3000 {
					c.Delete(mine + i)
				}
				e := c.engine
				for i := range e.mask + 1 {
					var w write[int, stamped]
					s := e.lock(i << 32)
					e.compact(s, &w)
					e.settle(s, &w, c.deliver)
				}
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	require.Zero(t, missed.Load(), "of %d reads", reads.Load())
	require.Zero(t, wrong.Load())
	require.Equal(t, uint64(0), c.Stats().Evicted)
	checkInvariants(t, c)
}
