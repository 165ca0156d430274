package metrics

import (
	"fmt"
	"log/slog"
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
	rung       bool
	last       time.Duration
	suppressed uint64
	total      uint64 // suppressed since the recorder was made
}

// ring reports whether the alarm may ring at now, and if so, how often it was
// kept from it since the last time.
func (a *alarm) ring(now, every time.Duration) (suppressed uint64, ok bool) {
	if a.rung && now-a.last < every {
		a.suppressed++
		a.total++
		return 0, false
	}
	suppressed, a.suppressed = a.suppressed, 0
	a.rung, a.last = true, now
	return suppressed, true
}

// warnings are those that one request may cause: of the two kinds, at most one each.
// A zero Kind is none.
type warnings [2]Warning

// warningsLocked returns the warnings that a request causes. r.mu must be held.
func (r *Recorder) warningsLocked(name string, now time.Duration, status int, slow, failed bool, d time.Duration) (w warnings) {
	if slow {
		if suppressed, ok := r.slowAlarm.ring(now, r.config.WarnEvery); ok {
			w[0] = Warning{Kind: SlowRequest, Suppressed: suppressed}
		}
	}
	if failed {
		sum := r.recent.sum(now)
		if sum.requests >= uint64(r.config.ErrorMin) && float64(sum.failures) >= r.config.ErrorRate*float64(sum.requests) {
			if suppressed, ok := r.rateAlarm.ring(now, r.config.WarnEvery); ok {
				w[1] = Warning{
					Kind: HighErrorRate, Suppressed: suppressed,
					Requests: sum.requests, Failures: sum.failures, Window: r.config.ErrorWindow,
				}
			}
		}
	}
	for i := range w {
		if w[i].Kind != 0 {
			w[i].Endpoint, w[i].Status, w[i].Duration = name, status, d
		}
	}
	return w
}

// warn hands warnings to the application. No lock may be held.
func (r *Recorder) warn(ws warnings) {
	for _, w := range ws {
		if w.Kind != 0 {
			guard(&r.panics, func() { r.onWarn(w) })
		}
	}
}

func (r *Recorder) onWarn(w Warning) {
	if r.config.OnWarn != nil {
		r.config.OnWarn(w)
		return
	}
	slog.Warn("metrics: "+w.Kind.String(),
		"endpoint", w.Endpoint, "status", w.Status, "duration", w.Duration,
		"requests", w.Requests, "failures", w.Failures, "suppressed", w.Suppressed)
}
