package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
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
	t.index.checkInvariants(tt)
	dynamic, bytes := 0, int64(0)
	for s := range t.index.all() {
		require.NotContains(tt, t.waiting.byName, s.name)
		require.False(tt, s.gone.Load())
		require.True(tt, s.pinned() || t.coolest <= s.temperature(), "%d is no lower bound of %d", t.coolest, s.temperature())
		bytes += t.seriesBytes(s.name)
		if !s.pinned() {
			dynamic++
		}
	}
	require.Equal(tt, dynamic, t.dynamic)
	require.Equal(tt, bytes, t.bytes)
	require.LessOrEqual(tt, dynamic, t.config.maxDynamic)
	require.Equal(tt, t.admissions, t.retirements+uint64(dynamic))
	if t.config.maxBytes > 0 && dynamic > 0 {
		require.LessOrEqual(tt, bytes, t.config.maxBytes)
	}
}

// use counts once by name, as an owner does that knows no goroutines, and reports
// whether the name has a series.
func (t *table[T]) use(name string, now time.Duration) bool {
	s := t.find(name, now)
	if s == nil {
		s = t.admit(name, 1, now)
	}
	any(s.value).(*errorKind).first[0].Add(1)
	return s != t.other
}

func (t *table[T]) has(name string) bool {
	return t.index.get(name) != nil
}

func newCountTable(maxDynamic int, maxBytes int64, pinned ...string) *table[*errorKind] {
	return newTable(tableConfig[*errorKind]{maxDynamic: maxDynamic, maxBytes: maxBytes, valueBytes: 100, pinned: pinned, newValue: newErrorKind})
}

func TestTableFloodOfNamesSeenOnceDisplacesNothing(t *testing.T) {
	table := newCountTable(3, 0, "pinned")
	for _, name := range []string{"a", "b", "c"} {
		require.True(t, table.use(name, 0))
	}
	for i := range 100_000 {
		require.False(t, table.use(fmt.Sprint("flood", i), 0))
	}
	for _, name := range []string{"a", "b", "c", "pinned"} {
		require.True(t, table.has(name))
	}
	table.checkInvariants(t)
}

// The attacker comes first and takes all places; then a route with 5 % of the
// traffic appears, while the attack goes on.
func TestTableShowsANewHeavyNameDuringAFlood(t *testing.T) {
	table := newCountTable(50, 0, "pinned")
	for i := range 10_000 {
		table.use(fmt.Sprint("flood", i), 0)
	}
	seenAfter := 0
	for i := range 10_000 {
		table.use(fmt.Sprint("more", i), 0)
		if i%20 == 0 && table.use("GET /new", 0) {
			seenAfter = i
			break
		}
	}
	require.Positive(t, seenAfter)
	require.Less(t, seenAfter, 200)
	for i := range 10_000 {
		table.use(fmt.Sprint("yet more", i), 0)
	}
	require.True(t, table.has("GET /new"), "and it stays")
	require.True(t, table.has("pinned"))
	table.checkInvariants(t)
}

// Names that were heavy once give way when they are no longer.
func TestTableForgetsPastHeat(t *testing.T) {
	table := newCountTable(1, 0)
	for range 1000 {
		table.use("past", 0)
	}
	for range 1000 {
		require.False(t, table.use("present", 0)) // only as often
	}
	now := 11 * halfLife
	require.False(t, table.use("present", now), "all it had has been halved away")
	require.True(t, table.use("present", now))
	require.False(t, table.has("past"))
	require.Equal(t, uint64(1000), table.retired.value.count())
	table.checkInvariants(t)
}

// Nobody has to be more frequent than what was there before a sweep.
func TestTableMakesRoomForWhatIsWarmerThanTheColdest(t *testing.T) {
	const later = time.Second << 10
	tb := newCountTable(2, 0)
	for range 10 {
		tb.use("gone", 0)
		tb.use("stays", later)
	}
	for range 3 {
		require.False(t, tb.use("newcomer", later), "all are warmer")
	}
	require.Equal(t, 1, tb.sweep(later, later/2))
	require.True(t, tb.use("cold", later))
	tb.checkInvariants(t)
	require.False(t, tb.use("warmer", later))
	require.True(t, tb.use("warmer", later))
	require.False(t, tb.has("cold"))
}

