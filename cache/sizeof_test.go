package cache_test

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

type node struct {
	next *node
	text string
	_    [5]int
}

func TestSizeOfIsWhatTheHeapTakes(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes some of the heap for itself")
	}
	sizeIsTrue(t, "string", func(i int) string { return strings.Repeat("x", 1+i%100) })
	sizeIsTrue(t, "bytes", func(i int) []byte { return make([]byte, 5, 10+i%5000) })
	sizeIsTrue(t, "int", func(i int) int { return i })
	sizeIsTrue(t, "any-string", func(i int) any { return strings.Repeat("x", 1+i%100) })
	sizeIsTrue(t, "any-int", func(i int) any { return 1000 + i })
	sizeIsTrue(t, "any-pointer", func(int) any { return new(node) })
	sizeIsTrue(t, "pointer-to-pointer", func(int) **node { p := new(node); return &p })
	sizeIsTrue(t, "array", func(i int) [3]*int { return [3]*int{&i, nil, new(int)} })
	sizeIsTrue(t, "empty-map", func(int) map[string]int { return map[string]int{} })
	sizeIsTrue(t, "map-of-8", func(int) map[int]int { return filled(8) })
	sizeIsTrue(t, "map-of-100", func(int) map[int]int { return filled(100) })
	sizeIsTrue(t, "map-of-5000", func(i int) map[int]int {
		if i%200 != 0 {
			return nil
		}
		return filled(5000)
	})
	sizeIsTrue(t, "map-of-large", func(i int) map[int][200]byte { return map[int][200]byte{i: {}, -1: {}} })
	sizeIsTrue(t, "channel", func(i int) chan [3]int { return make(chan [3]int, 10) })
	sizeIsTrue(t, "tree", func(i int) any {
		text := func(n int) string { return strings.Repeat("x", n) }
		return map[string]any{
			text(1 + i%50): []any{float64(i) + 0.5, text(20), map[string]any{text(30): []string{text(1), text(2)}}},
			"":             &node{text: text(i % 50)},
		}
	})
	sizeIsTrue(t, "list", func(i int) *node {
		var head *node
		for range i % 50 {
			head = &node{next: head, text: "constant"[:0]}
		}
		return head
	})
	sizeIsTrue(t, "ring", func(int) *node {
		a, b := new(node), new(node)
		a.next, b.next = b, a
		return a
	})
	sizeIsTrue(t, "shared", func(int) [4]*node { n := new(node); return [4]*node{n, n, {next: n}, n} })
	sizeIsTrue(t, "slice-that-holds-itself", func(int) []any { s := make([]any, 10); s[3] = s; return s })
}

func filled(n int) map[int]int {
	m := make(map[int]int)
	for i := range n {
		m[i] = i
	}
	return m
}

func sizeIsTrue[V any](t *testing.T, name string, value func(int) V) {
	t.Run(name, func(t *testing.T) {
		const n = 20_000 // too many for the stack
		before := heap()
		values := make([]V, n)
		for i := range values {
			values[i] = value(i)
		}
		grown := heap() - before
		var said int64
		for _, v := range values {
			said += cache.SizeOf(v)
		}
		const other = 8 << 10 // the rounding of the slice, and the runtime's own
		tolerance := grown/20 + other
		require.GreaterOrEqual(t, said, grown-tolerance)
		if strconv.IntSize == 64 { // headers are smaller on other machines, and more values share a block
			require.LessOrEqual(t, said, grown+tolerance)
		}
		runtime.KeepAlive(values)
	})
}

// How many tables of a large map have split by now cannot be seen: it counts for enough, and not for twice as much.
func TestSizeOfLargeMaps(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes some of the heap for itself")
	}
	for _, n := range []int{900, 1700, 6600, 7000, 7300, 14_000} {
		before := heap()
		maps := make([]map[int]int, 20)
		for i := range maps {
			maps[i] = filled(n)
		}
		grown := heap() - before
		said := cache.SizeOf(maps)
		require.GreaterOrEqual(t, said, grown-grown/20, "of %d", n)
		if strconv.IntSize == 64 {
			require.LessOrEqual(t, said, grown*2, "of %d", n)
		}
	}
}

