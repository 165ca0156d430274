package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
)

// streamFor is how long a stream of events lasts; the browser then asks for the next. writeWithin is how long a
// reader may take for one event.
const (
	streamFor   = 15 * time.Minute
	writeWithin = 10 * time.Second
)

// samples answers with the samples of the last 20 minutes, the oldest first.
func (s *Site) samples(w http.ResponseWriter, _ *http.Request) {
	monitor.WriteJSON(w, http.StatusOK, s.Monitor.Samples())
}

// alerts answers with the last alerts, the newest first.
func (s *Site) alerts(w http.ResponseWriter, _ *http.Request) {
	monitor.WriteJSON(w, http.StatusOK, s.Monitor.Alerts())
}

// events sends what the dashboard shows, as server-sent events: "samples" with the last ones at first, then
// "sample" with each that comes, and "report" with the HTML of the rest whenever that has changed.
//
// It is not among the routes that are counted: that it lasts long does not mean that it is slow. It looks at
// the session with each event, and is no use of it, so that nobody is kept signed in by a page that nobody
// looks at.
func (s *Site) events(w http.ResponseWriter, r *http.Request) {
	if !s.Auth.Holds(r) {
		monitor.WriteJSON(w, http.StatusUnauthorized, apiError{Error: "sign in first"})
		return
	}
	samples, end, ok := s.Monitor.WatchSamples()
	if !ok {
		w.Header().Set("Retry-After", "60")
		monitor.WriteJSON(w, http.StatusServiceUnavailable, apiError{Error: "too many look at this already"})
		return
	}
	defer end()
	ctx, cancel := context.WithTimeout(r.Context(), streamFor)
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy must not wait for more
	stream := &eventStream{w: w, control: http.NewResponseController(w)}
	stream.send("samples", asJSON(s.Monitor.Samples()))
	stream.sendNew("report", s.reportHTML())
	for stream.err == nil {
		select {
		case sample, more := <-samples:
			if !more || !s.Auth.Holds(r) {
				return
			}
			stream.send("sample", asJSON(sample))
			stream.sendNew("report", s.reportHTML())
		case <-ctx.Done():
			return
		}
	}
}

// An eventStream writes events until a write fails.
type eventStream struct {
	w       io.Writer
	control *http.ResponseController
	last    []byte // the event of sendNew before
	err     error
}

func (e *eventStream) send(name string, data []byte) { e.write(event(name, data)) }

// sendNew is send, unless the event is what it was the last time.
func (e *eventStream) sendNew(name string, data []byte) {
	if next := event(name, data); !bytes.Equal(next, e.last) {
		e.last = next
		e.write(next)
	}
}

func (e *eventStream) write(event []byte) {
	if e.err != nil {
		return
	}
	// The server's own deadline is for answers that end.
	if e.err = e.control.SetWriteDeadline(time.Now().Add(writeWithin)); e.err != nil {
		return
	}
	if _, e.err = e.w.Write(event); e.err == nil {
		e.err = e.control.Flush()
	}
}

// event returns an event as the HTML standard has it, in section 9.2: each line of the data has its own field.
func event(name string, data []byte) []byte {
	lines := bytes.ReplaceAll(bytes.TrimSpace(data), []byte("\n"), []byte("\ndata: "))
	return slices.Concat([]byte("event: "+name+"\ndata: "), lines, []byte("\n\n"))
}

func asJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of this program cannot be encoded
	}
	return data
}

// sweepNow has the janitor sweep all there is.
func (s *Site) sweepNow(w http.ResponseWriter, r *http.Request) error {
	removed := s.Monitor.SweepNow()
	if wantsJSON(r) {
		monitor.WriteJSON(w, http.StatusOK, map[string]int{"removed": removed})
		return nil
	}
	http.Redirect(w, r, "/admin?swept="+strconv.Itoa(removed), http.StatusSeeOther)
	return nil
}

// writeProfile keeps a heap profile of now.
func (s *Site) writeProfile(w http.ResponseWriter, r *http.Request) error {
	profile, err := s.Monitor.WriteProfile()
	if err != nil {
		return err
	}
	if wantsJSON(r) {
		monitor.WriteJSON(w, http.StatusOK, profile)
		return nil
	}
	http.Redirect(w, r, "/admin?profile="+url.QueryEscape(profile.Name)+"#profiles", http.StatusSeeOther)
	return nil
}

// profile sends one of the profiles that are kept.
func (s *Site) profile(w http.ResponseWriter, r *http.Request) error {
	file, err := s.Monitor.OpenProfile(r.PathValue("name"))
	if errors.Is(err, fs.ErrNotExist) {
		s.fail(w, r, http.StatusNotFound, "There is no such profile, or no longer one.")
		return nil
	} else if err != nil {
		return err
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+r.PathValue("name")+`"`)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.Copy(w, file) // whoever went away misses nothing
	return nil
}

// wantsJSON reports whether a script asks, and not a form.
func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}
