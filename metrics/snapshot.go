package metrics

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Classes is how many classes of status there are: class n holds the statuses
// from n*100 to n*100+99, and class 0 what is no status of HTTP, such as that of
// a request that was aborted before its answer began.
const Classes = 6

// Counts is what is counted of requests.
type Counts struct {
	Requests uint64          // all of them: the sum of Status
	Status   [Classes]uint64 // by class of status: Status[2] is how many had a 2xx
	Slow     uint64          // that took RecorderConfig.SlowAfter or longer
	Duration time.Duration   // taken by all of them together; after 292 years it begins anew
}

func (c *Counts) merge(d Counts) {
	c.Requests += d.Requests
	for i := range c.Status {
		c.Status[i] += d.Status[i]
	}
	c.Slow += d.Slow
	c.Duration = (c.Duration + d.Duration) & math.MaxInt64
}

// class returns the class of a status, 0 if it is none.
func class(status int) int {
	if status < 100 || status > 599 {
		return 0
	}
	return status / 100
}

// Endpoint is what a [Recorder] knows of one endpoint.
type Endpoint struct {
	Name   string
	Pinned bool   // always has a series
	Counts        // since it got its series
	Missed uint64 // at most so many of the requests of Snapshot.Other are of this endpoint
	Times  RingSnapshot[time.Duration]
}

// ErrorKind is what a [Recorder] knows of one kind of error.
type ErrorKind struct {
	Kind   string
	Count  uint64 // since it got its series
	Missed uint64 // at most so many of Snapshot.ErrorsOther are of this kind
}

// Snapshot is what a [Recorder] knew at one moment. It does not change any more.
//
// The endpoints with Other and Retired add up to Total, and the errors with
// ErrorsOther and ErrorsRetired to ErrorsTotal. Requests that were recorded before
// Snapshot was called are all in it; of those recorded meanwhile some may be, in
// part or as a whole. The response times are read after the counts.
type Snapshot struct {
	At     time.Time     // when it was taken
	Uptime time.Duration // since the recorder was made

	InFlight  int64      // requests within Middleware
	Total     Counts     // all requests
	Endpoints []Endpoint // those that have a series, by name
	Other     Counts     // requests to endpoints without a series
	Retired   Counts     // requests of endpoints whose series was removed
	Times     RingSnapshot[time.Duration]

	Errors        []ErrorKind // those that have a series, by kind
	ErrorsTotal   uint64      // all errors
	ErrorsOther   uint64      // errors of kinds without a series
	ErrorsRetired uint64      // errors of kinds whose series was removed

	Recent Recent  // the error rate
	Memory Memory  // as ReadMemory returned it
	Values []Value // what the application added, by name
	Losses Losses  // what was changed, dropped or left out
}

// Recent is what happened within the last RecorderConfig.ErrorWindow.
type Recent struct {
	Window   time.Duration
	Requests uint64
	Failures uint64 // answered with a status of 500 to 599
}

// Rate returns the share of requests that failed, 0 of none.
func (r Recent) Rate() float64 {
	if r.Requests == 0 {
		return 0
	}
	return float64(r.Failures) / float64(r.Requests)
}

// Losses counts what a [Recorder] changed, dropped or left out since it was made.
type Losses struct {
	ClippedNames       uint64 `json:"clipped_names"`       // names shortened or repaired
	EndpointsRetired   uint64 `json:"endpoints_retired"`   // series of endpoints removed
	ErrorsRetired      uint64 `json:"errors_retired"`      // series of error kinds removed
	NegativeDurations  uint64 `json:"negative_durations"`  // recorded as 0
	AbortedRequests    uint64 `json:"aborted_requests"`    // whose handler panicked with http.ErrAbortHandler
	WarningsSuppressed uint64 `json:"warnings_suppressed"` // warnings within WarnEvery of another
	CallbackPanics     uint64 `json:"callback_panics"`     // in OnWarn and functions that read figures
}

