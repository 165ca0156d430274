package metrics_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/stretchr/testify/require"
)

func newFamily(t testing.TB, c metrics.FamilyConfig) *metrics.Family {
	t.Helper()
	c.Name, c.Help = "calls_total", "Calls."
	if c.Label == "" {
		c.Label = "tenant"
	}
	f, err := metrics.NewFamily(c)
	require.NoError(t, err)
	return f
}

var methods = metrics.ClosedLabel{Name: "method", Values: []string{"GET", "POST"}}

// counts returns the counters that are not 0, by the values of their labels.
func counts(s metrics.FamilySnapshot) map[string]uint64 {
	m := map[string]uint64{}
	for _, c := range s.Counters {
		if c.Count > 0 {
			m[strings.Join(c.Values, " ")] = c.Count
		}
	}
	return m
}

// requireFamily checks what holds of each snapshot of a family.
func requireFamily(t *testing.T, s metrics.FamilySnapshot) {
	t.Helper()
	var sum uint64
	for _, c := range s.Counters {
		sum += c.Count
		require.Len(t, c.Values, len(s.Labels))
	}
	require.Equal(t, sum, s.Total)
	require.LessOrEqual(t, s.Series, s.MaxSeries)
	require.LessOrEqual(t, s.Bytes, s.MaxBytes)
	require.LessOrEqual(t, s.Retired, s.Admitted)
}

func TestFamilyConfigNamesFieldValueAndWant(t *testing.T) {
	ok := metrics.FamilyConfig{Name: "a_total", Label: "b"}
	nameless := ok
	nameless.Name = "_total"
	require.ErrorContains(t, nameless.Validate(), "FamilyConfig.Name is \"_total\"")
	for want, change := range map[string]func(c *metrics.FamilyConfig){
		"metrics: FamilyConfig.Name is \"a\", want [a-zA-Z_:][a-zA-Z0-9_:]* of at most 128 bytes that ends in _total":              func(c *metrics.FamilyConfig) { c.Name = "a" },
		"metrics: FamilyConfig.Help is \"\\xff\", want UTF-8 of at most 512 bytes":                                                 func(c *metrics.FamilyConfig) { c.Help = "\xff" },
		"metrics: FamilyConfig.Label is \"__b\", want [a-zA-Z_][a-zA-Z0-9_]* of at most 128 bytes":                                 func(c *metrics.FamilyConfig) { c.Label = "__b" },
		"metrics: FamilyConfig.MaxSeries is -1, want 0 to 10000":                                                                   func(c *metrics.FamilyConfig) { c.MaxSeries = -1 },
		"metrics: FamilyConfig.MaxLabelBytes is 3, want 0 or 16 to 4096":                                                           func(c *metrics.FamilyConfig) { c.MaxLabelBytes = 3 },
		"metrics: FamilyConfig.IdleAfter is -1ns, want zero or more":                                                               func(c *metrics.FamilyConfig) { c.IdleAfter = -1 },
		"metrics: FamilyConfig.Pinned[0] is \"other\", want a name that is not reserved":                                           func(c *metrics.FamilyConfig) { c.Pinned = []string{"other"} },
		"metrics: FamilyConfig.Closed[0].Name is \"b\", want [a-zA-Z_][a-zA-Z0-9_]* of its own":                                    func(c *metrics.FamilyConfig) { c.Closed = []metrics.ClosedLabel{{Name: "b"}} },
		"metrics: FamilyConfig.Closed[0].Values[1] is \"x\", want UTF-8 of at most 128 bytes that is not reserved nor there twice": func(c *metrics.FamilyConfig) { c.Closed = []metrics.ClosedLabel{{"c", []string{"x", "x"}}} },
		"metrics: FamilyConfig.Closed has more than 1024 combinations, counting \"other\" for each label": func(c *metrics.FamilyConfig) {
			c.Closed = []metrics.ClosedLabel{{"c", numbers(32)}, {"d", numbers(31)}}
		},
	} {
		c := ok
		change(&c)
		_, err := metrics.NewFamily(c)
		require.EqualError(t, err, want)
	}
	c := ok
	c.Pinned, c.MaxBytes = numbers(1000), 1000
	_, err := metrics.NewFamily(c)
	require.ErrorContains(t, err, "metrics: FamilyConfig.MaxBytes is 1000, want ")
	var want int64
	_, err2 := fmt.Sscanf(err.Error(), "metrics: FamilyConfig.MaxBytes is 1000, want %d for what is pinned", &want)
	require.NoError(t, err2)
	c.MaxBytes = want
	f, err := metrics.NewFamily(c)
	require.NoError(t, err)
	require.Equal(t, want, f.Bytes())
}

