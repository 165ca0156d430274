//go:build !race

package cache_test

// raceDetector reports whether the tests run under the race detector, where all is many times slower.
const raceDetector = false
