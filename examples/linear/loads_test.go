package linear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

// behind is what a source behind a cache must look like to those who read through GetOrLoad, if whoever writes to
// it then tells the cache: for each key the values that may be read, the oldest first. To write adds one, and to
// have told it takes away those before it. In between each may be read, in any order: a load that was superseded
// returns what it found to those who waited for it, and that may be newer than what the cache has. A load that
// began before a write may return to those who waited for it meanwhile, but to nobody who asked after it was told.
var behind = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make(map[int][]porcupine.Operation)
		for _, o := range history {
			key := o.Input.(call).key
			byKey[key] = append(byKey[key], o)
		}
		parts := make([][]porcupine.Operation, 0, len(byKey))
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return " 0 " },
	Step: func(state, input, output any) (bool, any) {
		values, in := state.(string), input.(call)
		switch in.op {
		case set:
			return true, values + fmt.Sprintf("%d ", in.value)
		case del:
			if at := strings.Index(values, fmt.Sprintf(" %d ", in.value)); at > 0 { // and else one that came later was told before
				values = values[at:]
			}
			return true, values
		}
		return strings.Contains(values, fmt.Sprintf(" %d ", output.(answer).value)), values
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// A reader is a cache, or a group of one.
type reader interface {
	GetOrLoad(context.Context, int, func(context.Context, int) (int, error)) (int, error)
}

// A backed cache has a source behind it, and a way to say that a key was written there.
type backed struct {
	cache  *cache.Cache[int, int]
	reader reader
	source [4]atomic.Int64
	tell   func(b *backed, key int)
}

func (b *backed) load(_ context.Context, key int) (int, error) {
	v := b.source[key].Load()
	runtime.Gosched() // let somebody write before the result is stored
	return int(v), nil
}

func (b *backed) record(seed uint64) []porcupine.Operation {
	const goroutines, calls = 5, 40
	var mu sync.Mutex
	var history []porcupine.Operation
	var group sync.WaitGroup
	base := time.Now()
	for id := range goroutines {
		group.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(id)))
			for i := range calls {
				in, out := call{op: get, key: r.IntN(len(b.source)), value: id*calls + i + 1}, answer{}
				begin := time.Since(base)
				done := func() {
					end := time.Since(base)
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: id, Input: in, Output: out, Call: int64(begin), Return: int64(end)})
					mu.Unlock()
					begin = max(end+1, time.Since(base))
				}
				if r.IntN(4) == 0 {
					in.op = set
					b.source[in.key].Store(int64(in.value))
					done()
					in.op = del
					b.tell(b, in.key)
				} else {
					out.value, _ = b.reader.GetOrLoad(context.Background(), in.key, b.load)
				}
				done()
			}
		})
	}
	group.Wait()
	return history
}

// linearizable records histories and returns whether all of them are those of a source.
func linearizable(t *testing.T, config cache.Config[int, int], tell func(*backed, int)) bool {
	overlaps := 0
	for seed := uint64(0); seed < 100 || seed < 3000 && overlaps < 100; seed++ {
		c, err := cache.New(config)
		require.NoError(t, err)
		b := &backed{cache: c, reader: c, tell: tell}
		if config.Groups {
			b.reader = c.Group("source")
		}
		history := b.record(seed)
		if porcupine.CheckOperationsTimeout(behind, history, 10*time.Second) != porcupine.Ok {
			return false
		}
		overlaps += overlapping(history)
	}
	if runtime.GOMAXPROCS(0) > 1 {
		require.NotZero(t, overlaps, "all histories were sequential")
	}
	return true
}

func TestLoadsAreLinearizable(t *testing.T) {
	remove := func(b *backed, key int) { b.cache.Delete(key) }
	invalidate := func(b *backed, _ int) { b.cache.InvalidateGroup("source") }
	for name, config := range map[string]cache.Config[int, int]{
		"loads":              {MaxEntries: 16, TTL: time.Hour},
		"loads and eviction": {MaxEntries: 2, TTL: time.Hour},
		"refreshes":          {MaxEntries: 16, TTL: time.Hour, RefreshAhead: 1e-12},
		"failures":           {MaxEntries: 16, TTL: time.Hour, NegativeTTL: time.Hour, Backoff: time.Hour},
	} {
		t.Run(name+", delete", func(t *testing.T) { require.True(t, linearizable(t, config, remove)) })
		config.Groups = true
		t.Run(name+", invalidate", func(t *testing.T) { require.True(t, linearizable(t, config, invalidate)) })
	}
}

// Who does not tell the cache reads what was, and the checker must notice.
func TestAWriteThatIsNotToldIsNoticed(t *testing.T) {
	require.False(t, linearizable(t, cache.Config[int, int]{MaxEntries: 16}, func(*backed, int) {}))
}