// Not even when there are no more places for names that wait, and what has a series is cold.
func TestTableNamesSeenOnceDisplaceNothingThatIsCold(t *testing.T) {
	tb := newCountTable(1, 0)
	tb.use("past", 0)
	for i := range 100 {
		require.False(t, tb.use(fmt.Sprint(i), 2*halfLife), "%d", i)
	}
	require.Zero(t, tb.index.get("past").temperature())
	require.True(t, tb.use("99", 2*halfLife))
}

// A leavingCell looks whether its series is known to be gone when its counts leave: who counts in it
// before that is moved, who does later sees to it himself.
type leavingCell struct {
	errorKind
	gone *atomic.Bool
	seen []bool
}

func (c *leavingCell) moveTo(to *leavingCell) {
	c.seen = append(c.seen, c.gone.Load())
	c.errorKind.moveTo(&to.errorKind)
}

func TestTableSeriesAreGoneBeforeTheirCountsLeave(t *testing.T) {
	tb := newTable(tableConfig[*leavingCell]{maxDynamic: 1, newValue: func() *leavingCell { return new(leavingCell) }})
	s := tb.admit("name", 1, 0)
	s.value.gone = &s.gone
	require.Equal(t, 1, tb.sweep(time.Hour, time.Hour))
	require.Equal(t, []bool{true}, s.value.seen)
}

// However often a name comes and goes.
func TestTableRemembersWhatItMissedOfARetiredSeries(t *testing.T) {
	const later = time.Second << 10
	tb := newCountTable(1, 0)
	tb.use("first", 0)
	require.False(t, tb.use("name", 0), "one is counted as other")
	require.True(t, tb.use("name", 0))
	require.Equal(t, uint64(1), tb.index.get("name").missed)
	require.Equal(t, 1, tb.sweep(later, later/2))
	require.True(t, tb.use("name", later))
	require.Equal(t, uint64(1), tb.index.get("name").missed)
}

// What the pinned series and one more take is enough for one more at a time, as
// long as its name is short.
func TestTableIsBoundedInBytes(t *testing.T) {
	probe := newCountTable(1, 0, "pinned")
	probe.use("short", 0)
	table := newCountTable(10, probe.bytes, "pinned")
	require.True(t, table.use("short", 0))
	for range 5 {
		require.False(t, table.use(strings.Repeat("long", 10), 0), "evicting the other would not help")
	}
	require.True(t, table.has("short"))
	require.False(t, table.use("other", 0))
	require.False(t, table.use("brief", 0))
	require.True(t, table.use("brief", 0))
	require.False(t, table.has("short"))
	table.checkInvariants(t)

	full := newCountTable(10, 1, "pinned")
	for range 3 {
		require.False(t, full.use("short", 0), "there is nothing to evict")
	}
}

func strPtr(s string) *byte { return unsafe.StringData(s) }

func TestTableDoesNotKeepTheCallersMemory(t *testing.T) {
	table := newCountTable(1, 0)
	huge := strings.Repeat("x", 1<<20)
	table.use(huge[:4], 0)
	table.use(huge[:5], 0) // waits
	require.NotSame(t, strPtr(huge), strPtr(table.find("xxxx", 0).name))
	require.NotSame(t, strPtr(huge), strPtr(table.waiting.heap[0].name))
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("aabacadaeafagahaiaj"), byte(2))
	f.Add([]byte("1bc07281AB!\"Z9CC',%r#X(x\xffa82aa"), byte(3)) // a candidate removed from the middle of the heap
	f.Add([]byte("abcdefghijklmnopqrstuvwxyz\xff\xffabcabc\x80abc"), byte(3))
	f.Fuzz(func(t *testing.T, ops []byte, maxDynamic byte) {
		table := newCountTable(int(maxDynamic%8), 200*int64(maxDynamic), "p", "q")
		var now time.Duration
		var late []*series[*errorKind]
		uses, other := 0, map[string]uint64{}
		for _, op := range ops {
			switch {
			case op == 0xff:
				table.sweep(now, now-10*time.Second)
			case op >= 0x80:
				now += time.Duration(op) * time.Second
			default:
				uses++
				if !table.use(string(rune(op)), now) {
					other[string(rune(op))]++
				}
				if s := table.find(string(rune(op)), now); s != nil && op%3 == 0 {
					late = append(late, s)
				}
			}
		}
		for _, s := range late { // as by somebody who found it long ago
			uses++
			s.value.first[0].Add(1)
			if s.gone.Load() {
				table.late(s)
			}
		}
		table.checkInvariants(t)
		var sum uint64
		for s := range table.index.all() {
			sum += s.value.count()
		}
		require.Equal(t, uint64(uses), sum)
		for _, name := range []string{"p", "q", OtherName, RetiredName} {
			require.True(t, table.has(name))
		}
		for name, n := range other {
			most := table.waiting.most
			if e := table.waiting.byName[name]; e != nil {
				most = e.most
			} else if s := table.find(name, now); s != nil {
				most = s.missed
			}
			require.LessOrEqual(t, n, most, "the bound of Space-Saving holds for %q", name)
		}
	})
}

