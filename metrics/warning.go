package metrics

import (
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"
)

// A WarningKind says what a [Warning] is about.
type WarningKind int

const (
	// SlowRequest warns of a request that took SlowAfter or longer.
	SlowRequest WarningKind = iota + 1
	// HighErrorRate warns that the share of failed requests has reached ErrorRate.
	HighErrorRate
)

// String returns the kind in words.
func (k WarningKind) String() string {
	switch k {
	case SlowRequest:
		return "slow request"
	case HighErrorRate:
		return "high error rate"
	}
	return fmt.Sprintf("WarningKind(%d)", int(k))
}

// A Warning is what a [Recorder] tells RecorderConfig.OnWarn. The request it
// describes is the one that caused it.
type Warning struct {
	Kind     WarningKind
	Endpoint string        // of the request, as it is kept
	Status   int           // of the request
	Duration time.Duration // of the request

	Requests uint64        // within Window, for HighErrorRate
	Failures uint64        // of these
	Window   time.Duration // RecorderConfig.ErrorWindow

	Suppressed uint64 // warnings of this kind left out since the last one
}

// String returns the warning as a sentence.
func (w Warning) String() string {
	var s string
	switch w.Kind {
	case SlowRequest:
		s = fmt.Sprintf("slow request: %s took %v (status %d)", w.Endpoint, w.Duration, w.Status)
	case HighErrorRate:
		s = fmt.Sprintf("high error rate: %d of %d requests failed within %v, lately %s (status %d)",
			w.Failures, w.Requests, w.Window, w.Endpoint, w.Status)
	default:
		s = w.Kind.String()
	}
	if w.Suppressed > 0 {
		s += fmt.Sprintf("; %d like it were not reported", w.Suppressed)
	}
	return s
}

// An alarm lets a warning through at most once in a while and counts the others.
type alarm struct {
	next       atomic.Int64  // the time from which on it may ring
	suppressed atomic.Uint64 // since it rang last
	total      atomic.Uint64 // suppressed since the recorder was made
}

// ring reports whether the alarm may ring at now, and if so, how often it was
// kept from it since the last time.
func (a *alarm) ring(now, every time.Duration) (suppressed uint64, ok bool) {
	next := a.next.Load()
	if int64(now) < next || !a.next.CompareAndSwap(next, int64(now+min(every, math.MaxInt64-now))) {
		a.suppressed.Add(1)
		a.total.Add(1)
		return 0, false
	}
	return a.suppressed.Swap(0), true
}

// warnOf gives the warnings that a request causes, if any, of which w already has
// what describes the request. No lock may be held.
func (r *Recorder) warnOf(w Warning, now time.Duration, slow, failed bool) {
	if slow {
		if suppressed, ok := r.slowAlarm.ring(now, r.config.WarnEvery); ok {
			w.Kind, w.Suppressed = SlowRequest, suppressed
			r.warn(w)
		}
	}
	if !failed {
		return
	}
	sum := r.recent.sum(now)
	if sum.requests < uint64(r.config.ErrorMin) || float64(sum.failures)/float64(sum.requests) < r.config.ErrorRate {
		return
	}
	if suppressed, ok := r.rateAlarm.ring(now, r.config.WarnEvery); ok {
		w.Kind, w.Suppressed = HighErrorRate, suppressed
		w.Requests, w.Failures, w.Window = sum.requests, sum.failures, r.config.ErrorWindow
		r.warn(w)
	}
}

// warn hands a warning to the application.
func (r *Recorder) warn(w Warning) {
	guard(&r.panics, func() {
		if r.config.OnWarn != nil {
			r.config.OnWarn(w)
			return
		}
		slog.Warn("metrics: "+w.Kind.String(),
			"endpoint", w.Endpoint, "status", w.Status, "duration", w.Duration,
			"requests", w.Requests, "failures", w.Failures, "suppressed", w.Suppressed)
	})
}
