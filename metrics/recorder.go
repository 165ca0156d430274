package metrics

import (
	"math"
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
	config RecorderConfig // with defaults filled in
	clock  *clock
	times  *Ring[time.Duration] // of all endpoints together
	recent *window

	inFlight  Gauge
	aborted   atomic.Uint64
	clipped   atomic.Uint64
	negative  atomic.Uint64 // durations, recorded as 0
	panics    atomic.Uint64 // in functions given by the application
	slowAlarm alarm
	rateAlarm alarm

	// mu guards what follows, but for what find of a table reads. No function of
	// the application's and no input or output runs under it. A request to an
	// endpoint that has a series does not take it.
	mu        sync.Mutex
	endpoints *table[*endpoint]
	errors    *table[*errorKind]
	sources   []source        // never changed in place
	claimed   map[string]bool // names that they and their parts have
	figures   int             // how many names they have declared
	flights   [formats]flight // guarded by themselves
	scratch   scratch         // of encode; locked for itself, by who does not hold mu
}

// NewRecorder returns a recorder that has seen nothing, or the error of
// [RecorderConfig.Validate]. It starts no goroutine and needs no Close.
func NewRecorder(c RecorderConfig) (*Recorder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	r := &Recorder{
		config:  c,
		claimed: make(map[string]bool),
		clock:   newClock(min(c.TimesMaxAge/512, c.ErrorWindow/windowParts/8)),
		recent:  newWindow(c.ErrorWindow),
	}
	r.times = r.newTimes()
	r.endpoints = newTable(tableConfig[*endpoint]{maxDynamic: c.MaxEndpoints, pinned: c.Routes, newValue: r.newEndpoint})
	r.errors = newTable(tableConfig[*errorKind]{maxDynamic: c.MaxErrors, newValue: newErrorKind})
	return r, nil
}

// newTimes returns a ring of response times.
func (r *Recorder) newTimes() *Ring[time.Duration] {
	return newRing[time.Duration](RingConfig{Size: r.config.Times, MaxAge: r.config.TimesMaxAge}.withDefaults(), r.clock)
}

// Record counts one request to endpoint that was answered with status after d.
//
// An endpoint should be the pattern of a route, not a path, because paths are
// without number. One longer than MaxLabelBytes is clipped, bytes that are not
// UTF-8 are replaced, and both are counted; the empty endpoint is
// [UnmatchedName]. A negative d counts as 0, and is counted.
// For an endpoint that has a series Record takes constant time and no lock, and
// allocates only to spread, as a [Counter] does.
func (r *Recorder) Record(endpoint string, status int, d time.Duration) {
	now := r.clock.now()
	if d < 0 {
		d = 0
		r.negative.Add(1)
	}
	slow := d >= r.config.SlowAfter
	failed := status >= 500 && status <= 599

	s := find(r, r.endpoints, endpoint, now)
	s.value.add(status, slow, d)
	if s.gone.Load() {
		late(r, r.endpoints, s)
	}
	s.value.times.observe(now, d)
	r.times.observe(now, d)
	r.recent.add(now, failed)
	if slow || failed {
		r.warnOf(Warning{Endpoint: r.kept(endpoint), Status: status, Duration: d}, now, slow, failed)
	}
}

// Error counts one error of the given kind. A kind should be a class of errors,
// such as "database timeout", not the text of one, which may name things that
// are without number. It is clipped as an endpoint is; the empty kind is
// [UnmatchedName].
// For a kind that has a series Error takes constant time and no lock, and
// allocates only to spread.
func (r *Recorder) Error(kind string) {
	s := find(r, r.errors, kind, r.clock.now())
	s.value.add(&s.value.mine()[0], 1)
	if s.gone.Load() {
		late(r, r.errors, s)
	}
}

// find returns the series of a name in a table of r's, that of all others if it
// has none.
func find[T cell[T]](r *Recorder, t *table[T], name string, now time.Duration) *series[T] {
	if name == "" {
		name = UnmatchedName
	}
	if len(name) <= r.config.MaxLabelBytes {
		if s := t.find(name, now); s != nil {
			return s
		}
	}
	kept := r.kept(name)
	if kept != name {
		r.clipped.Add(1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return t.admit(kept, 1, now)
}

// kept returns a name as it is kept.
func (r *Recorder) kept(name string) string {
	if name == "" {
		return UnmatchedName
	}
	name, _ = clip(name, r.config.MaxLabelBytes)
	return name
}

func late[T cell[T]](r *Recorder, t *table[T], s *series[T]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.late(s)
}

// Times returns the response times of all endpoints together that count now: what
// Snapshot has as Times, for those who want nothing else. It takes
// no lock and one allocation.
func (r *Recorder) Times() RingSnapshot[time.Duration] { return r.times.Snapshot() }

// Sweep removes the endpoints and error kinds that have not been used for
// IdleAfter, adds their counts to [RetiredName], and returns how many it removed.
// Pinned routes stay. Sweep gives memory back sooner; no bound depends on it.
func (r *Recorder) Sweep() (removed int) {
	now := r.clock.precise()
	before := now - r.config.IdleAfter
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.endpoints.sweep(now, before) + r.errors.sweep(now, before)
}

// endpoint is the value of an endpoint's series: its response times, and in its
// stripes a counter for each class of status and the two below.
type endpoint struct {
	stripes
	times *Ring[time.Duration]
	_     [56]byte // to three lines
}

// The counters that follow those of the classes.
const (
	slowRequests = Classes + iota
	nanoseconds
)

func (r *Recorder) newEndpoint() *endpoint { return &endpoint{times: r.newTimes()} }

func (e *endpoint) add(status int, slow bool, d time.Duration) {
	l := e.mine()
	if w := &l[class(status)]; !addAlone(w, 1) {
		e.meet(w, 1)
	}
	l[nanoseconds].Add(uint64(d))
	if slow {
		l[slowRequests].Add(1)
	}
}

func (e *endpoint) count() (n uint64) {
	for class := range Classes {
		n += e.sum(class)
	}
	return n
}

func (e *endpoint) moveTo(to *endpoint) {
	for i := range e.first {
		to.first[i].Add(e.take(i))
	}
}

func (e *endpoint) counts() (c Counts) {
	for class := range Classes {
		c.Status[class] = e.sum(class)
		c.Requests += c.Status[class]
	}
	c.Slow = e.sum(slowRequests)
	c.Duration = time.Duration(e.sum(nanoseconds) & math.MaxInt64)
	return c
}

// errorKind is the value of an error kind's series.
type errorKind struct{ stripes }

func newErrorKind() *errorKind { return new(errorKind) }

func (e *errorKind) count() uint64 { return e.sum(0) }

func (e *errorKind) moveTo(to *errorKind) { to.first[0].Add(e.take(0)) }