func TestCandidatesKeepWhatIsFrequent(t *testing.T) {
	c := newCandidates(10)
	seen := 0
	for i := range 10_000 {
		c.offer(fmt.Sprint("rare", i), 1)
		if i%5 == 0 {
			c.offer("frequent", 1)
			seen++
		}
	}
	c.checkInvariants(t)
	e := c.byName["frequent"]
	require.NotNil(t, e)
	require.LessOrEqual(t, e.count-e.inherited, uint64(seen), "never certain of more than there was")
	require.GreaterOrEqual(t, e.count, uint64(seen), "never less in all")
}

// Nobody makes a count fall by adding so much that it begins anew.
func TestCandidatesAreAHeapWhoeverLeaves(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := newCandidates(40)
	for range 20_000 {
		name := fmt.Sprint(r.IntN(100))
		if r.IntN(3) == 0 {
			c.left(c.remove(name))
		} else {
			c.offer(name, uint64(1+r.IntN(1000)))
		}
		for i, e := range c.heap {
			if e.at != i || c.heap[max(i-1, 0)/2].count > e.count {
				c.checkInvariants(t)
			}
		}
	}
	c.checkInvariants(t)
}

func TestCandidatesOfEnormousAmounts(t *testing.T) {
	c := newCandidates(3)
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		certain, _ := c.offer(fmt.Sprint(random.IntN(5)), math.MaxUint64>>random.IntN(64))
		require.Positive(t, certain|1)
		c.checkInvariants(t)
		if random.IntN(50) == 0 {
			c.halve(uint(random.IntN(3)))
			c.checkInvariants(t)
		}
	}
	table := newCountTable(1, 0)
	for _, name := range []string{"a", "b", "a", "b", "b", "c", "c"} {
		table.admit(name, math.MaxUint64, 0).value.first[0].Add(math.MaxUint64)
		table.checkInvariants(t)
	}
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

// Whatever another goroutine may be at.
func TestRecordToASeriesTakesNoLock(t *testing.T) {
	r, err := NewRecorder(RecorderConfig{Routes: []string{"pinned"}, OnWarn: func(Warning) {}})
	require.NoError(t, err)
	r.Record("dynamic", 200, 0)
	r.Error("kind")
	for _, mu := range []*sync.Mutex{&r.mu, &r.recent.mu, &r.scratch.mu, &r.times.cached.mu, &r.times.scratch.mu} {
		mu.Lock()
		defer mu.Unlock()
	}
	r.recent.ends.Store(0) // as if a part had just ended
	for _, name := range []string{"pinned", "dynamic", OtherName, RetiredName, "", UnmatchedName} {
		if name != "" {
			require.NotNil(t, r.endpoints.find(name, 0))
		}
		r.Record(name, 500, time.Hour)
	}
	r.Error("kind")
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

	w = newWindow(1) // of so short parts there are too many in an hour to begin each
	w.add(time.Hour, true)
	require.Equal(t, tally{1, 1}, w.sum(time.Hour))
}
