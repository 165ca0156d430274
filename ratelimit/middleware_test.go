package ratelimit_test

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

// answer is a handler that gives the status that the request asks for.
var answer = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/wrong":
		w.WriteHeader(http.StatusUnauthorized)
	case "/down":
		w.WriteHeader(http.StatusInternalServerError)
	case "/right":
		io.WriteString(w, "welcome")
	case "/panic":
		panic("the handler is broken")
	}
})

// post serves one request from an address and returns its response.
func post(h http.Handler, from, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, nil)
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestMiddlewareDeniesAfterFiveFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTracker(t, ratelimit.Config{}).Middleware(answer, ratelimit.MiddlewareConfig{})
		for range 5 {
			require.Equal(t, http.StatusUnauthorized, post(h, "192.0.2.1:1", "/wrong").Code)
		}
		require.Contains(t, post(h, "192.0.2.1:2", "/right").Body.String(), " 60 minutes")
		time.Sleep(time.Minute + time.Millisecond) // 58:59.999 are left
		w := post(h, "192.0.2.1:2", "/right")
		require.Equal(t, http.StatusTooManyRequests, w.Code)
		require.Equal(t, "3540", w.Header().Get("Retry-After"), "rounded up")
		require.Equal(t, `"login";q=5;w=900`, w.Header().Get("RateLimit-Policy"))
		require.Equal(t, `"login";r=0;t=3540`, w.Header().Get("RateLimit"))
		require.Contains(t, w.Body.String(), " 59 minutes")
		require.Equal(t, http.StatusOK, post(h, "192.0.2.2:1", "/right").Code, "others are not concerned")
		time.Sleep(58*time.Minute - time.Millisecond)
		require.Contains(t, post(h, "192.0.2.1:2", "/right").Body.String(), " a minute")
		time.Sleep(time.Minute)
		require.Equal(t, http.StatusOK, post(h, "192.0.2.1:1", "/right").Code)
	})
}

func TestMiddlewareRetryAfterIsNeverZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTracker(t, ratelimit.Config{}).Middleware(answer, ratelimit.MiddlewareConfig{})
		for range 5 {
			post(h, "192.0.2.1:1", "/wrong")
		}
		time.Sleep(time.Hour - time.Nanosecond)
		w := post(h, "192.0.2.1:1", "/right")
		require.Equal(t, "1", w.Header().Get("Retry-After"))
	})
}

func TestMiddlewareChargesWhatFailed(t *testing.T) {
	for name, test := range map[string]struct {
		path  string
		stays int // charges that stay, of two
	}{
		"wrong-password": {"/wrong", 2},
		"panic":          {"/panic", 2},
		"right-password": {"/right", 0},
		"no-status":      {"/", 0}, // is 200
		"undecided":      {"/down", 0},
	} {
		t.Run(name, func(t *testing.T) {
			tracker := newTracker(t, ratelimit.Config{})
			h := tracker.Middleware(answer, ratelimit.MiddlewareConfig{})
			for range 2 {
				func() {
					defer func() { recover() }()
					post(h, "192.0.2.1:1", test.path)
				}()
			}
			stays := 0
			for _, r := range tracker.All() {
				require.Zero(t, r.Open)
				stays = r.Failures
			}
			require.Equal(t, test.stays, stays)
		})
	}
}

func TestMiddlewarePassesWhatIsNoAttempt(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{Failures: 1})
	require.NoError(t, tracker.Fail(alice))
	h := tracker.Middleware(answer, ratelimit.MiddlewareConfig{})
	r := httptest.NewRequest(http.MethodGet, "/right", nil)
	r.RemoteAddr = "192.0.2.1:1"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
}

func TestMiddlewareConfigDecides(t *testing.T) {
	h := newTracker(t, ratelimit.Config{Failures: 1}).Middleware(answer, ratelimit.MiddlewareConfig{
		Trusted: proxies,
		Attempt: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/down") },
		Result:  func(status int) ratelimit.Result { return ratelimit.Failure },
	})
	from := func(client, path string) int {
		r := httptest.NewRequest(http.MethodPost, path, nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header.Set("X-Forwarded-For", client)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, http.StatusInternalServerError, from("192.0.2.1", "/down"))
	require.Equal(t, http.StatusTooManyRequests, from("192.0.2.1", "/down"))
	require.Equal(t, http.StatusUnauthorized, from("192.0.2.1", "/wrong"))
	require.Equal(t, http.StatusInternalServerError, from("192.0.2.2", "/down"))
	require.Equal(t, http.StatusBadRequest, from("unknown", "/down"))
}

func TestMiddlewareRefusesWhoCannotBeTold(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	h := tracker.Middleware(answer, ratelimit.MiddlewareConfig{})
	require.Equal(t, http.StatusBadRequest, post(h, "@", "/right").Code)
	require.Zero(t, tracker.Stats().Begun)

	w := httptest.NewRecorder()
	_, err := tracker.Begin(netip.Addr{})
	tracker.Deny(w, err)
	require.Equal(t, http.StatusBadRequest, w.Code)
}

// However many wrong passwords come at once, no more than five are looked at.
func TestMiddlewareLetsFiveOfFiveHundredIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var entered, denied atomic.Int32
		h := newTracker(t, ratelimit.Config{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			entered.Add(1)
			time.Sleep(time.Second) // a slow hash of passwords
			w.WriteHeader(http.StatusUnauthorized)
		}), ratelimit.MiddlewareConfig{})
		var start, done sync.WaitGroup
		start.Add(1)
		for range 500 {
			done.Go(func() {
				start.Wait()
				if post(h, "192.0.2.1:1", "/").Code == http.StatusTooManyRequests {
					denied.Add(1)
				}
			})
		}
		start.Done()
		done.Wait()
		require.EqualValues(t, 5, entered.Load())
		require.EqualValues(t, 495, denied.Load())
	})
}

