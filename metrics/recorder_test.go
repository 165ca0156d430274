package metrics_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/stretchr/testify/require"
)

func newRecorder(t testing.TB, c metrics.RecorderConfig) *metrics.Recorder {
	t.Helper()
	if c.OnWarn == nil {
		c.OnWarn = func(metrics.Warning) {}
	}
	r, err := metrics.NewRecorder(c)
	require.NoError(t, err)
	return r
}

// requireExact checks what holds of each snapshot: that nothing counted is lost.
func requireExact(t *testing.T, s metrics.Snapshot) {
	t.Helper()
	sum := s.Other.Requests + s.Retired.Requests
	var status [metrics.Classes]uint64
	for i := range status {
		status[i] = s.Other.Status[i] + s.Retired.Status[i]
	}
	duration := s.Other.Duration + s.Retired.Duration
	for _, e := range s.Endpoints {
		sum += e.Requests
		duration += e.Duration
		for i := range status {
			status[i] += e.Status[i]
		}
	}
	require.Equal(t, s.Total.Requests, sum)
	require.Equal(t, s.Total.Status, status)
	require.Equal(t, s.Total.Duration, duration)
	kinds := s.ErrorsOther + s.ErrorsRetired
	for _, e := range s.Errors {
		kinds += e.Count
	}
	require.Equal(t, s.ErrorsTotal, kinds)
}

func endpointOf(t *testing.T, s metrics.Snapshot, name string) metrics.Endpoint {
	t.Helper()
	for _, e := range s.Endpoints {
		if e.Name == name {
			return e
		}
	}
	require.Fail(t, "no endpoint "+name)
	return metrics.Endpoint{}
}

func TestRecorderConfigNamesFieldValueAndWant(t *testing.T) {
	for want, c := range map[string]metrics.RecorderConfig{
		"metrics: RecorderConfig.MaxEndpoints is -2, want -1 to 10000":                            {MaxEndpoints: -2},
		"metrics: RecorderConfig.MaxErrors is 10001, want -1 to 10000":                            {MaxErrors: 10_001},
		"metrics: RecorderConfig.Times is -1, want 0 to 65536":                                    {Times: -1},
		"metrics: RecorderConfig.MaxLabelBytes is 15, want 0 or 16 to 4096":                       {MaxLabelBytes: 15},
		"metrics: RecorderConfig.SlowAfter is -1ns, want zero or more":                            {SlowAfter: -1},
		"metrics: RecorderConfig.ErrorRate is NaN, want 0 to 1":                                   {ErrorRate: math.NaN()},
		"metrics: RecorderConfig.Routes[1] is \"\", want UTF-8 of 1 to 128 bytes":                 {Routes: []string{"a", ""}},
		"metrics: RecorderConfig.Routes[0] is \"other\", want a name that is not reserved":        {Routes: []string{"other"}},
		"metrics: RecorderConfig.Routes[0] is \"a\\xff\", want UTF-8 of 1 to 128 bytes":           {Routes: []string{"a\xff"}},
		"metrics: RecorderConfig.Routes[0] is \"seventeen bytes..\", want UTF-8 of 1 to 16 bytes": {MaxLabelBytes: 16, Routes: []string{"seventeen bytes.."}},
	} {
		_, err := metrics.NewRecorder(c)
		require.EqualError(t, err, want)
	}
}

func TestRecorderConfigMayBeAtItsBounds(t *testing.T) {
	for _, c := range []metrics.RecorderConfig{
		{}, {ErrorRate: 1}, {MaxEndpoints: -1, MaxErrors: -1}, {MaxEndpoints: 10_000, MaxErrors: 10_000, MaxGauges: 10_000},
		{Times: 65_536}, {MaxLabelBytes: 16}, {MaxLabelBytes: 4096}, {Routes: []string{strings.Repeat("r", 128)}},
	} {
		require.NoError(t, c.Validate())
	}
}