// Snapshot returns what the recorder knows now. It reads the process's memory,
// calls the functions that read the application's figures, and takes
// time and memory in proportion to the number of series and of response times
// kept; it holds the recorder's lock only while it copies counters.
func (r *Recorder) Snapshot() Snapshot {
	s, rings := r.snapshotBeforeTimes()
	s.readTimes(r.clock.precise(), r.times, rings, nil)
	return s
}

// snapshotBeforeTimes returns a snapshot that lacks the response times, and the rings of
// its endpoints, in their order. All functions of the application's have been called.
func (r *Recorder) snapshotBeforeTimes() (s Snapshot, rings []*Ring[time.Duration]) {
	s = Snapshot{At: time.Now(), Memory: ReadMemory(), InFlight: r.inFlight.Value()}
	rings, sources := r.copyCounts(&s)
	slices.SortFunc(s.Errors, func(a, b ErrorKind) int { return cmp.Compare(a.Kind, b.Kind) })
	s.Values = readSources(sources, &r.panics)
	s.Losses.ClippedNames = r.clipped.Load()
	s.Losses.AbortedRequests = r.aborted.Load()
	s.Losses.CallbackPanics = r.panics.Load()
	s.Losses.NegativeDurations = r.negative.Load()
	s.Losses.WarningsSuppressed = r.slowAlarm.total.Load() + r.rateAlarm.total.Load()
	return s, rings
}

// readTimes adds the response times, of all endpoints and of each, in the room that codes
// has as far as that goes, and puts the endpoints in order.
func (s *Snapshot) readTimes(at time.Duration, all *Ring[time.Duration], rings []*Ring[time.Duration], codes []uint64) {
	read := func(r *Ring[time.Duration]) RingSnapshot[time.Duration] {
		times := r.snapshot(at, codes)
		codes = codes[:min(len(codes)+times.Count, cap(codes))]
		return times
	}
	s.Times = read(all)
	for i, ring := range rings {
		s.Endpoints[i].Times = read(ring)
	}
	slices.SortFunc(s.Endpoints, func(a, b Endpoint) int { return cmp.Compare(a.Name, b.Name) })
}

// copyCounts copies what r.mu guards into s, and returns the rings of the
// endpoints, in the order of s.Endpoints, and the application's sources.
func (r *Recorder) copyCounts(s *Snapshot) (rings []*Ring[time.Duration], sources []source) {
	r.mu.Lock() // so that no counts move meanwhile
	defer r.mu.Unlock()
	now := r.clock.precise()
	s.Uptime = now - 1
	s.Endpoints = make([]Endpoint, 0, r.endpoints.index.live)
	for e := range r.endpoints.index.all() {
		counts := e.value.counts()
		s.Total.merge(counts)
		switch e {
		case r.endpoints.other:
			s.Other = counts
		case r.endpoints.retired:
			s.Retired = counts
		default:
			s.Endpoints = append(s.Endpoints, Endpoint{Name: e.name, Pinned: e.pinned(), Counts: counts, Missed: e.missed})
			rings = append(rings, e.value.times)
		}
	}
	s.Errors = make([]ErrorKind, 0, r.errors.index.live)
	for e := range r.errors.index.all() {
		n := e.value.count()
		s.ErrorsTotal += n
		switch e {
		case r.errors.other:
			s.ErrorsOther = n
		case r.errors.retired:
			s.ErrorsRetired = n
		default:
			s.Errors = append(s.Errors, ErrorKind{Kind: e.name, Count: n, Missed: e.missed})
		}
	}
	recent := r.recent.sum(now)
	s.Recent = Recent{Window: r.config.ErrorWindow, Requests: recent.requests, Failures: recent.failures}
	s.Losses.EndpointsRetired = r.endpoints.retirements
	s.Losses.ErrorsRetired = r.errors.retirements
	return rings, r.sources
}