// A list of a million is no recursion.
func TestSizeOfLongList(t *testing.T) {
	const n = 1_000_000
	nodes := make([]node, n)
	for i := range n - 1 {
		nodes[i].next = &nodes[i+1]
	}
	require.GreaterOrEqual(t, cache.SizeOf(&nodes[0]), int64(n*unsafe.Sizeof(node{})))
}

func TestSizeOfCommonTypesAllocatesNothing(t *testing.T) {
	text, data := strings.Repeat("x", 100), make([]byte, 100)
	for name, f := range map[string]func(){
		"string": func() { cache.SizeOf(text) },
		"bytes":  func() { cache.SizeOf(data) },
		"struct": func() { cache.SizeOf([10]struct{ a, b float64 }{}) },
	} {
		require.Zero(t, testing.AllocsPerRun(1000, f), name)
	}
}

// A cache may hold caches. It asks them for their size, because others may be using them.
func TestCachesInACache(t *testing.T) {
	type tenants = cache.Cache[string, any]
	outer := newCache(t, cache.Config[string, any]{MaxEntries: 10})
	inner := newCache(t, cache.Config[int, []byte]{MaxBytes: 1 << 20})
	var group sync.WaitGroup
	group.Go(func() {
		for i := range 20_000 {
			_, _ = inner.GetOrLoad(context.Background(), i, func(context.Context, int) ([]byte, error) { return make([]byte, 100), nil })
		}
	})
	for range 2000 {
		outer.Set("a", inner)
		outer.Set("b", struct{ hidden *cache.Cache[int, []byte] }{inner})
	}
	group.Wait()
	empty := newCache(t, cache.Config[string, any]{MaxEntries: 10})
	empty.Set("a", nil)
	outer.Delete("b")
	outer.Set("a", inner)
	require.InDelta(t, inner.Bytes(), outer.Bytes()-empty.Bytes(), 500)

	w := func() weak.Pointer[tenants] {
		a, b := newCache(t, cache.Config[string, any]{MaxEntries: 10}), newCache(t, cache.Config[string, any]{MaxEntries: 10})
		require.True(t, a.Set("b", b))
		require.True(t, b.Set("a", a))
		require.True(t, a.Set("a", a))
		return weak.Make(a)
	}()
	runtime.GC()
	require.Nil(t, w.Value(), "caches that know each other are collected")
}

// Where a value holds a text and the first of its words, both begin at the same byte. Whichever is met first,
// the longer one counts.
func TestSizeOfWhatBeginsAtTheSamePlace(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	list := make([]*[1000]int, 100)
	for i := range list {
		list[i] = new([1000]int)
	}
	words := 2 * int64(unsafe.Sizeof(text))
	require.Equal(t, words+1<<20, cache.SizeOf([2]string{text, text[:1]}))
	require.Equal(t, words+1<<20, cache.SizeOf([2]string{text[:1], text}))
	arrays := float64(100 * unsafe.Sizeof(*list[0]))
	require.InEpsilon(t, arrays, cache.SizeOf([2][]*[1000]int{list, list[:1:1]}), 0.1)
	require.InEpsilon(t, arrays, cache.SizeOf([2][]*[1000]int{list[:1:1], list}), 0.1)
}

// An interface holds a struct or an array of one pointer in its own word.
func TestSizeOfWhatIsAPointerInDisguise(t *testing.T) {
	p := new(int)
	want := cache.SizeOf(any(p))
	require.Equal(t, want, cache.SizeOf(any(struct{ p *int }{p})))
	require.Equal(t, want, cache.SizeOf(any([1]*int{p})))
	require.Greater(t, cache.SizeOf(any([2]*int{p, p})), want)
}
