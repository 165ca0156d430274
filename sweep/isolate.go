package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
)

// This file is the wall between the janitor and the code it runs: whatever a
// job does, the goroutine that ran it comes back with an outcome, or is
// replaced.

const (
	maxText  = 256      // bytes of an error or panic that are kept
	maxStack = 16 << 10 // bytes of a stack that are kept
	maxSeen  = 64       // panics remembered as logged
)

// ErrGoexit is the Value of the PanicError of a job that ended its goroutine
// with runtime.Goexit, as testing.T.FailNow does.
var ErrGoexit = errors.New("runtime.Goexit was called")

// A PanicError says that a job panicked. Trigger returns it to those who wait
// for the run, and Run panics with it under the Crash policy.
type PanicError struct {
	Job   string // the name of the job
	Value any    // what it panicked with, or ErrGoexit
	Stack string // of the panic, cut to 16 KiB

	text   string // Value, as kept
	origin origin
}

// Error returns the name of the job, the value of the panic and its stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("sweep: job %q panicked: %s\n\n%s", e.Job, e.text, e.Stack)
}

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// An outcome is what one run of a job came to.
type outcome struct {
	removed  int
	err      error       // for those who wait for the run
	text     string      // of err, as kept
	failed   bool        // err counts as an error of the job
	returned bool        // the job did, instead of panicking
	panicked *PanicError // is err then
}

// run runs a job that has begun, and finishes it. It does not return if the
// job calls runtime.Goexit, but finishes it all the same.
func (j *Janitor) run(ctx context.Context, job *Job, out *outcome) {
	defer j.finish(job, out)
	defer out.contain(job)
	job.call(ctx, out)
	out.returned = true
}

// call calls the job's own code, under the profiler labels of the job, which
// stay on. By this function's name stackOf knows the goroutine of a job from
// those that the job started, which carry the labels too.
func (job *Job) call(ctx context.Context, out *outcome) {
	pprof.SetGoroutineLabels(job.labels)
	if job.sweeper != nil {
		out.removed = max(0, job.sweeper.Sweep())
		return
	}
	if err := job.fn(ctx); err != nil {
		out.text = clip(err.Error())
		out.err = err
		cancelled := ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
		out.failed = !cancelled
	}
}

// contain ends a panic and notes it. It must be deferred itself: recover works
// in no other place. It runs in a runtime.Goexit too, but cannot end that.
func (out *outcome) contain(job *Job) {
	if out.returned {
		return
	}
	value := recover()
	if value == nil {
		value = ErrGoexit
	}
	stack := make([]byte, maxStack)
	stack = stack[:runtime.Stack(stack, false)]
	e := &PanicError{Job: job.name, Value: value, Stack: string(stack), text: clip(fmt.Sprint(value))}
	runtime.Callers(1, e.origin[:])
	out.err, out.text, out.failed, out.panicked = e, e.text, true, e
}

// An origin tells the place of one panic from that of another: the innermost
// return addresses of its stack.
type origin [32]uintptr

// origins remembers the last maxSeen panics that were logged.
type origins struct {
	ring []origin
	next int // the place of the oldest, once the ring is full
}

// add remembers an origin and reports whether it was new.
func (o *origins) add(from origin) bool {
	switch {
	case slices.Contains(o.ring, from):
		return false
	case len(o.ring) < maxSeen:
		o.ring = append(o.ring, from)
	default:
		o.ring[o.next] = from
		o.next = (o.next + 1) % maxSeen
	}
	return true
}

// clip cuts s to maxText bytes, and does not keep the rest of it alive.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	const mark = "…"
	return strings.ToValidUTF8(s[:maxText-len(mark)], "") + mark
}

// log logs for the janitor. No lock may be held: a handler is the user's code.
func (j *Janitor) log(level slog.Level, msg string, args ...any) {
	defer func() { _ = recover() }() // there is nowhere to tell of it
	logger := j.config.Logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.Log(context.Background(), level, msg, args...)
}
