package alert_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ministryfinder/bounded/examples/finder/internal/alert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newBoard(t *testing.T, c alert.Config) *alert.Board {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	b := alert.New(c)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return b
}

// A hook answers with a status that can be changed, and remembers what it was told.
type hook struct {
	*httptest.Server
	status atomic.Int32

	mu    sync.Mutex
	texts []string
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.status.Store(http.StatusOK)
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var told struct{ Service, Kind, Level, Text string }
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &told)
		}
		if err != nil || told.Service != "ministry finder" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", body, err)
		}
		h.mu.Lock()
		h.texts = append(h.texts, told.Kind+"/"+told.Level+"/"+told.Text)
		h.mu.Unlock()
		w.WriteHeader(int(h.status.Load()))
	}))
	t.Cleanup(h.Close)
	return h
}

func TestAlertsAreKeptLoggedAndSent(t *testing.T) {
	h := newHook(t)
	var log bytes.Buffer
	asked := 0
	b := newBoard(t, alert.Config{Keep: 10, Attempts: 3, WebhookURL: h.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	b.OnRaise(func() { asked++ })
	b.Raise(slog.LevelWarn, "memory", "It is getting short.")
	b.Raise(slog.LevelInfo, "memory", "It is well again.")
	require.Equal(t, 2, asked)
	require.Equal(t, alert.Waiting, b.List()[0].State)
	require.NoError(t, b.Deliver(t.Context()))
	require.Equal(t, []string{"memory/WARN/It is getting short.", "memory/INFO/It is well again."}, h.texts)
	list := b.List()
	require.Len(t, list, 2)
	require.Equal(t, "It is well again.", list[0].Text, "the newest first")
	require.Equal(t, alert.Sent, list[0].State)
	require.Equal(t, alert.Stats{Kept: 2, MaxKept: 10, Raised: 2, Sent: 2}, b.Stats())
	require.Contains(t, log.String(), "It is getting short.")
	require.NoError(t, b.Deliver(t.Context()))
	require.Len(t, h.texts, 2, "none is sent twice")
}

func TestTheBoardIsBounded(t *testing.T) {
	b := newBoard(t, alert.Config{Keep: 3, Attempts: 3, WebhookURL: "http://127.0.0.1:1/"})
	for i := range 1000 {
		b.Raise(slog.LevelWarn, "test", fmt.Sprint(i))
	}
	require.Len(t, b.List(), 3)
	require.Equal(t, "999", b.List()[0].Text)
	require.Equal(t, alert.Stats{Kept: 3, MaxKept: 3, Waiting: 3, Raised: 1000, Lost: 997}, b.Stats())
}

func TestAWebhookThatFailsIsTriedAgainWithBackOff(t *testing.T) {
	h := newHook(t)
	h.status.Store(http.StatusServiceUnavailable)
	b := newBoard(t, alert.Config{Keep: 10, Attempts: 2, WebhookURL: h.URL + "/secret"})
	b.Raise(slog.LevelWarn, "test", "one")
	b.Raise(slog.LevelWarn, "test", "two")
	err := b.Deliver(t.Context())
	require.ErrorContains(t, err, "503")
	require.NotContains(t, err.Error(), "secret")
	require.NoError(t, b.Deliver(t.Context()), "not yet")
	require.Len(t, h.texts, 1)
	require.Equal(t, 2, b.Stats().Waiting)

	b.Resume()
	require.Error(t, b.Deliver(t.Context()))
	require.Equal(t, alert.GivenUp, b.List()[1].State, "after two attempts")
	b.Resume()
	h.status.Store(http.StatusNoContent)
	require.NoError(t, b.Deliver(t.Context()))
	require.Equal(t, alert.Sent, b.List()[0].State)
	require.Equal(t, alert.Stats{Kept: 2, MaxKept: 10, Raised: 2, Sent: 1, GivenUp: 1, Retries: 1}, b.Stats())
}

func TestPausesDouble(t *testing.T) {
	h := newHook(t)
	h.status.Store(http.StatusInternalServerError)
	b := newBoard(t, alert.Config{Keep: 10, Attempts: 20, WebhookURL: h.URL})
	b.Raise(slog.LevelWarn, "test", "one")
	last := time.Duration(0)
	for range 6 {
		require.Error(t, b.Deliver(t.Context()))
		pause := b.Pause()
		require.Greater(t, pause, last*6/10, "twice as long, but for chance")
		last = pause
		b.Resume()
	}
	require.Greater(t, last, time.Minute)
	require.Less(t, last, 15*time.Minute)
}

func TestAnAlertThatIsRefusedIsNotTriedAgain(t *testing.T) {
	h := newHook(t)
	h.status.Store(http.StatusForbidden)
	b := newBoard(t, alert.Config{Keep: 10, Attempts: 5, WebhookURL: h.URL})
	b.Raise(slog.LevelWarn, "test", "one")
	require.ErrorContains(t, b.Deliver(t.Context()), "refuses it: 403")
	require.Equal(t, alert.GivenUp, b.List()[0].State)
}

func TestAWebhookThatHangsEndsWithTheTimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	b := newBoard(t, alert.Config{Keep: 10, Attempts: 5, WebhookURL: server.URL, Timeout: 50 * time.Millisecond})
	b.Raise(slog.LevelWarn, "test", "one")
	require.Error(t, b.Deliver(t.Context()))
	b.Raise(slog.LevelWarn, "test", "two") // does not wait
	require.Equal(t, 2, b.Stats().Waiting)
}

func TestWithoutAWebhookAlertsAreKept(t *testing.T) {
	b := newBoard(t, alert.Config{Keep: 2})
	b.Raise(slog.LevelWarn, "test", "one")
	require.NoError(t, b.Deliver(t.Context()))
	require.Equal(t, alert.Kept, b.List()[0].State)
	require.Zero(t, b.Stats().Waiting)
}

func TestAlertsAtOnce(t *testing.T) {
	h := newHook(t)
	b := newBoard(t, alert.Config{Keep: 64, Attempts: 3, WebhookURL: h.URL})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 16 {
				b.Raise(slog.LevelWarn, "test", fmt.Sprintf("%d-%d", i, j))
				if j%4 == 0 {
					if err := b.Deliver(t.Context()); err != nil {
						t.Error(err)
					}
				}
				b.List()
			}
		})
	}
	wg.Wait()
	require.NoError(t, b.Deliver(t.Context()))
	require.Len(t, h.texts, 64)
	s := b.Stats()
	require.Equal(t, uint64(64), s.Sent)
	require.Zero(t, s.Lost)
	require.Len(t, strings.Split(b.List()[0].String(), " "), 4)
}