func numbers(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint(i))
	}
	return names
}

func TestFamilyCountsByLabels(t *testing.T) {
	f := newFamily(t, metrics.FamilyConfig{
		Pinned: []string{"parish"},
		Closed: []metrics.ClosedLabel{methods, {Name: "status", Values: []string{"ok", "failed"}}},
	})
	f.Inc("parish", "GET", "ok")
	f.Inc("parish", "GET", "ok")
	f.Add(40, "parish", "POST", "failed")
	f.Inc("school", "BREW", "ok", "too many")
	f.Inc("", "GET")
	h := f.With("choir", "POST", "ok")
	h.Inc()
	h.Add(2)
	s := f.Snapshot()
	requireFamily(t, s)
	require.Equal(t, []string{"tenant", "method", "status"}, s.Labels)
	require.Equal(t, map[string]uint64{
		"parish GET ok": 2, "parish POST failed": 40, "school other ok": 1, "unmatched GET other": 1, "choir POST ok": 3,
	}, counts(s))
	require.Contains(t, s.Counters, metrics.LabelledCount{Values: []string{"parish", "POST", "ok"}}, "pinned counters are there from the first")
	require.NotContains(t, s.Counters, metrics.LabelledCount{Values: []string{"parish", "other", "ok"}})
	require.NotContains(t, s.Counters, metrics.LabelledCount{Values: []string{"school", "GET", "ok"}})
}

// What overflows keeps its other labels.
func TestFamilyOverflowsByOneLabelOnly(t *testing.T) {
	f := newFamily(t, metrics.FamilyConfig{MaxSeries: 1, Closed: []metrics.ClosedLabel{methods}})
	f.Inc("first", "GET")
	f.Inc("first", "GET")
	f.Inc("second", "POST")
	require.Equal(t, map[string]uint64{"first GET": 2, "other POST": 1}, counts(f.Snapshot()))
	f.Inc("second", "POST")
	f.Inc("second", "POST") // more often than the first
	require.Equal(t, map[string]uint64{"retired GET": 2, "other POST": 2, "second POST": 1}, counts(f.Snapshot()))
}

// Amounts are frequencies too, but one call alone displaces nothing, however much
// it adds.
func TestFamilyAdmitsByAmount(t *testing.T) {
	f := newFamily(t, metrics.FamilyConfig{MaxSeries: 1})
	f.Add(1000, "first")
	f.Add(5000, "second")
	require.Equal(t, map[string]uint64{"first": 1000, "other": 5000}, counts(f.Snapshot()))
	f.Add(1, "second")
	require.Equal(t, map[string]uint64{"retired": 1000, "other": 5000, "second": 1}, counts(f.Snapshot()))
	f.Add(1, "first")
	f.Add(3000, "first")
	require.Equal(t, uint64(1000), counts(f.Snapshot())["retired"], "the second has a heat of 5001")
}

func TestFamilyHandleSurvivesItsSeries(t *testing.T) {
	f := newFamily(t, metrics.FamilyConfig{MaxSeries: 1})
	h := f.With("first")
	h.Inc()
	f.Inc("second")
	f.Inc("second")
	require.Equal(t, map[string]uint64{"retired": 1, "other": 1, "second": 1}, counts(f.Snapshot()))
	h.Inc()
	require.Equal(t, map[string]uint64{"retired": 1, "other": 2, "second": 1}, counts(f.Snapshot()))
	for range 2 {
		h.Inc() // now it is the more frequent one
	}
	require.Equal(t, map[string]uint64{"retired": 2, "other": 3, "first": 1}, counts(f.Snapshot()))
	h.Inc()
	require.Equal(t, uint64(2), counts(f.Snapshot())["first"])
}

func TestFamilySweepRetiresWhatIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFamily(t, metrics.FamilyConfig{Pinned: []string{"pinned"}})
		f.Inc("idle")
		h := f.With("in use")
		h.Inc()
		before := f.Bytes()
		time.Sleep(40 * time.Minute)
		h.Inc()
		time.Sleep(20*time.Minute + 1)
		require.Equal(t, 1, f.Sweep())
		require.Less(t, f.Bytes(), before)
		s := f.Snapshot()
		require.Equal(t, map[string]uint64{"retired": 1, "in use": 2}, counts(s))
		require.Equal(t, 2, s.Series)
		require.Equal(t, uint64(1), s.Retired)
	})
}

// A million labels of a megabyte each, from several sides, while handles and a
// heavy late-comer count and somebody looks and sweeps: the memory stays within
// what was declared, and nothing is lost.
func TestFamilyUnderAttack(t *testing.T) {
	const attackers, each, label = 4, 250_000, 1 << 20
	text := make([]byte, label+attackers*each)
	for i, rng := 0, rand.New(rand.NewPCG(1, 2)); i < len(text); i++ {
		text[i] = 'a' + byte(rng.IntN(26))
	}
	big := string(text)
	before := heap()
	f := newFamily(t, metrics.FamilyConfig{Pinned: []string{"pinned"}, Closed: []metrics.ClosedLabel{methods}, MaxBytes: 512 << 10})
	pinned, fleeting := f.With("pinned", "GET"), f.With("fleeting", "GET")
	var wg sync.WaitGroup
	for a := range attackers {
		wg.Go(func() {
			for i := range each {
				n := a*each + i
				f.Inc(big[n:n+label], methods.Values[i%2])
				switch {
				case i%100 == 0:
					pinned.Inc()
					fleeting.Inc()
				case i%20 == 1 && i > each/2:
					f.Inc("late", "POST")
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	last := uint64(0)
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		s := f.Snapshot()
		requireFamily(t, s)
		require.GreaterOrEqual(t, s.Total, last, "a total never falls")
		last = s.Total
		runtime.Gosched()
	}
	s := f.Snapshot()
	requireFamily(t, s)
	late := 0
	for i := range each {
		if i%20 == 1 && i > each/2 {
			late++
		}
	}
	require.Equal(t, uint64(attackers*(each+2*each/100+late)), s.Total)
	require.Equal(t, uint64(attackers*each/100), counts(s)["pinned GET"])
	require.GreaterOrEqual(t, counts(s)["late POST"], uint64(attackers*late*9/10), "seen soon, and never driven out")
	require.Equal(t, uint64(attackers*each), s.Clipped)
	grown := int64(heap()) - int64(before)
	require.LessOrEqual(t, grown, f.Bytes(), "Bytes is no less than what the heap grew by")
	runtime.KeepAlive(big)
}

// Series that come and go all the time under the hands of their counters.
func TestFamilyLosesNothingWhileSeriesComeAndGo(t *testing.T) {
	const writers, each = 8, 20_000
	f := newFamily(t, metrics.FamilyConfig{MaxSeries: 3, IdleAfter: 1, Closed: []metrics.ClosedLabel{methods}})
	handles := make([]*metrics.Handle, 20)
	for i := range handles {
		handles[i] = f.With(fmt.Sprint(i), "GET")
	}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range each {
				which := i / 50 % len(handles) // each is hot for a while
				handles[which].Inc()
				f.Add(2, fmt.Sprint(which), "POST")
				if i%500 == 0 {
					f.Sweep() // on a busy machine the sweeper below has few turns
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		f.Sweep()
		requireFamily(t, f.Snapshot())
	}
	s := f.Snapshot()
	require.Equal(t, uint64(writers*each*3), s.Total)
	byMethod := map[string]uint64{}
	for _, c := range s.Counters {
		byMethod[c.Values[1]] += c.Count
	}
	require.Equal(t, map[string]uint64{"GET": writers * each, "POST": 2 * writers * each}, byMethod)
	require.Greater(t, s.Retired, uint64(10))
}
