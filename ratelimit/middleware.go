package ratelimit

import (
	"errors"
	"fmt"
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
	// Trusted are the proxies in front of the server: see [ClientIP].
	Trusted []netip.Prefix

	// Attempt reports whether a request is a login attempt. Others pass. Nil means
	// every POST.
	Attempt func(*http.Request) bool

	// Result tells how an attempt went from the status of its response. Nil
	// means that 401 and 403 are failures, 400 and all from 500 on are undecided, and the rest is success.
	Result func(status int) Result
}

// Middleware returns a handler that lets login attempts through to next while their
// source may make them. It answers others with 429, Retry-After and the RateLimit fields
// (draft-ietf-httpapi-ratelimit-headers), and with 400 if the client's address cannot be told. An
// attempt whose handler panics is a failure.
func (t *Tracker) Middleware(next http.Handler, config MiddlewareConfig) http.Handler {
	if config.Attempt == nil {
		config.Attempt = func(r *http.Request) bool { return r.Method == http.MethodPost }
	}
	if config.Result == nil {
		config.Result = resultOf
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !config.Attempt(r) {
			next.ServeHTTP(w, r)
			return
		}
		addr, err := ClientIP(r, config.Trusted)
		if err != nil {
			http.Error(w, "the address you come from cannot be told", http.StatusBadRequest)
			return
		}
		attempt, err := t.Begin(addr)
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
	case status == http.StatusBadRequest || status >= 500:
		return Undecided
	}
	return Success
}

// Deny answers a request that [Tracker.Begin] refused with err: 429, or 400 if it is
// [ErrAddress].
func (t *Tracker) Deny(w http.ResponseWriter, err error) {
	wait, ok := RetryAfter(err)
	if !ok {
		http.Error(w, "the address you come from cannot be told", http.StatusBadRequest)
		return
	}
	t.SetHeaders(w.Header(), wait)
	text := "too many attempts; try again later"
	if locked := (*LockedError)(nil); errors.As(err, &locked) {
		text = "too many failed attempts; try again in " + humanWait(wait)
	}
	http.Error(w, text, http.StatusTooManyRequests)
}

// SetHeaders sets Retry-After, in seconds and rounded up, and the RateLimit fields of
// a response to a source that has to wait that long.
func (t *Tracker) SetHeaders(h http.Header, wait time.Duration) {
	seconds := strconv.FormatInt(ceilSeconds(wait), 10)
	h.Set("Retry-After", seconds)
	h.Set("RateLimit-Policy", fmt.Sprintf(`"login";q=%d;w=%d`, t.table.rule.failures, ceilSeconds(time.Duration(t.table.rule.window))))
	h.Set("RateLimit", `"login";r=0;t=`+seconds)
}

func ceilSeconds(d time.Duration) int64 { return max(1, int64((d+time.Second-1)/time.Second)) }

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
	if w.status == 0 && status >= 200 {
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

// Unwrap lets http.ResponseController reach what the writer can do besides.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusRecorder) result() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
