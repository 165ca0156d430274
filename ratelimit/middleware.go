package ratelimit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// A Result says how a login went, as far as its response tells.
type Result uint8

const (
	Failure   Result = iota // the password was wrong
	Success                 // it was right
	Undecided               // nobody looked: see [Attempt.Cancel]
)

// A MiddlewareConfig says which requests are login attempts and how to tell how they
// went. Its zero value suits a handler that answers 401 or 403 to a wrong password.
type MiddlewareConfig struct {
	// Trusted are the proxies in front of the server: see [ClientIP]. Nil means Config.Proxies,
	// which are never locked out either.
	Trusted []netip.Prefix

	// Attempt reports whether a request is a login attempt. Others pass. Nil means
	// every POST.
	Attempt func(*http.Request) bool

	// Account returns the account that a request tries to log in to, or nothing: see
	// [Login]. Nil means that accounts are not counted. If it reads the body, next must still be
	// able to: FormValue keeps what it reads.
	Account func(*http.Request) string

	// WrongPassword answers a request that is denied because of the account. It must
	// answer in all as next does to a wrong password, or it tells which accounts there are. Nil means a
	// bare 401.
	WrongPassword http.Handler

	// Result tells how an attempt went from the status of its response. Nil
	// means that 401 and 403 are failures, all others from 400 on are undecided, and the rest is success, but
	// for 101, which is also that of a connection that was hijacked: as success forgives failures, a handler
	// that refuses a form in another way, or asks for a password later, must not look like it.
	Result func(status int) Result
}

// Middleware returns a handler that lets login attempts through to next while their
// source may make them, and answers others as [Tracker.Deny] does. An attempt whose handler panics is a
// failure. What a writer can do besides, next finds by http.ResponseController.
func (t *Tracker) Middleware(next http.Handler, config MiddlewareConfig) http.Handler {
	if config.Attempt == nil {
		config.Attempt = func(r *http.Request) bool { return r.Method == http.MethodPost }
	}
	if config.Trusted == nil {
		config.Trusted = t.proxies
	}
	if config.WrongPassword == nil {
		config.WrongPassword = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
		})
	}
	if config.Result == nil {
		config.Result = resultOf
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !config.Attempt(r) {
			next.ServeHTTP(w, r)
			return
		}
		addr, err := t.clientIP(r, config.Trusted)
		if err != nil {
			t.Deny(w, err)
			return
		}
		login := Login{Addr: addr}
		if config.Account != nil {
			login.Account = config.Account(r)
		}
		attempt, err := t.BeginLogin(login)
		if busy, ok := err.(*BusyError); ok && busy.Reason() == TooManyForAccount {
			config.WrongPassword.ServeHTTP(w, r)
			return
		}
		if err != nil {
			t.Deny(w, err)
			return
		}
		recorder := &statusRecorder{ResponseWriter: w}
		result := Failure // unless the handler returns
		defer func() {
			switch result {
			case Failure:
				attempt.Fail()
			case Success:
				attempt.Succeed()
			default:
				attempt.Cancel()
			}
		}()
		next.ServeHTTP(recorder, r)
		result = config.Result(recorder.result())
	})
}

func resultOf(status int) Result {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return Failure
	case status < http.StatusOK || status >= http.StatusBadRequest:
		return Undecided
	}
	return Success
}

// Deny answers a request that [Tracker.Begin] or [ClientIP] refused with err: 429 with
// Retry-After and the RateLimit fields to who has to wait, 403 to a [*DeniedError], and otherwise 400. The
// body is a problem (RFC 9457), and nobody may store it.
//
// It is not for a [*BusyError] with [TooManyForAccount]: see [Tracker.BeginLogin].
func (t *Tracker) Deny(w http.ResponseWriter, err error) {
	p := problem{Status: http.StatusBadRequest, Title: "Your address cannot be told"}
	if wait, ok := RetryAfter(err); ok {
		t.SetHeaders(w.Header(), wait)
		p = problem{
			Type:   "https://iana.org/assignments/http-problem-types#quota-exceeded",
			Status: http.StatusTooManyRequests, Title: "Too many attempts",
			Detail:   "Try again in " + humanWait(wait) + ".",
			Violated: []string{"login"},
		}
	} else if denied := (*DeniedError)(nil); errors.As(err, &denied) {
		p = problem{Status: http.StatusForbidden, Title: "Your address is not allowed"}
	}
	p.write(w)
}

// A problem is one of RFC 9457. The names of the members that the RFC does not have are those of
// draft-ietf-httpapi-ratelimit-headers.
type problem struct {
	Type     string   `json:"type,omitempty"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail,omitempty"`
	Violated []string `json:"violated-policies,omitempty"`
}

func (p problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	w.Write(append(body, '\n')) // whoever is gone does not get it
}

// SetHeaders sets Retry-After, in seconds and rounded up, and the RateLimit fields of
// a response to a source that has to wait that long
// (draft-ietf-httpapi-ratelimit-headers).
func (t *Tracker) SetHeaders(h http.Header, wait time.Duration) {
	seconds := strconv.FormatInt(ceilSeconds(wait), 10)
	h.Set("Retry-After", seconds)
	h.Set("RateLimit-Policy", fmt.Sprintf(`"login";q=%d;w=%d`, t.shared.rule.failures, ceilSeconds(time.Duration(t.shared.rule.window))))
	h.Set("RateLimit", `"login";r=0;t=`+seconds)
}

func ceilSeconds(d time.Duration) int64 { return 1 + int64((max(1, d)-1)/time.Second) }

// humanWait returns a wait as people say it.
func humanWait(d time.Duration) string {
	if d > time.Minute {
		return fmt.Sprintf("%d minutes", (d+time.Minute-1)/time.Minute)
	}
	return "a minute"
}

// A statusRecorder remembers the status of a response.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (w *statusRecorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusRecorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// FlushError is for http.ResponseController: what is flushed without a status is sent with 200.
func (w *statusRecorder) FlushError() error {
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if w.status == 0 && !errors.Is(err, http.ErrNotSupported) { // as in http.TimeoutHandler: then nothing is sent
		w.status = http.StatusOK
	}
	return err
}

// Hijack is for who asks for it by itself or by http.ResponseController.
func (w *statusRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, buffered, err
}

// Unwrap lets http.ResponseController reach what the writer can do besides.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusRecorder) result() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
