package keepalive

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A service answers in place of the network, which a test with a clock of its own cannot use.
type service func(*http.Request) (*http.Response, error)

func (s service) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

// A body counts what is read of it, and remembers that it was closed.
type body struct {
	io.Reader
	read   int
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}
func (b *body) Close() error { b.closed = true; return nil }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func newPinger(t *testing.T, s service) (*Pinger, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	p, err := New(Config{URL: "https://finder.example.org/", Day: 15 * time.Minute, Night: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	p.client.Transport = s
	return p, &log
}

// A day of the janitor's turns, each up to a second late: 61 requests by day, 9 at night.
func TestRequestsFollowTheParishClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hours [24]int
		zone, err := time.LoadLocation(parishZone)
		require.NoError(t, err)
		p, _ := newPinger(t, func(r *http.Request) (*http.Response, error) {
			hours[time.Now().In(zone).Hour()]++
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}"))}, nil
		})
		require.Equal(t, 15*time.Minute, p.Every())
		start := time.Now()
		for i := range 24 * 4 {
			time.Sleep(time.Until(start.Add(time.Duration(i)*15*time.Minute + time.Duration(i%3)*time.Second)))
			require.NoError(t, p.Run(t.Context()))
		}
		for hour, n := range hours {
			if dayBegins <= hour && hour < dayEnds {
				require.Equal(t, 4, n, hour)
			} else {
				require.LessOrEqual(t, n, 2, hour) // two in an hour at most where the day has just ended
			}
		}
		require.GreaterOrEqual(t, p.Stats().Requests, uint64(60+8))
		require.LessOrEqual(t, p.Stats().Requests, uint64(60+10))
		require.Zero(t, p.Stats().Failures)
	})
}

func TestDayIsFromSevenToTwentyTwoInChicago(t *testing.T) {
	p, _ := newPinger(t, nil)
	for _, test := range []struct {
		at   string
		want time.Duration
	}{
		{"2026-01-15T12:59:59Z", time.Hour},        // 6:59 CST
		{"2026-01-15T13:00:00Z", 15 * time.Minute}, // 7:00 CST
		{"2026-01-16T03:59:59Z", 15 * time.Minute}, // 21:59 CST
		{"2026-01-16T04:00:00Z", time.Hour},        // 22:00 CST
		{"2026-07-15T11:59:59Z", time.Hour},        // 6:59 CDT
		{"2026-07-15T12:00:00Z", 15 * time.Minute}, // 7:00 CDT
	} {
		at, err := time.Parse(time.RFC3339, test.at)
		require.NoError(t, err)
		require.Equal(t, test.want, p.interval(at), test.at)
	}
}

func TestTheAnswerIsReadWithinALimitAndClosed(t *testing.T) {
	b := &body{Reader: endless{}}
	p, log := newPinger(t, func(r *http.Request) (*http.Response, error) {
		require.Equal(t, "https://finder.example.org/api/health", r.URL.String())
		return &http.Response{StatusCode: http.StatusOK, Body: b}, nil
	})
	require.NoError(t, p.Run(t.Context()))
	require.True(t, b.closed)
	require.Equal(t, maxBody, b.read)
	require.Contains(t, log.String(), "keep-alive")
	require.Equal(t, http.StatusOK, p.Stats().LastStatus)
}

func TestFailuresAreLoggedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := http.StatusInternalServerError
		p, log := newPinger(t, func(r *http.Request) (*http.Response, error) {
			if status == 0 {
				<-r.Context().Done() // it never answers
				return nil, r.Context().Err()
			}
			return &http.Response{StatusCode: status, Status: "500 Internal Server Error", Body: io.NopCloser(strings.NewReader(""))}, nil
		})
		require.EqualError(t, p.Run(t.Context()), "keep-alive: 500 Internal Server Error")
		require.Contains(t, log.String(), "level=WARN")

		status = 0
		time.Sleep(time.Hour)
		began := time.Now()
		require.Error(t, p.Run(t.Context()))
		require.Equal(t, 10*time.Second, time.Since(began))
		s := p.Stats()
		require.Equal(t, uint64(2), s.Requests)
		require.Equal(t, uint64(2), s.Failures)
		require.Zero(t, s.LastStatus)
		require.NotEmpty(t, s.LastError)
	})
}