func TestRecorderCounts(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{Routes: []string{"GET /pinned"}})
	r.Record("GET /a", 200, time.Second)
	r.Record("GET /a", 503, 2*time.Second)
	r.Record("GET /b", 404, 3*time.Second)
	r.Record("", 0, -time.Second)
	r.Record("GET /b", 1000, 0)
	r.Error("timeout")
	r.Error("timeout")
	r.Error("")
	s := r.Snapshot()
	requireExact(t, s)
	require.Equal(t, metrics.Counts{
		Requests: 5, Status: [6]uint64{2, 0, 1, 0, 1, 1}, Slow: 2, Duration: 6 * time.Second,
	}, s.Total)
	a := endpointOf(t, s, "GET /a")
	require.Equal(t, metrics.Counts{
		Requests: 2, Status: [6]uint64{2: 1, 5: 1}, Slow: 1, Duration: 3 * time.Second,
	}, a.Counts)
	require.Equal(t, 2*time.Second, a.Times.Quantile(1))
	require.Equal(t, 5, s.Times.Count)
	require.True(t, endpointOf(t, s, "GET /pinned").Pinned, "shown before its first request")
	require.Equal(t, uint64(1), endpointOf(t, s, metrics.UnmatchedName).Requests)
	require.Equal(t, []metrics.ErrorKind{{Kind: "timeout", Count: 2}, {Kind: "unmatched", Count: 1}}, s.Errors)
	require.Equal(t, uint64(1), s.Losses.NegativeDurations)
	require.Equal(t, metrics.Recent{Window: time.Minute, Requests: 5, Failures: 1}, s.Recent)
	require.InDelta(t, 0.2, s.Recent.Rate(), 1e-9)
	require.Zero(t, metrics.Recent{}.Rate())
}

func TestRecorderClassesOfStatus(t *testing.T) {
	for status, class := range map[int]int{-100: 0, 0: 0, 99: 0, 100: 1, 199: 1, 200: 2, 499: 4, 500: 5, 599: 5, 600: 0, math.MaxInt: 0} {
		r := newRecorder(t, metrics.RecorderConfig{})
		r.Record("GET /", status, 0)
		var want [metrics.Classes]uint64
		want[class] = 1
		s := r.Snapshot()
		require.Equal(t, want, s.Total.Status, "%d", status)
		require.Equal(t, class == 5, s.Recent.Failures == 1, "%d", status)
		require.Zero(t, s.Total.Slow, "%d", status)
	}
}

func TestRecorderTimesAreThoseOfTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t, metrics.RecorderConfig{Times: 3})
		require.Zero(t, r.Times().Count)
		for i := range 5 {
			r.Record(fmt.Sprint(i), 200, time.Duration(i+1)*time.Millisecond)
		}
		times := r.Times()
		require.Equal(t, r.Snapshot().Times, times)
		require.Equal(t, 3, times.Count)
		require.Equal(t, uint64(5), times.Observed)
		require.Equal(t, 3*time.Millisecond, times.Min)
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { r.Times() }), 1.0)
	})
}

func TestRecorderDefaults(t *testing.T) {
	var warned []metrics.Warning
	r := newRecorder(t, metrics.RecorderConfig{OnWarn: func(w metrics.Warning) { warned = append(warned, w) }})
	for i := range 200 {
		r.Record(fmt.Sprint("GET /", i), 200, 2*time.Second-1)
		r.Error(fmt.Sprint(i))
	}
	s := r.Snapshot()
	require.Len(t, s.Endpoints, 51, "50 and unmatched")
	require.Len(t, s.Errors, 100)
	require.Equal(t, 100, s.Times.Count)
	require.Empty(t, warned)
	r.Record("GET /1", 200, 2*time.Second)
	require.Len(t, warned, 1)
	require.Equal(t, metrics.SlowRequest, warned[0].Kind)
	for range 23 { // with the 201 others, one short of a tenth
		r.Record("GET /1", 500, 0)
	}
	r.Record("GET /1", 400, 0)
	require.Len(t, warned, 2)
	require.Equal(t, uint64(23), warned[1].Failures)
	require.Equal(t, uint64(224), warned[1].Requests)
}

// Each kind says how much its count may lack.
func TestRecorderShowsTheBoundOnWhatItMissed(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{MaxErrors: 1, MaxEndpoints: 1})
	count := func(name string) { r.Error(name); r.Record(name, 200, 0) }
	count("first")
	for range 3 {
		count("second") // takes the place with the second time
	}
	s := r.Snapshot()
	require.Equal(t, []metrics.ErrorKind{{Kind: "second", Count: 2, Missed: 1}}, s.Errors)
	require.Equal(t, uint64(1), endpointOf(t, s, "second").Missed)
	require.Equal(t, uint64(1), s.ErrorsOther)
	for range 4 {
		count("first")
	}
	s = r.Snapshot()
	require.Equal(t, "first", s.Errors[0].Kind)
	require.LessOrEqual(t, 5-s.Errors[0].Count-1, s.Errors[0].Missed, "one is among the retired")
	require.LessOrEqual(t, s.Errors[0].Missed, s.ErrorsOther)
	f := exposition(t, s)
	require.Equal(t, float64(s.Errors[0].Missed), f["errors_other_max"].samples[0].value)
	require.Equal(t, "first", f["http_requests_other_max"].samples[0].labels["endpoint"])
}

