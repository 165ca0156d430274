package alert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// A janitor that asks every second, as it were, for an hour.
func TestAWebhookThatFailsIsTriedAgainWithBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := http.StatusServiceUnavailable
		var attempts []time.Time
		b := newBoard(t, alert.Config{Keep: 10, Attempts: 6, WebhookURL: "https://hooks.example.org/secret"})
		b.Through(hanging(func(*http.Request) (*http.Response, error) {
			attempts = append(attempts, time.Now())
			return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: http.NoBody}, nil
		}))
		b.Raise(slog.LevelWarn, "test", "one")
		b.Raise(slog.LevelWarn, "test", "two")
		began := time.Now()
		for b.List()[1].State == alert.Waiting {
			if err := b.Deliver(t.Context()); err != nil {
				require.NotContains(t, err.Error(), "secret")
			}
			time.Sleep(time.Second)
		}
		require.Equal(t, alert.GivenUp, b.List()[1].State)
		require.Equal(t, 6, b.List()[1].Attempts, "no more")
		require.Len(t, attempts, 6)
		require.Equal(t, began, attempts[0], "at once")
		// 5 s, then twice as long each time, each with half of it by chance more or less.
		for i, pause := range []time.Duration{5, 10, 20, 40, 80} {
			require.InDelta(t, pause*time.Second, attempts[i+1].Sub(attempts[i]), float64(pause*time.Second/2+time.Second), i)
		}
		require.Equal(t, alert.Waiting, b.List()[0].State, "its turn comes")

		status = http.StatusNoContent
		time.Sleep(10 * time.Minute)
		require.NoError(t, b.Deliver(t.Context()))
		require.Equal(t, alert.Sent, b.List()[0].State)
		require.Equal(t, alert.Stats{Kept: 2, MaxKept: 10, Raised: 2, Sent: 1, GivenUp: 1, Retries: 5}, b.Stats())

		b.Raise(slog.LevelWarn, "test", "three")
		require.NoError(t, b.Deliver(t.Context()), "no pause is left after a success")
		require.Equal(t, alert.Sent, b.List()[0].State)
	})
}

func TestPausesEndWithTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last time.Time
		b := newBoard(t, alert.Config{Keep: 10, Attempts: 20, WebhookURL: "https://hooks.example.org/"})
		b.Through(hanging(func(*http.Request) (*http.Response, error) { last = time.Now(); return nil, errors.New("no route") }))
		b.Raise(slog.LevelWarn, "test", "one")
		for b.Stats().Waiting > 0 {
			before := last
			if b.Deliver(t.Context()) != nil && !before.IsZero() {
				require.LessOrEqual(t, last.Sub(before), 15*time.Minute+time.Second)
			}
			time.Sleep(time.Second)
		}
		require.Equal(t, 20, b.List()[0].Attempts)
	})
}

// A hanging answers in place of the network.
type hanging func(*http.Request) (*http.Response, error)

func (h hanging) RoundTrip(r *http.Request) (*http.Response, error) { return h(r) }

func TestAnAlertThatIsRefusedIsNotTriedAgain(t *testing.T) {
	h := newHook(t)
	h.status.Store(http.StatusForbidden)
	b := newBoard(t, alert.Config{Keep: 10, Attempts: 5, WebhookURL: h.URL})
	b.Raise(slog.LevelWarn, "test", "one")
	require.ErrorContains(t, b.Deliver(t.Context()), "refuses it: 403")
	require.Equal(t, alert.GivenUp, b.List()[0].State)
}

func TestAWebhookThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(t, alert.Config{Keep: 10, Attempts: 5, WebhookURL: "https://hooks.example.org/"})
		b.Through(hanging(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }))
		b.Raise(slog.LevelWarn, "test", "one")
		began := time.Now()
		delivered := make(chan error)
		go func() { delivered <- b.Deliver(t.Context()) }()
		synctest.Wait()
		b.Raise(slog.LevelWarn, "test", "two")
		require.Len(t, b.List(), 2)
		require.Equal(t, began, time.Now(), "who raises an alert does not wait")
		require.Error(t, <-delivered)
		require.Equal(t, 10*time.Second, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.Sleep(time.Hour)
		require.NoError(t, b.Deliver(ctx), "the end of the program is no failure of the webhook")
		require.Equal(t, 1, b.List()[1].Attempts)
	})
}

func TestAnAlertThatLeavesTheBoardWhileItIsSent(t *testing.T) {
	b := newBoard(t, alert.Config{Keep: 1, Attempts: 5, WebhookURL: "https://hooks.example.org/"})
	b.Through(hanging(func(*http.Request) (*http.Response, error) {
		if b.Stats().Raised == 1 {
			b.Raise(slog.LevelWarn, "test", "two")
			require.Equal(t, uint64(1), b.Stats().Lost, "as far as is known")
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}))
	b.Raise(slog.LevelWarn, "test", "one")
	require.NoError(t, b.Deliver(t.Context()))
	require.Equal(t, alert.Stats{Kept: 1, MaxKept: 1, Raised: 2, Sent: 2}, b.Stats())
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
