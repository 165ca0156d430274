package metrics

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// A format is an encoding of a snapshot.
type format int

const (
	textFormat format = iota
	openMetrics
	jsonFormat
	formats // how many there are
)

var contentTypes = [formats]string{
	textFormat:  "text/plain; version=0.0.4; charset=utf-8",
	openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
	jsonFormat:  "application/json",
}

// Handler returns a handler that answers with a snapshot in the encoding that the
// Accept header of the request likes best: JSON, OpenMetrics or, if it does not
// care, Prometheus text.
//
// As with PrometheusHandler and JSONHandler, requests that come while an answer in
// that encoding is being made get that one, so that impatient scrapers cost no more
// than one; and the whole answer is made before the first byte is sent, so that
// slow readers keep nothing but it. A request that is abandoned stops waiting, and one
// that has waited for 10 seconds is answered with status 503: a function that reads a
// figure and does not return keeps one request for each encoding, not all.
func (r *Recorder) Handler() http.Handler { return r.handler(textFormat, openMetrics, jsonFormat) }

// PrometheusHandler is Handler with OpenMetrics and Prometheus text only.
func (r *Recorder) PrometheusHandler() http.Handler { return r.handler(textFormat, openMetrics) }

// JSONHandler is Handler with JSON only.
func (r *Recorder) JSONHandler() http.Handler { return r.handler(jsonFormat) }

// handler returns a handler for these formats, the first for who does not care.
func (r *Recorder) handler(offered ...format) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		f := negotiate(req.Header.Values("Accept"), offered)
		body, err := r.flights[f].do(req.Context(), func() []byte { return r.encode(f) })
		if err == errHangs {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		if err != nil {
			return // the client has gone
		}
		h := w.Header()
		h.Set("Content-Type", contentTypes[f])
		h.Set("Content-Length", strconv.Itoa(len(body)))
		h.Set("Cache-Control", "no-store")
		h.Set("Vary", "Accept")
		_, _ = w.Write(body) // the client has gone: nothing to be done
	})
}

// encode returns a snapshot in a format. Nobody keeps its copies of the response times, so
// that they are made in the scratch of the recorder, which encodings take in turns. The
// application's functions have returned by then.
func (r *Recorder) encode(f format) []byte {
	s, rings := r.snapshotBeforeTimes()
	r.scratch.mu.Lock()
	defer r.scratch.mu.Unlock()
	n := r.times.most()
	for _, ring := range rings {
		n += ring.most()
	}
	s.readTimes(r.clock.precise(), r.times, rings, r.scratch.room(n))
	if f != jsonFormat {
		return s.appendText(nil, f == openMetrics)
	}
	b, err := json.Marshal(s)
	if err != nil { // not reached: all numbers are finite
		return []byte("null")
	}
	return b
}

// negotiate returns the format offered that the values of an Accept header like
// best, of equals the one named first, and the first offered if they like none.
func negotiate(accept []string, offered []format) format {
	best, most := offered[0], 0.0
	for element := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		mediaType, params, err := mime.ParseMediaType(element)
		if err != nil {
			continue
		}
		quality := 1.0
		if q, ok := params["q"]; ok {
			if quality, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		f := offered[0]
		switch version := params["version"]; {
		case mediaType == "application/json":
			f = jsonFormat
		case mediaType == "application/openmetrics-text" && (version == "" || version == "1.0.0"):
			f = openMetrics
		case mediaType == "text/plain" && (version == "" || version == "0.0.4"):
			f = textFormat
		case mediaType != "*/*":
			continue
		}
		for _, o := range offered {
			if o == f && quality > most {
				best, most = f, quality
			}
		}
	}
	return best
}

// A Var is a variable for [expvar.Publish], whose String takes a snapshot of a
// recorder and returns it as JSON. This package does not import expvar, because
// that adds a handler to http.DefaultServeMux, and publishes nothing by itself,
// because a second variable of one name panics. Instead, publish one Var, and give
// it the recorder of the moment as often as you like. Its zero value has none, and
// is null.
type Var struct{ recorder atomic.Pointer[Recorder] }

// Set makes r the recorder that v shows, none if it is nil.
func (v *Var) Set(r *Recorder) { v.recorder.Store(r) }

// String returns a snapshot as JSON. Calls at the same time share one, and those that have
// waited 10 seconds for it return null.
func (v *Var) String() string {
	r := v.recorder.Load()
	if r == nil {
		return "null"
	}
	body, err := r.flights[jsonFormat].do(context.Background(), func() []byte { return r.encode(jsonFormat) })
	if err != nil {
		return "null"
	}
	return string(body)
}

// Var returns a Var that shows r.
func (r *Recorder) Var() *Var {
	v := new(Var)
	v.Set(r)
	return v
}
