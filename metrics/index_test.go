package metrics

import (
	"fmt"
	"slices"
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
			_, ok := x.get(e.name)
			require.True(t, ok, e.name)
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
		x := newIndex[int]()
		want := map[string]int{}
		for i, op := range ops {
			name := string(op &^ 0x20)
			_, ok := want[name]
			switch {
			case op&0x20 == 0:
				x.delete(name)
				delete(want, name)
			case !ok:
				x.put(name, i)
				want[name] = i
			}
			got, gotOK := x.get(name)
			value, ok := want[name]
			require.Equal(t, ok, gotOK)
			require.Equal(t, value, got)
		}
		x.checkInvariants(t)
		require.Len(t, slices.Collect(x.all()), len(want))
	})
}

// Readers find what stays, whatever comes and goes beside it.
func TestIndexReadersBesideAWriter(t *testing.T) {
	x := newIndex[int]()
	for i := range 20 {
		x.put(fmt.Sprint("stays", i), i)
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
				got, ok := x.get(fmt.Sprint("stays", i%20))
				if !ok || got != i%20 {
					t.Errorf("stays%d is %d, %v", i%20, got, ok)
					return
				}
			}
		})
	}
	for i := range 20_000 {
		x.put(fmt.Sprint("comes", i), 0)
		if i >= 30 {
			x.delete(fmt.Sprint("comes", i-30))
		}
	}
	close(stop)
	wg.Wait()
	x.checkInvariants(t)
	require.Len(t, *x.slots.Load(), 256)
}
