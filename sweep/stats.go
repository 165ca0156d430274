package sweep

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// A Kind says how a job was added.
type Kind uint8

const (
	// KindSweeper is a job added with Every.
	KindSweeper Kind = iota
	// KindFunc is a job added with Func.
	KindFunc
)

// String returns "sweeper" or "func".
func (k Kind) String() string {
	if k == KindFunc {
		return "func"
	}
	return "sweeper"
}

// JobStats is what a janitor knows of one job at one moment.
type JobStats struct {
	// Name, Kind and Interval are what the job was added with.
	Name     string
	Kind     Kind
	Interval time.Duration

	// Runs is the number of runs that have ended, on time, triggered or by
	// SweepAll. Panics of them panicked or called runtime.Goexit, and Errors
	// of them returned an error. Slow is the number of runs, of a sweeper, that
	// took Config.SlowAfter or longer, and Missed the number of intervals in which no run
	// began: because of a suspend, of other sweepers, of the length of its own
	// runs, or of a back-off.
	Runs, Panics, Errors, Slow, Missed uint64

	// Removed is the sum of what Sweep returned.
	Removed uint64

	// Lag is how long after its time the last run of the janitor began: after
	// it was due or asked for. MaxLag is the longest Lag yet.
	Lag, MaxLag time.Duration

	// LastDuration is how long the last run took and TotalDuration how long
	// all runs took together.
	LastDuration, TotalDuration time.Duration

	// Next is when the job is to run, in the past if it waits for the worker.
	// It is zero while the job runs or is stopped and while Run does not run.
	Next time.Time

	// RunningSince is when the run in progress began, zero if there is none.
	RunningSince time.Time

	// LastError is the error or panic of the last run that had one, without its
	// stack and cut to 256 bytes; empty if there was none yet.
	LastError string

	// BackingOff reports whether the last run panicked, so that the interval
	// to the next is longer.
	BackingOff bool

	// Stopped reports whether the job was stopped.
	Stopped bool
}

// String returns the statistics as a sentence.
func (st JobStats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v every %v, %s", st.Name, st.Kind, st.Interval, count(st.Runs, "run"))
	if st.Kind == KindSweeper {
		fmt.Fprintf(&b, " removed %s", humanize.Comma(int64(st.Removed)))
	}
	if st.Runs > 0 {
		fmt.Fprintf(&b, ", last took %v with lag %v", st.LastDuration, st.Lag)
	}
	for _, bad := range []struct {
		n    uint64
		what string
	}{{st.Panics, "panic"}, {st.Errors, "error"}, {st.Slow, "slow run"}, {st.Missed, "missed interval"}} {
		if bad.n > 0 {
			b.WriteString(", " + count(bad.n, bad.what))
		}
	}
	switch {
	case !st.RunningSince.IsZero():
		b.WriteString(", running")
	case st.Stopped:
		b.WriteString(", stopped")
	case st.BackingOff:
		b.WriteString(", backing off")
	}
	if st.LastError != "" {
		fmt.Fprintf(&b, ", last error: %s", st.LastError)
	}
	return b.String()
}

// count writes "1 run" and "1,234 runs".
func count(n uint64, what string) string {
	if n != 1 {
		what += "s"
	}
	return humanize.Comma(int64(n)) + " " + what
}
