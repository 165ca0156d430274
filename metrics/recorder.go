package metrics

import (
	"sync"
	"sync/atomic"
	"time"
)

// OtherName and RetiredName are the names under which counts without a series of
// their own appear: of what never had one, and of series that were removed.
// Requests recorded under one of these names go where it says. UnmatchedName
// stands for the empty name, which is what a request that no route matches has.
const (
	OtherName     = "other"
	RetiredName   = "retired"
	UnmatchedName = "unmatched"
)

// A Recorder keeps what a web service wants to know about itself: requests by
// endpoint and class of status, errors by kind, the last response times, slow
// requests and the recent error rate.
//
// Its memory is bounded by its [RecorderConfig]. Endpoints and error kinds beyond
// the caps are counted as [OtherName] until they prove more frequent than the
// coldest that has a series; see the package comment. Totals are exact.
type Recorder struct {
	config  RecorderConfig // with defaults filled in
	started time.Time
	clock   *clock
	times   *Ring[time.Duration] // of all endpoints together

	inFlight atomic.Int64
	aborted  atomic.Uint64
	clipped  atomic.Uint64
	panics   atomic.Uint64 // in functions given by the application

	// mu guards what follows. No function of the application's and no input or
	// output runs under it.
	mu            sync.Mutex
	total         Counts
	other         Counts // endpoints without a series
	retired       Counts // endpoints whose series were removed
	endpoints     *table[*endpoint]
	errorsTotal   uint64
	errorsOther   uint64
	errorsRetired uint64
	errors        *table[*errorKind]
	recent        window
	negative      uint64 // negative durations, recorded as 0
	slowAlarm     alarm
	rateAlarm     alarm
	gauges        []gauge
}

// endpoint is the value of an endpoint's series. The counts are guarded by
// Recorder.mu; the ring needs no lock.
type endpoint struct {
	counts Counts
	times  *Ring[time.Duration]
}

// errorKind is the value of an error kind's series, guarded by Recorder.mu.
type errorKind struct{ count uint64 }

// NewRecorder returns a recorder that has seen nothing, or the error of
// [RecorderConfig.Validate]. It starts no goroutine and needs no Close.
func NewRecorder(c RecorderConfig) (*Recorder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	r := &Recorder{config: c, started: time.Now(), recent: newWindow(c.ErrorWindow)}
	r.clock = newClock(c.TimesMaxAge / 512)
	r.times = r.newTimes()
	r.endpoints = newTable(c.MaxEndpoints, c.Routes, r.newEndpoint, r.retireEndpoint)
	r.errors = newTable(c.MaxErrors, nil, newErrorKind, r.retireError)
	return r, nil
}

// Record counts one request to endpoint that was answered with status after d.
//
// An endpoint should be the pattern of a route, not a path, because paths are
// without number. One longer than MaxLabelBytes is clipped, bytes that are not
// UTF-8 are replaced, and both are counted; the empty endpoint is
// [UnmatchedName]. A negative d counts as 0, and is counted.
// Record takes constant time and does not allocate for an endpoint that has a
// series.
func (r *Recorder) Record(endpoint string, status int, d time.Duration) {
	name := r.label(endpoint)
	now := time.Since(r.started)
	slow := d >= r.config.SlowAfter
	failed := status >= 500 && status <= 599

	r.mu.Lock()
	if d < 0 {
		d = 0
		r.negative++
	}
	r.total.add(status, slow, d)
	times := r.recordEndpointLocked(name, now, status, slow, d)
	r.recent.add(now, failed)
	warnings := r.warningsLocked(name, now, status, slow, failed, d)
	r.mu.Unlock()

	at := r.clock.now()
	r.times.observe(at, d)
	if times != nil {
		times.observe(at, d)
	}
	r.warn(warnings)
}

// recordEndpointLocked counts a request where it belongs and returns the ring
// of its endpoint, nil if that has no series.
func (r *Recorder) recordEndpointLocked(name string, now time.Duration, status int, slow bool, d time.Duration) *Ring[time.Duration] {
	switch name {
	case OtherName:
		r.other.add(status, slow, d)
		return nil
	case RetiredName:
		r.retired.add(status, slow, d)
		return nil
	}
	s := r.endpoints.use(name, now)
	if s == nil {
		r.other.add(status, slow, d)
		return nil
	}
	s.value.counts.add(status, slow, d)
	return s.value.times
}

// Error counts one error of the given kind. A kind should be a class of errors,
// such as "database timeout", not the text of one, which may name things that
// are without number. It is clipped as an endpoint is; the empty kind is
// [UnmatchedName].
// Error takes constant time and does not allocate for a kind that has a series.
func (r *Recorder) Error(kind string) {
	kind = r.label(kind)
	now := time.Since(r.started)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errorsTotal++
	switch kind {
	case OtherName:
		r.errorsOther++
		return
	case RetiredName:
		r.errorsRetired++
		return
	}
	if s := r.errors.use(kind, now); s != nil {
		s.value.count++
	} else {
		r.errorsOther++
	}
}

// Sweep removes the endpoints and error kinds that have not been used for
// IdleAfter, adds their counts to [RetiredName], and returns how many it removed.
// Pinned routes stay. Sweep gives memory back sooner; no bound depends on it.
func (r *Recorder) Sweep() (removed int) {
	now := time.Since(r.started)
	before := now - r.config.IdleAfter
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.endpoints.sweep(now, before) + r.errors.sweep(now, before)
}

// label returns name as it is kept.
func (r *Recorder) label(name string) string {
	if name == "" {
		return UnmatchedName
	}
	name, changed := clip(name, r.config.MaxLabelBytes)
	if changed {
		r.clipped.Add(1)
	}
	return name
}

func (r *Recorder) newEndpoint(string) *endpoint {
	return &endpoint{times: r.newTimes()}
}

// newTimes returns a ring of response times.
func (r *Recorder) newTimes() *Ring[time.Duration] {
	return newRing[time.Duration](RingConfig{Size: r.config.Times, MaxAge: r.config.TimesMaxAge}.withDefaults(), r.clock)
}

func (r *Recorder) retireEndpoint(e *endpoint) { r.retired.merge(e.counts) }

func newErrorKind(string) *errorKind { return new(errorKind) }

func (r *Recorder) retireError(e *errorKind) { r.errorsRetired += e.count }
