package linear

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

type op uint8

const (
	get op = iota
	set
	del
	deleteAll
)

// A call is one operation of a history. Every value that is set is another one, so
// that a value read says which Set it came from.
type call struct {
	op    op
	key   int
	value int
}

// An answer is what the operation returned.
type answer struct {
	value int
	ok    bool
}

type contents = map[int]int

// model is what a cache may do one operation after the other. If it evicts, an entry
// may be absent at any time, but once it was missed it must not come back.
func model(evicts bool) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return contents{} },
		Step: func(state, input, output any) (bool, any) {
			have, in, out := state.(contents), input.(call), output.(answer)
			value, present := have[in.key]
			next := maps.Clone(have)
			switch in.op {
			case get:
				if out.ok {
					return present && out.value == value, have
				}
				delete(next, in.key)
				return !present || evicts, next
			case set:
				next[in.key] = in.value
				return out.ok, next
			case del:
				delete(next, in.key)
				return out.ok == present || evicts && !out.ok, next
			default:
				return true, contents{}
			}
		},
		Equal: func(a, b any) bool { return maps.Equal(a.(contents), b.(contents)) },
		DescribeOperation: func(input, output any) string {
			return fmt.Sprintf("%+v -> %+v", input, output)
		},
	}
}

// record lets goroutines use the cache at the same time and returns their history.
func record[V any](c *cache.Cache[int, V], seed uint64, keys int, to func(int) V, from func(V) int) []porcupine.Operation {
	const goroutines, calls = 4, 40
	var (
		mu      sync.Mutex
		history []porcupine.Operation
		start   sync.WaitGroup
		done    sync.WaitGroup
	)
	start.Add(1)
	base := time.Now()
	for id := range goroutines {
		done.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(id)))
			mine := make([]porcupine.Operation, 0, calls)
			start.Wait()
			for i := range calls {
				in := call{op: get, key: r.IntN(keys), value: id*calls + i + 1}
				switch n := r.IntN(20); {
				case n < 7:
					in.op = set
				case n < 9:
					in.op = del
				case n == 9:
					in.op = deleteAll
				}
				var out answer
				begin := time.Since(base)
				switch in.op {
				case get:
					v, ok := c.Get(in.key)
					if out.ok = ok; ok {
						out.value = from(v)
					}
				case set:
					out.ok = c.Set(in.key, to(in.value))
				case del:
					out.ok = c.Delete(in.key)
				case deleteAll:
					c.Clear()
				}
				mine = append(mine, porcupine.Operation{
					ClientId: id, Input: in, Output: out, Call: int64(begin), Return: int64(time.Since(base)),
				})
			}
			mu.Lock()
			defer mu.Unlock()
			history = append(history, mine...)
		})
	}
	start.Done()
	done.Wait()
	return history
}

func check[V any](t *testing.T, maxEntries, keys int, to func(int) V, from func(V) int) {
	overlaps := 0
	for seed := uint64(0); seed < 100 || seed < 5000 && overlaps < 100; seed++ {
		c, err := cache.New(cache.Config[int, V]{MaxEntries: maxEntries, TTL: time.Hour})
		require.NoError(t, err)
		history := record(c, seed, keys, to, from)
		result := porcupine.CheckOperationsTimeout(model(keys > maxEntries), history, 10*time.Second)
		require.Equal(t, porcupine.Ok, result, "seed %d", seed)
		overlaps += overlapping(history)
	}
	t.Logf("%d operations began before another had ended", overlaps)
	if runtime.GOMAXPROCS(0) > 1 {
		require.NotZero(t, overlaps, "all histories were sequential")
	}
}

// overlapping returns how many operations began before an earlier one had ended.
func overlapping(history []porcupine.Operation) (n int) {
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var end int64
	for _, o := range history {
		if o.Call < end {
			n++
		}
		end = max(end, o.Return)
	}
	return n
}

// text is a value of several words and a pointer, so that a torn read would show.
func text(n int) string { return fmt.Sprintf("%0*d", n%40+1, n) }

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || text(n) != s {
		return -1 // torn
	}
	return n
}

func TestHistoriesAreLinearizable(t *testing.T) {
	same := func(n int) int { return n }
	t.Run("one-word-values", func(t *testing.T) { check(t, 16, 3, same, same) })
	t.Run("strings", func(t *testing.T) { check(t, 16, 3, text, number) })
	t.Run("one-word-values-with-eviction", func(t *testing.T) { check(t, 2, 4, same, same) })
	t.Run("strings-with-eviction", func(t *testing.T) { check(t, 2, 4, text, number) })
}

// The checker must be able to say no: an entry that was missed comes back.
func TestTheModelRefusesAnImpossibleHistory(t *testing.T) {
	history := []porcupine.Operation{
		{ClientId: 0, Input: call{op: set, key: 1, value: 1}, Output: answer{ok: true}, Call: 0, Return: 1},
		{ClientId: 0, Input: call{op: get, key: 1}, Output: answer{}, Call: 2, Return: 3},
		{ClientId: 0, Input: call{op: get, key: 1}, Output: answer{value: 1, ok: true}, Call: 4, Return: 5},
	}
	require.False(t, porcupine.CheckOperations(model(true), history))
	require.False(t, porcupine.CheckOperations(model(false), history))
}
