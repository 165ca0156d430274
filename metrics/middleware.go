package metrics

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// Middleware returns a handler that calls next and records each request under
// the pattern of the route that it matched, which [http.ServeMux] leaves in the
// request: so that next should be the mux, or within it, with nothing between
// that gives the mux another *http.Request. What matched no route is recorded as
// [UnmatchedName]; paths never become names.
//
// The ResponseWriter given to next has Unwrap, for [http.ResponseController],
// and is an [http.Flusher], [http.Hijacker] and [io.ReaderFrom] as far as the one
// beneath it is.
//
// A handler that panics is recorded with status 500, and the panic goes on. With
// [http.ErrAbortHandler], which is how a handler gives up on a connection, the
// request is recorded with the status sent so far, in class 0 if there is none,
// and counted in [Losses].AbortedRequests.
func (r *Recorder) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := time.Now()
		r.inFlight.Add(1)
		rw := &responseWriter{ResponseWriter: w}
		finished := false
		defer func() {
			r.inFlight.Add(-1)
			status := rw.statusSent()
			var panicked any
			if !finished { // a panic, or runtime.Goexit
				panicked = recover()
				if panicked == http.ErrAbortHandler {
					r.aborted.Add(1)
					status = rw.status
				} else {
					status = http.StatusInternalServerError
				}
			}
			r.Record(req.Pattern, status, time.Since(start))
			if panicked != nil {
				panic(panicked)
			}
		}()
		next.ServeHTTP(rw, req)
		finished = true
	})
}

// responseWriter notes the status that a handler sends.
type responseWriter struct {
	http.ResponseWriter
	status int // of the answer, 0 before it is sent
}

// statusSent returns the status of an answer that is complete: net/http sends
// 200 for a handler that has sent nothing.
func (w *responseWriter) statusSent() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// WriteHeader notes the first status that is final. The others of class 1 may
// come before it.
func (w *responseWriter) WriteHeader(status int) {
	w.ResponseWriter.WriteHeader(status)
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.implicitOK()
	return w.ResponseWriter.Write(p)
}

// ReadFrom lets the ResponseWriter beneath copy from src in its own way, such as
// sendfile.
func (w *responseWriter) ReadFrom(src io.Reader) (int64, error) {
	w.implicitOK()
	return io.Copy(w.ResponseWriter, src)
}

// Flush is for code that asks for an http.Flusher. It does nothing if the
// ResponseWriter beneath is none.
func (w *responseWriter) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls.
func (w *responseWriter) FlushError() error {
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if err == nil {
		w.implicitOK()
	}
	return err
}

// Hijack is for code that asks for an http.Hijacker. It returns an error that is
// http.ErrNotSupported if the ResponseWriter beneath is none.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

// Unwrap is for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *responseWriter) implicitOK() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}
