// Package linear has no code but a test: it records what goroutines see of a cache
// that they use at the same time, and has a checker look for one order of the operations that
// explains all of it.
//
// The checker is porcupine (https://github.com/anishathalye/porcupine). It lives here, and not
// beside the cache, so that the library does not require it.
package linear
