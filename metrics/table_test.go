package metrics

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func (c *candidates) checkInvariants(t *testing.T) {
	t.Helper()
	require.LessOrEqual(t, len(c.heap), c.max)
	require.Len(t, c.byName, len(c.heap))
	for i, e := range c.heap {
		require.Equal(t, i, e.at)
		require.Same(t, e, c.byName[e.name])
		require.LessOrEqual(t, e.inherited, e.count)
		require.LessOrEqual(t, c.heap[max(i-1, 0)/2].count, e.count)
	}
}

func (t *table[T]) checkInvariants(tt *testing.T) {
	tt.Helper()
	t.waiting.checkInvariants(tt)
	dynamic := 0
	for name, s := range t.series {
		require.Equal(tt, name, s.name)
		require.NotContains(tt, t.waiting.byName, name)
		if !s.pinned {
			dynamic++
		}
	}
	require.Equal(tt, dynamic, t.dynamic)
	require.LessOrEqual(tt, dynamic, t.maxDynamic)
	require.Equal(tt, t.admitted, t.retired+uint64(dynamic))
}

func newCountTable(maxDynamic int, pinned ...string) (t *table[*errorKind], retired *uint64) {
	retired = new(uint64)
	return newTable(maxDynamic, pinned, newErrorKind, func(e *errorKind) { *retired += e.count }), retired
}

func TestTableFloodOfNamesSeenOnceDisplacesNothing(t *testing.T) {
	table, _ := newCountTable(3, "pinned")
	for _, name := range []string{"a", "b", "c"} {
		require.NotNil(t, table.use(name, 0))
	}
	for i := range 100_000 {
		require.Nil(t, table.use(fmt.Sprint("flood", i), 0))
	}
	for _, name := range []string{"a", "b", "c", "pinned"} {
		require.Contains(t, table.series, name)
	}
	table.checkInvariants(t)
}

// The attacker comes first and takes all places; then a route with 5 % of the
// traffic appears, while the attack goes on.
func TestTableShowsANewHeavyNameDuringAFlood(t *testing.T) {
	table, _ := newCountTable(50, "pinned")
	for i := range 10_000 {
		table.use(fmt.Sprint("flood", i), 0)
	}
	seenAfter := 0
	for i := range 10_000 {
		table.use(fmt.Sprint("more", i), 0)
		if i%20 == 0 && table.use("GET /new", 0) != nil {
			seenAfter = i
			break
		}
	}
	require.Positive(t, seenAfter)
	require.Less(t, seenAfter, 200)
	for i := range 10_000 {
		table.use(fmt.Sprint("yet more", i), 0)
	}
	require.Contains(t, table.series, "GET /new", "and it stays")
	require.Contains(t, table.series, "pinned")
	table.checkInvariants(t)
}

// Names that were heavy once give way when they are no longer.
func TestTableForgetsPastHeat(t *testing.T) {
	table, _ := newCountTable(1)
	for range 1000 {
		table.use("past", 0)
	}
	for range 1000 {
		require.Nil(t, table.use("present", 0)) // only as often
	}
	now := 11 * halfLife
	require.Nil(t, table.use("present", now), "all it had has been halved away")
	require.NotNil(t, table.use("present", now))
	require.NotContains(t, table.series, "past")
	table.checkInvariants(t)
}

func strPtr(s string) *byte { return unsafe.StringData(s) }

func TestTableDoesNotKeepTheCallersMemory(t *testing.T) {
	table, _ := newCountTable(1)
	huge := strings.Repeat("x", 1<<20)
	table.use(huge[:4], 0)
	table.use(huge[:5], 0) // waits
	require.NotSame(t, strPtr(huge), strPtr(table.series["xxxx"].name))
	require.NotSame(t, strPtr(huge), strPtr(table.waiting.heap[0].name))
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("aabacadaeafagahaiaj"), byte(2))
	f.Add([]byte("1bc07281AB!\"Z9CC',%r#X(x\xffa82aa"), byte(3)) // a candidate removed from the middle of the heap
	f.Add([]byte("abcdefghijklmnopqrstuvwxyz\xff\xffabcabc\x80abc"), byte(3))
	f.Fuzz(func(t *testing.T, ops []byte, maxDynamic byte) {
		table, retired := newCountTable(int(maxDynamic%8), "p", "q")
		var now time.Duration
		var other uint64
		uses := 0
		for _, op := range ops {
			switch {
			case op == 0xff:
				table.sweep(now, now-10*time.Second)
			case op >= 0x80:
				now += time.Duration(op) * time.Second
			default:
				uses++
				if s := table.use(string(rune(op)), now); s != nil {
					s.value.count++
				} else {
					other++
				}
			}
		}
		table.checkInvariants(t)
		sum := other + *retired
		for _, s := range table.series {
			sum += s.value.count
		}
		require.Equal(t, uint64(uses), sum)
		require.Contains(t, table.series, "p")
		require.Contains(t, table.series, "q")
	})
}

func TestCandidatesKeepWhatIsFrequent(t *testing.T) {
	c := newCandidates(10)
	seen := 0
	for i := range 10_000 {
		c.offer(fmt.Sprint("rare", i))
		if i%5 == 0 {
			c.offer("frequent")
			seen++
		}
	}
	c.checkInvariants(t)
	e := c.byName["frequent"]
	require.NotNil(t, e)
	require.LessOrEqual(t, e.count-e.inherited, uint64(seen), "never certain of more than there was")
	require.GreaterOrEqual(t, e.count, uint64(seen), "never less in all")
}

func FuzzClip(f *testing.F) {
	f.Add("GET /héllo/wörld", 8)
	f.Add("\xff\xfe\xfd", 3)
	f.Add(strings.Repeat("\x80", 100), 16)
	f.Add("日本語日本語日本語", 16)
	f.Fuzz(func(t *testing.T, name string, limit int) {
		limit = minLabelBytes + int(uint(limit)%64)
		got, changed := clip(name, limit)
		require.LessOrEqual(t, len(got), limit)
		require.True(t, utf8.ValidString(got))
		require.Equal(t, got != name, changed)
		if utf8.ValidString(name) {
			require.True(t, strings.HasPrefix(name, got))
			require.GreaterOrEqual(t, len(got), min(len(name), limit-3), "no more than a rune is lost")
		}
		again, changed := clip(got, limit)
		require.Equal(t, got, again)
		require.False(t, changed)
	})
}

func TestWindowSlides(t *testing.T) {
	w := newWindow(time.Minute)
	w.add(0, true)
	w.add(30*time.Second, false)
	require.Equal(t, tally{2, 1}, w.sum(59*time.Second))
	require.Equal(t, tally{1, 0}, w.sum(60*time.Second))
	w.add(20*time.Second, true) // a clock read before the lock was had
	require.Equal(t, tally{2, 1}, w.sum(60*time.Second))
	require.Equal(t, tally{}, w.sum(240*time.Hour))
}
