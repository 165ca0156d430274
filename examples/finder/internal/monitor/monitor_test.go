package monitor_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"

	"github.com/ministryfinder/bounded/examples/finder/internal/keepalive"
	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// inHouse runs a test beside a janitor that works.
func inHouse(t *testing.T, change func(*house), test func(t *testing.T, h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, change)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		test(t, h)
		stop()
		require.NoError(t, <-ended)
	})
}

func TestMatchesGoWhileMemoryIsShort(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		rest(moment)
		require.Zero(t, h.shrunk)
		require.Empty(t, h.Report().Alerts)

		h.setRSS(limit * 85 / 100)
		rest(moment)
		require.Equal(t, 0.5, h.shrunk)
		condition, issues := h.Report().Health()
		require.Equal(t, monitor.Warned, condition)
		require.Len(t, issues, 1)
		require.Contains(t, issues[0], "memory is getting short: 85%")
		require.Len(t, h.texts(), 1)
		require.Contains(t, h.texts()[0], "memory: ")

		h.setRSS(limit * 95 / 100)
		rest(moment)
		require.Equal(t, 1.0, h.shrunk)
		condition, _ = h.Report().Health()
		require.Equal(t, monitor.Unhealthy, condition)
		require.Len(t, h.texts(), 2)
		profiles, err := h.Profiles()
		require.NoError(t, err)
		require.Len(t, profiles, 2, "of each alert")

		h.setRSS(limit / 10)
		rest(5 * time.Minute)
		condition, issues = h.Report().Health()
		require.Equal(t, monitor.Healthy, condition)
		require.Equal(t, []string{}, issues)
		require.Contains(t, h.log.String(), "level=ERROR msg=alert kind=memory")
	})
}

func TestAnOutageOfTheDatabase(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		rest(moment)
		require.NotZero(t, h.swept)
		require.Zero(t, h.invalidated)
		h.set(func() {
			h.database.Up, h.database.LastError, h.database.Queued, h.database.Ministries = false, "it is gone", 2, store.FromLastKnown
		})
		rest(moment)
		require.Equal(t, []string{"database: The database is away (it is gone). Submissions wait, up to 5 of them."}, h.texts())
		condition, issues := h.Report().Health()
		require.Equal(t, monitor.Warned, condition, "the quiz goes on")
		require.Equal(t, []string{"the database is away; 2 submissions wait for it"}, issues)

		h.set(func() { h.database.Queued, h.database.QueueFull = 5, true })
		rest(moment)
		condition, issues = h.Report().Health()
		require.Equal(t, monitor.Unhealthy, condition, "visitors are turned away")
		require.Equal(t, []string{"the database is away and no more submissions can wait for it: 5 do"}, issues)
		require.Equal(t, "queue: Submissions are refused: 5 wait for the database already.", h.texts()[0])
		require.Zero(t, h.invalidated, "what is known is better than nothing")

		h.set(func() { h.database.Up, h.database.Queued, h.database.QueueFull, h.database.Written = true, 0, false, 5 })
		rest(moment)
		require.Equal(t, "database: The database is back. 5 submissions that had to wait have been written since the start.", h.texts()[0])
		require.NotZero(t, h.invalidated, "what was last known is not what is there")
		h.set(func() { h.database.Ministries, h.invalidated = store.FromDatabase, 0 })
		rest(moment)
		require.Zero(t, h.invalidated)
		condition, _ = h.Report().Health()
		require.Equal(t, monitor.Healthy, condition)
		require.Len(t, h.texts(), 3)
	})
}

func TestADatabaseThatIsAwayFromTheStart(t *testing.T) {
	h := newHouse(t, func(h *house) { h.database.Up, h.database.LastError = false, "connection refused" })
	require.Equal(t, []string{"database: The database is away (connection refused). Submissions wait, up to 5 of them."}, h.texts())
}

func TestManyFailuresAreAnAlert(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		counted := h.Middleware(mux)
		for range 20 {
			counted.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}
		require.Len(t, h.texts(), 1)
		require.Contains(t, h.texts()[0], "errors: ")
		condition, issues := h.Report().Health()
		require.Equal(t, monitor.Warned, condition)
		require.Equal(t, []string{"20 of the last 20 requests failed"}, issues)
		rest(2 * time.Minute)
		condition, _ = h.Report().Health()
		require.Equal(t, monitor.Healthy, condition)
	})
}

func TestALeakIsAnAlert(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for i := range int64(120) {
			h.setRSS(limit/10 + i*limit/400)
			rest(time.Minute)
		}
		require.True(t, h.Report().Growth.Suspected)
		require.Contains(t, h.log.String(), "A leak is suspected: ")
		_, issues := h.Report().Health()
		require.Contains(t, issues[len(issues)-1], "a leak is suspected")
	})
}

func TestAJobThatPanicsIsAnIssue(t *testing.T) {
	inHouse(t, func(h *house) { h.parts.Answers = explosive{} }, func(t *testing.T, h *house) {
		rest(2 * time.Minute)
		condition, issues := h.Report().Health()
		require.Equal(t, monitor.Warned, condition)
		require.Equal(t, []string{`the janitor's job "answers" fails`}, issues)
	})
}

// The keep-alive is one of the janitor's jobs, and only with an address.
func TestTheKeepAliveIsAJob(t *testing.T) {
	names := func(h *house) (names []string) {
		for _, j := range h.Report().Jobs {
			names = append(names, j.Name)
		}
		return names
	}
	plain := newHouse(t, nil)
	require.NotContains(t, names(plain), "keep-alive")
	require.Nil(t, plain.Report().KeepAlive)

	transport := http.DefaultTransport
	defer func() { http.DefaultTransport = transport }()
	http.DefaultTransport = answering(func(r *http.Request) (*http.Response, error) {
		require.Equal(t, "https://finder.example.org/api/health", r.URL.String())
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	inHouse(t, func(h *house) {
		var err error
		h.parts.Pinger, err = keepalive.New(keepalive.Config{URL: "https://finder.example.org", Day: 15 * time.Minute, Night: time.Hour, Logger: h.parts.Logger})
		require.NoError(t, err)
	}, func(t *testing.T, h *house) {
		require.Contains(t, names(h), "keep-alive")
		rest(24 * time.Hour)
		s := h.Report().KeepAlive
		require.InDelta(t, 15*4+9, s.Requests, 3)
		require.Zero(t, s.Failures)
	})
}

type answering func(*http.Request) (*http.Response, error)

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func TestSweepNowAndProfiles(t *testing.T) {
	h := newHouse(t, nil)
	h.setRSS(limit * 99 / 100)
	require.Equal(t, 7, h.SweepNow(), "the memory watch is among the sweepers")
	p, err := h.WriteProfile()
	require.NoError(t, err)
	require.Equal(t, "asked", p.Reason)
	profiles, err := h.Profiles()
	require.NoError(t, err)
	require.Equal(t, p.Name, profiles[0].Name)
	file, err := h.OpenProfile(p.Name)
	require.NoError(t, err)
	defer file.Close()
	body, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Len(t, body, int(p.Bytes))
}

type explosive struct{ container[cache.Stats] }

func (explosive) Sweep() int { panic("as a test") }
