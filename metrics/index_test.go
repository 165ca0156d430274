package metrics

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func (x *index[T]) checkInvariants(t *testing.T) {
	t.Helper()
	slots := *x.slots.Load()
	used, live := 0, 0
	for i := range slots {
		switch e := slots[i].Load(); e {
		case nil:
			continue
		case x.gone:
			require.Empty(t, e.name)
		default:
			live++
			require.Same(t, e, x.get(e.name))
		}
		used++
	}
	require.Equal(t, used, x.used)
	require.Equal(t, live, x.live)
	require.LessOrEqual(t, 2*used, len(slots), "so that each search ends")
	require.LessOrEqual(t, len(slots), max(minSlots, 16*(max(live, 1)+used)))
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte("abcABCabcaAaAaAaA"))
	f.Add([]byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		x := newIndex[*errorKind]()
		want := map[string]*series[*errorKind]{}
		for _, op := range ops {
			name := strings.Repeat(string(rune(op&^0x20)), int(op&^0x20)%50)
			s := want[name]
			switch {
			case op&0x20 != 0 && s == nil:
				want[name] = &series[*errorKind]{name: name}
				x.put(want[name])
			case op&0x20 == 0 && s != nil:
				x.delete(s)
				delete(want, name)
			}
			require.Same(t, want[name], x.get(name))
		}
		x.checkInvariants(t)
		require.Len(t, slices.Collect(x.all()), len(want))
	})
}

// Two names are told apart, whatever they have in common.
func FuzzIndexTellsNamesApart(f *testing.F) {
	for n := range 70 {
		f.Add(strings.Repeat("a", n), strings.Repeat("a", n+1))
	}
	f.Add("", "\x01")
	f.Add("\x01", "\x01\x00")
	f.Add("GET /a/route/of/33/bytes/or/so/{x}", "GET /a/route/of/33/bytes/or/so/{y}")
	f.Fuzz(func(t *testing.T, a, b string) {
		x := newIndex[*errorKind]()
		s := &series[*errorKind]{name: a}
		x.put(s)
		require.Same(t, s, x.get(strings.Clone(a)))
		if a != b {
			require.Nil(t, x.get(b))
		}
		x.delete(s)
		require.Nil(t, x.get(a))
	})
}

// A hash is not a name: two that are longer than a key and share one are told apart.
func TestIndexTellsLongNamesOfOneHashApart(t *testing.T) {
	x := newIndex[*errorKind]()
	a, b := strings.Repeat("a", keyBytes+1), strings.Repeat("b", keyBytes+1)
	for _, name := range []string{a, b} {
		s := &series[*errorKind]{name: name}
		_, s.key, s.hash = x.locate(b) // as if it were also that of a
		x.place(*x.slots.Load(), s)
	}
	require.Equal(t, b, x.get(b).name)
	for _, name := range []string{a + "a", b + "b", a[1:], b[1:]} {
		require.Nil(t, x.get(name))
	}
}

// Names that people and attackers give are alike, and are spread as if by chance: what is
// there is found with a step or two, where with names in bad order it would take
// thousands.
func TestIndexSpreadsNamesThatAreAlike(t *testing.T) {
	for shape, name := range map[string]func(i int) string{
		"numbers":       func(i int) string { return fmt.Sprint(i) },
		"few bits":      func(i int) string { return string([]byte{1 << (i % 8), 1 << (i / 8 % 8), byte(i / 64)}) },
		"end":           func(i int) string { return fmt.Sprintf("GET /api/v1/%d", i) },
		"begin":         func(i int) string { return fmt.Sprintf("%d.customers.example.org", i) },
		"middle":        func(i int) string { return fmt.Sprintf("GET /things/%d/{id}/and/more", i) },
		"long":          func(i int) string { return fmt.Sprintf("GET /api/v1/things/{id}/and/all/the/rest/of/it/%d", i) },
		"two that swap": func(i int) string { return fmt.Sprintf("%08d%08d%08d", i%64, 7, i/64) },
	} {
		const names = 4000
		x := newIndex[*errorKind]()
		for i := range names {
			x.put(&series[*errorKind]{name: name(i)})
		}
		slots, steps := *x.slots.Load(), 0
		for at := range slots {
			if s := slots[at].Load(); s != nil {
				steps += 1 + (at-int(s.hash&uint64(len(slots)-1))+len(slots))%len(slots)
			}
		}
		require.LessOrEqual(t, len(slots), 8*names)
		require.Less(t, steps, 2*names, shape)
	}
}

// Whoever knows names that share a place in one table knows nothing of another.
func TestIndexHasASecret(t *testing.T) {
	const places = 1 << 8
	for shape, format := range map[string]string{"short": "%d", "middling": "tenant-%07d", "of four words": "tenant-of-the-attacker-%07d", "long": "tenant-of-the-attacker-and-of-nobody-else-%07d"} {
		known, other := newIndex[*errorKind](), newIndex[*errorKind]()
		seen := map[uint64]bool{}
		names := 0
		for i := 0; names < 200; i++ {
			name := fmt.Sprintf(format, i)
			if _, _, hash := known.locate(name); hash%places == 0 {
				_, _, hash := other.locate(name)
				seen[hash%places] = true
				names++
			}
		}
		require.Greater(t, len(seen), 80, "of about 139: %s", shape)
	}
}

// Readers find what stays, whatever comes and goes beside it.
func TestIndexReadersBesideAWriter(t *testing.T) {
	x := newIndex[*errorKind]()
	put := func(name string) *series[*errorKind] {
		s := &series[*errorKind]{name: name}
		x.put(s)
		return s
	}
	var stays [20]*series[*errorKind]
	for i := range stays {
		stays[i] = put(fmt.Sprint("stays", i))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if x.get(fmt.Sprint("stays", i%20)) != stays[i%20] {
					t.Errorf("stays%d is not found", i%20)
					return
				}
			}
		})
	}
	var come []*series[*errorKind]
	for i := range 20_000 {
		come = append(come, put(fmt.Sprint("comes", i)))
		if i >= 30 {
			x.delete(come[i-30])
		}
	}
	close(stop)
	wg.Wait()
	x.checkInvariants(t)
	require.Len(t, *x.slots.Load(), 256)
}
