package sweep

import (
	"math"
	"math/bits"
	"time"
)

// This file is the arithmetic of due times, as pure functions. An instant is a
// time.Duration on the monotonic clock, counted from the janitor's birth.
//
// The due times of a job are a grid: its first due time plus whole intervals.
// However late a run starts and however long it takes, the next one is due on
// the grid, so intervals do not drift.

const (
	// maxPauses and maxPause bound the back-off of a job that panics: its
	// interval grows to at most 64 times itself, and to at most an hour
	// unless it was longer from the beginning.
	maxPauses = 6
	maxPause  = time.Hour
)

// firstDelay returns how long after its start the seq-th job is due first: more
// than zero and at most one interval.
//
// Multiples of the golden ratio, modulo one, are a sequence of low discrepancy:
// any number of jobs with equal intervals stand about equally far apart, and
// adding one more moves none of the others. Job 0 waits one whole interval.
func firstDelay(interval time.Duration, seq uint64) time.Duration {
	const golden = 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio
	skipped, _ := bits.Mul64(uint64(interval), seq*golden)
	return interval - time.Duration(skipped)
}

// nextDue returns the first point after the instant `after` on the grid of a
// job that was last due at `due`, and how many points between the two are left
// out: the intervals that no run will be made up for.
func nextDue(due, after, interval time.Duration) (next time.Duration, missed uint64) {
	if due > after {
		return due, 0
	}
	skip := (after - due) / interval
	return later(due+skip*interval, interval), uint64(skip)
}

// pause returns what is added to the interval of a job after so many panics in
// a row: the interval doubles with each, up to the bounds above.
func pause(interval time.Duration, panics int) time.Duration {
	doublings := min(panics, maxPauses)
	longest := max(maxPause, interval)
	if interval > longest>>doublings {
		return longest - interval
	}
	return interval<<doublings - interval
}

// later returns the instant d after t, or the end of time if that is sooner.
func later(t, d time.Duration) time.Duration {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}