// http.ResponseController finds what the server's writer can do.
func TestMiddlewareKeepsTheWritersAbilities(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	errs := make(chan error, 3)
	server := httptest.NewServer(tracker.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		w.WriteHeader(http.StatusEarlyHints) // is not the answer
		w.WriteHeader(http.StatusUnauthorized)
		errs <- control.SetWriteDeadline(time.Now().Add(time.Hour))
		errs <- control.Flush()
		conn, _, err := control.Hijack()
		errs <- err
		if err == nil {
			conn.Close()
		}
	}), ratelimit.MiddlewareConfig{}))
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "103 Early Hints")
	for range 3 {
		require.NoError(t, <-errs)
	}
	io.Copy(io.Discard, conn)
	server.Close() // waits for the handler, but not for a hijacked connection's
	require.Eventually(t, func() bool { return tracker.Stats().Failed == 1 }, 10*time.Second, time.Millisecond)
}

// The first status counts: another is not sent.
func TestMiddlewareTellsTheFirstStatus(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	h := tracker.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wrong" {
			w.WriteHeader(http.StatusUnauthorized)
			w.WriteHeader(http.StatusOK)
		}
		io.WriteString(w, "hello")
		w.WriteHeader(http.StatusUnauthorized)
	}), ratelimit.MiddlewareConfig{})
	post(h, "192.0.2.1:1", "/wrong")
	require.EqualValues(t, 1, tracker.Stats().Failed)
	post(h, "192.0.2.1:1", "/right")
	require.EqualValues(t, 1, tracker.Stats().Succeeded)
}

// What counts is the status that the client got: that of a flush, or of another protocol, is the last.
func TestMiddlewareTellsTheStatusThatWasSent(t *testing.T) {
	for name, test := range map[string]struct {
		send func(http.ResponseWriter)
		want int
	}{
		"flush": {func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }, http.StatusOK},
		"101":   {func(w http.ResponseWriter) { w.WriteHeader(http.StatusSwitchingProtocols) }, http.StatusSwitchingProtocols},
		"hijack": {func(w http.ResponseWriter) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
				conn.Close()
			}
		}, http.StatusSwitchingProtocols},
		"103": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints) }, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan int, 1)
			server := httptest.NewServer(newTracker(t, ratelimit.Config{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				test.send(w)
				w.WriteHeader(http.StatusUnauthorized)
			}), ratelimit.MiddlewareConfig{Result: func(status int) ratelimit.Result { got <- status; return ratelimit.Failure }}))
			server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the second status
			response, err := http.Post(server.URL, "", nil)
			require.NoError(t, err)
			response.Body.Close()
			server.Close()
			require.Equal(t, test.want, response.StatusCode)
			require.Equal(t, test.want, <-got)
		})
	}
}

// A writer that cannot flush, as that of http.TimeoutHandler, has sent no status then.
func TestMiddlewareTakesNoFlushThatFailedForSuccess(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	h := http.TimeoutHandler(tracker.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
		w.WriteHeader(http.StatusUnauthorized)
	}), ratelimit.MiddlewareConfig{}), time.Hour, "")
	require.Equal(t, http.StatusUnauthorized, post(h, "192.0.2.1:1", "/").Code)
	require.EqualValues(t, 1, tracker.Stats().Failed)
	require.Zero(t, tracker.Stats().Succeeded)
}

// Who takes the connection over by the handler says with that nothing of a password.
func TestMiddlewareTakesAnotherProtocolForUndecided(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{})
	done := make(chan error, 1)
	server := httptest.NewServer(tracker.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
		done <- err
	}), ratelimit.MiddlewareConfig{Account: func(*http.Request) string { return "alice" }}))
	_, err := http.Post(server.URL, "", nil)
	require.Error(t, err)
	require.NoError(t, <-done)
	server.Close()
	require.Eventually(t, func() bool { return tracker.Stats().Cancelled == 1 }, 10*time.Second, time.Millisecond)
}

// A status that says nothing of the password is no success: it forgives no failure, and makes nobody known.
func TestMiddlewareTakesNoOtherErrorForSuccess(t *testing.T) {
	for status := 400; status < 600; status++ {
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			continue
		}
		tracker := newTracker(t, ratelimit.Config{Failures: 2, MaxAddresses: 1, LongFailures: -1, Prefixes: []ratelimit.PrefixLimit{}})
		says := http.StatusUnauthorized
		h := tracker.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(says) }),
			ratelimit.MiddlewareConfig{Account: func(*http.Request) string { return "alice" }})
		post(h, "192.0.2.1:1", "/")
		says = status
		post(h, "192.0.2.1:1", "/")
		r, _ := tracker.Lookup(alice)
		require.Equal(t, 1, r.Failures, "%d", status)
		require.Zero(t, r.Open, "%d", status)
		require.Zero(t, tracker.Stats().Succeeded, "%d", status)
	}
}