// 292 years of requests are soon together: a thousand at a time make them in four months.
func TestRecorderDurationsNeverBecomeNegative(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	for i := range 7 {
		r.Record("GET /a", 200, math.MaxInt64)
		r.Record("GET /b", 200, math.MaxInt64/3)
		s := r.Snapshot()
		require.GreaterOrEqual(t, s.Total.Duration, time.Duration(0), "%d", i)
		require.GreaterOrEqual(t, endpointOf(t, s, "GET /a").Duration, time.Duration(0))
		exposition(t, s)
	}
}

func TestRecorderReservedNamesGoWhereTheySay(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{})
	r.Record(metrics.OtherName, 200, 1)
	r.Record(metrics.RetiredName, 200, 2)
	r.Error(metrics.OtherName)
	r.Error(metrics.RetiredName)
	s := r.Snapshot()
	requireExact(t, s)
	require.Equal(t, uint64(1), s.Other.Requests)
	require.Equal(t, uint64(1), s.Retired.Requests)
	require.Empty(t, s.Errors)
}

func TestRecorderWithoutDynamicSeries(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{MaxEndpoints: -1, MaxErrors: -1, Routes: []string{"a"}})
	for range 10 {
		r.Record("a", 200, 1)
		r.Record("b", 200, 1)
		r.Error("c")
	}
	s := r.Snapshot()
	requireExact(t, s)
	require.Equal(t, uint64(10), endpointOf(t, s, "a").Requests)
	require.Equal(t, uint64(10), s.Other.Requests)
	require.Equal(t, uint64(10), s.ErrorsOther)
}

// Unique names of a megabyte from all sides, while pinned and busy routes go on
// and somebody looks all the time.
func TestRecorderUnderAttack(t *testing.T) {
	const attackers, each = 4, 5000
	r := newRecorder(t, metrics.RecorderConfig{Routes: []string{"GET /pinned"}, MaxEndpoints: 10, MaxErrors: 10})
	for range 100 {
		r.Record("GET /busy", 200, time.Millisecond)
	}
	big := strings.Repeat("x", 1<<20)
	before := heap()
	var wg sync.WaitGroup
	for a := range attackers {
		wg.Go(func() {
			for i := range each {
				name := fmt.Sprint(a, "-", i) + big[:i%2*100_000]
				r.Record(name, 404, time.Millisecond)
				r.Error(name)
				if i%20 == 0 {
					r.Record("GET /pinned", 200, time.Millisecond)
					r.Record("GET /busy", 200, time.Millisecond)
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
		s := r.Snapshot()
		requireExact(t, s)
		require.LessOrEqual(t, len(s.Endpoints), 12) // pinned, unmatched and 10
		require.LessOrEqual(t, len(s.Errors), 10)
	}
	s := r.Snapshot()
	require.Equal(t, uint64(attackers*(each+2*each/20)+100), s.Total.Requests)
	require.Equal(t, uint64(attackers*each), s.ErrorsTotal)
	require.Equal(t, uint64(attackers*each/20), endpointOf(t, s, "GET /pinned").Requests)
	require.Equal(t, uint64(attackers*each/20+100), endpointOf(t, s, "GET /busy").Requests)
	require.Equal(t, uint64(attackers*each), s.Losses.ClippedNames)
	require.Less(t, int64(heap())-int64(before), int64(256<<10), "30 names, 13 rings of 100 times")
	runtime.KeepAlive(r)
}

// Series come and go under the hands of those who count in them, and every count
// is somewhere.
func TestRecorderLosesNothingWhileSeriesComeAndGo(t *testing.T) {
	const writers, each = 8, 10_000
	r := newRecorder(t, metrics.RecorderConfig{MaxEndpoints: 3, MaxErrors: 3, IdleAfter: 1})
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range each {
				name := fmt.Sprint(i / 50 % 20) // each is hot for a while
				r.Record(name, 200+i%4*100, time.Duration(i))
				r.Error(name)
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
		r.Sweep()
		s := r.Snapshot()
		requireExact(t, s)
		require.GreaterOrEqual(t, s.Total.Requests, last, "a total never falls")
		last = s.Total.Requests
	}
	s := r.Snapshot()
	requireExact(t, s)
	require.Equal(t, uint64(writers*each), s.Total.Requests)
	require.Equal(t, uint64(writers*each/4), s.Total.Status[5])
	require.Equal(t, time.Duration(writers*each*(each-1)/2), s.Total.Duration)
	require.Equal(t, uint64(writers*each), s.ErrorsTotal)
	require.Positive(t, s.Losses.EndpointsRetired)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestRecorderClipsNames(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{MaxLabelBytes: 16})
	r.Record("GET /fünfzehn/ü/x", 200, 1) // the 16th byte is within the second ü
	r.Error("bad \xff\xfe byte")
	s := r.Snapshot()
	require.Equal(t, "GET /fünfzehn/", s.Endpoints[0].Name)
	require.Equal(t, "bad \uFFFD byte", s.Errors[0].Kind)
	require.Equal(t, uint64(2), s.Losses.ClippedNames)
}

func TestRecorderSweepRetiresWhatIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t, metrics.RecorderConfig{Routes: []string{"pinned"}})
		r.Record("idle", 200, time.Second)
		r.Error("idle")
		time.Sleep(30 * time.Minute)
		r.Record("used", 200, time.Second)
		require.Zero(t, r.Sweep())
		time.Sleep(30*time.Minute + 1)
		require.Equal(t, 2, r.Sweep())
		s := r.Snapshot()
		requireExact(t, s)
		require.Len(t, s.Endpoints, 3) // pinned, unmatched, used
		require.Equal(t, uint64(1), s.Retired.Requests)
		require.Equal(t, uint64(1), s.ErrorsRetired)
		require.Equal(t, uint64(1), s.Losses.EndpointsRetired)
		require.Equal(t, uint64(1), s.Losses.ErrorsRetired)
		require.Zero(t, s.Times.Count, "response times age too")
		require.Equal(t, time.Hour+1, s.Uptime)
	})
}

