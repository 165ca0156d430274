//go:build !race

package ratelimit

// RaceDetector reports whether the tests run under the race detector. What one goroutine does alone has nothing
// to find there, and takes ten times as long.
const RaceDetector = false
