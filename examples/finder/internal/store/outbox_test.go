package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkInvariants walks the whole outbox.
func (o *outbox) checkInvariants(t *testing.T) {
	t.Helper()
	require.Len(t, o.byID, o.order.Len())
	var bytes int64
	for e := o.order.Front(); e != nil; e = e.Next() {
		r := e.Value.(*record)
		require.Same(t, e, o.byID[r.id])
		bytes += r.bytes()
	}
	require.Equal(t, bytes, o.bytes)
	require.LessOrEqual(t, o.len(), o.maxEntries)
	require.LessOrEqual(t, o.bytes, o.maxBytes)
}

// TestOutboxAgainstASlice does the same with a slice, which is plain to see.
func TestOutboxAgainstASlice(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	o := newOutbox(20, 20_000)
	var plain, taken []*record
	var refused uint64
	for range 20_000 {
		switch random.IntN(5) {
		default:
			r := &record{id: fmt.Sprint(random.IntN(40)), answers: strings.Repeat("x", random.IntN(2000))}
			old := slices.IndexFunc(plain, func(p *record) bool { return p.id == r.id })
			bytes, entries := r.bytes(), 1
			for i, p := range plain {
				if i != old {
					bytes, entries = bytes+p.bytes(), entries+1
				}
			}
			fits := entries <= 20 && bytes <= 20_000
			require.Equal(t, fits, o.put(r))
			require.Equal(t, !fits, o.full)
			switch {
			case !fits:
				refused++
			case old >= 0:
				plain[old] = r
			default:
				plain = append(plain, r)
			}
		case 3: // what is being written
			taken = o.oldest(random.IntN(8))
			require.True(t, slices.Equal(plain[:len(taken)], taken), "the oldest, in order")
		case 4: // has been written, and others came meanwhile
			o.remove(taken)
			plain = slices.DeleteFunc(plain, func(p *record) bool { return slices.Contains(taken, p) })
		}
		o.checkInvariants(t)
	}
	require.Equal(t, refused, o.refused)
	require.NotZero(t, refused)
}

// While the database takes what waits, only those join the queue who are in it. One that could not be written
// says that it takes nothing.
func TestWhoPassesTheQueue(t *testing.T) {
	s := &Store{outbox: newOutbox(10, 10_000)}
	waits, comes := &record{id: "waits"}, &record{id: "comes"}
	require.True(t, s.outbox.passes(waits), "nobody waits")
	_, err := s.enqueue(waits, true)
	require.NoError(t, err)
	require.False(t, s.outbox.passes(comes), "why should it fare better?")

	more := &record{id: "more"}
	_, err = s.enqueue(more, false)
	require.NoError(t, err)
	s.settle([]*record{waits}, true)
	require.True(t, s.outbox.passes(comes))
	require.False(t, s.outbox.passes(&record{id: "more"}), "later answers are written later")
	_, err = s.enqueue(&record{id: "more"}, false)
	require.NoError(t, err)
	require.True(t, s.outbox.passes(comes), "that says nothing of the database")
	_, err = s.enqueue(comes, true)
	require.NoError(t, err)
	require.False(t, s.outbox.passes(&record{id: "another"}))
	s.outbox.checkInvariants(t)
}