// When it was used is known to about a second.
func TestSweepLeavesWhatIsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t, metrics.RecorderConfig{IdleAfter: 3 * time.Second})
		for range 100 {
			r.Record("GET /", 200, 1)
			time.Sleep(1800 * time.Millisecond)
			require.Zero(t, r.Sweep())
		}
		time.Sleep(1200*time.Millisecond + 1)
		require.Equal(t, 1, r.Sweep())
	})
}

func TestRecorderWarnsOfSlowRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []metrics.Warning
		r := newRecorder(t, metrics.RecorderConfig{OnWarn: func(w metrics.Warning) { got = append(got, w) }})
		r.Record("fast", 200, 2*time.Second-1)
		require.Empty(t, got)
		for range 3 {
			r.Record("slow", 200, 2*time.Second)
		}
		require.Equal(t, []metrics.Warning{{Kind: metrics.SlowRequest, Endpoint: "slow", Status: 200, Duration: 2 * time.Second}}, got)
		require.Equal(t, uint64(2), r.Snapshot().Losses.WarningsSuppressed)
		time.Sleep(time.Minute)
		r.Record("slow", 200, 3*time.Second)
		require.Equal(t, "slow request: slow took 3s (status 200); 2 like it were not reported", got[1].String())
		r.Record("slow", 200, 3*time.Second)
		time.Sleep(time.Minute)
		r.Record("slow", 200, 3*time.Second)
		require.Equal(t, uint64(1), got[2].Suppressed, "since the last one")
	})
}

func TestRecorderWarnsOnceInAVeryLongTime(t *testing.T) {
	got := 0
	r := newRecorder(t, metrics.RecorderConfig{WarnEvery: math.MaxInt64, OnWarn: func(metrics.Warning) { got++ }})
	for range 10 {
		r.Record("slow", 200, time.Hour)
	}
	require.Equal(t, 1, got)
	require.Equal(t, uint64(9), r.Snapshot().Losses.WarningsSuppressed)
}

func TestRecorderWarnsOfErrorRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []metrics.Warning
		r := newRecorder(t, metrics.RecorderConfig{OnWarn: func(w metrics.Warning) { got = append(got, w) }})
		for range 9 {
			r.Record("x", 500, 0)
		}
		require.Empty(t, got, "fewer than 10 requests say nothing")
		time.Sleep(2 * time.Minute)
		for range 10 {
			r.Record("x", 200, 0)
		}
		r.Record("x", 500, 0) // 1 of 11
		r.Record("x", 404, 0)
		require.Empty(t, got)
		r.Record("x", 500, 0) // 2 of 13
		require.Len(t, got, 1)
		require.Equal(t, "high error rate: 2 of 13 requests failed within 1m0s, lately x (status 500)", got[0].String())
	})
}

// From the very share on, though 0.07*100 is 7.000000000000001.
func TestRecorderWarnsFromTheRateOn(t *testing.T) {
	for percent := 1; percent <= 100; percent++ {
		warned := 0
		r := newRecorder(t, metrics.RecorderConfig{
			ErrorRate: float64(percent) / 100, ErrorMin: 100,
			OnWarn: func(metrics.Warning) { warned++ },
		})
		for range 100 - percent {
			r.Record("x", 200, 0)
		}
		for range percent - 1 {
			r.Record("x", 500, 0)
		}
		require.Zero(t, warned, "%d %%", percent)
		r.Record("x", 500, 0)
		require.Equal(t, 1, warned, "%d %%", percent)
	}
}

func TestRecorderSurvivesItsCallbacks(t *testing.T) {
	var r *metrics.Recorder
	r = newRecorder(t, metrics.RecorderConfig{OnWarn: func(metrics.Warning) {
		r.Record("from the callback", 200, 0) // no lock is held
		r.Snapshot()
		panic("in OnWarn")
	}})
	require.NoError(t, r.Gauge("reenters", "", func() float64 { return float64(r.Sweep()) }))
	require.NoError(t, r.Gauge("panics", "", func() float64 { panic("in a gauge") }))
	r.Record("slow", 200, time.Hour)
	s := r.Snapshot()
	requireExact(t, s)
	require.Equal(t, uint64(2), s.Total.Requests)
	require.Equal(t, uint64(3), s.Losses.CallbackPanics, "OnWarn once, the gauge in two snapshots")

	var wg sync.WaitGroup
	wg.Go(func() {
		q := newRecorder(t, metrics.RecorderConfig{OnWarn: func(metrics.Warning) { runtime.Goexit() }})
		defer func() { q.Record("after Goexit", 200, 0) }()
		q.Record("slow", 200, time.Hour)
	})
	wg.Wait()
}

func TestRecorderGauges(t *testing.T) {
	r := newRecorder(t, metrics.RecorderConfig{MaxGauges: 4})
	level := 1.5
	require.NoError(t, r.Gauge("cache_size_bytes", "Size.", func() float64 { return level }))
	require.NoError(t, r.Counter("cache_hits_total", "Hits.", func() float64 { return 7 }))
	require.NoError(t, r.Gauge("a_nan", "", func() float64 { return math.NaN() }))
	read := func() float64 { return 0 }
	for _, name := range []string{"", "1a", "a-b", "ü", strings.Repeat("a", 129)} {
		require.ErrorContains(t, r.Gauge(name, "", read), "want [a-zA-Z_:]")
	}
	for _, name := range []string{"cache_size_bytes", "cache_hits", "cache_hits_created", "errors_total", "errors_created", "http_request_duration_seconds_sum"} {
		require.ErrorIs(t, r.Gauge(name, "", read), metrics.ErrDuplicateName)
	}
	require.ErrorContains(t, r.Counter("hits", "", read), "want it to end in _total")
	require.ErrorContains(t, r.Counter("_total", "", read), "want it to end in _total", "OpenMetrics would have no name for it")
	require.ErrorContains(t, r.Gauge("_total", "", read), "and only then")
	require.ErrorContains(t, r.Gauge("b", "\xff", read), "want UTF-8")
	require.ErrorContains(t, r.Gauge("b", "", nil), "nil")
	require.NoError(t, r.Gauge("b", "", read))
	require.ErrorIs(t, r.Gauge("c", "", read), metrics.ErrTooManyGauges)
	require.False(t, errors.Is(metrics.ErrTooManyGauges, metrics.ErrDuplicateName))
	require.Equal(t, []metrics.Value{
		{Name: "a_nan"},
		{Name: "b", Known: true},
		{Name: "cache_hits_total", Help: "Hits.", Counter: true, Value: 7, Known: true},
		{Name: "cache_size_bytes", Help: "Size.", Value: 1.5, Known: true},
	}, r.Snapshot().Values)
}
