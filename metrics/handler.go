package metrics

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// PrometheusHandler returns a handler that answers with a snapshot as
// [Snapshot.WritePrometheus] writes it.
func (r *Recorder) PrometheusHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s := r.Snapshot()
		answer(w, "text/plain; version=0.0.4; charset=utf-8", s.appendPrometheus(nil))
	})
}

// JSONHandler returns a handler that answers with a snapshot as JSON.
func (r *Recorder) JSONHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "application/json", snapshotJSON(r.Snapshot()))
	})
}

// Var returns a variable for [expvar.Publish], whose String takes a snapshot and
// returns it as JSON. It is an expvar.Var; this package does not import expvar,
// because that adds a handler to http.DefaultServeMux, and publishes nothing by
// itself, because a second variable of one name panics.
func (r *Recorder) Var() fmt.Stringer { return variable{r} }

type variable struct{ r *Recorder }

func (v variable) String() string { return string(snapshotJSON(v.r.Snapshot())) }

func snapshotJSON(s Snapshot) []byte {
	b, err := json.Marshal(s)
	if err != nil { // not reached: all numbers are finite
		return []byte("null")
	}
	return b
}

// answer sends a body that is complete, so that no writer of a slow connection
// keeps anything but it.
func answer(w http.ResponseWriter, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // the client has gone: nothing to be done
}
