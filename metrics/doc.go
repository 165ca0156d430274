// Package metrics provides monitoring that cannot itself become the leak:
// response times, request and error counts and memory figures whose size is
// bounded whatever the traffic sends.
//
// A [Ring] keeps the last observations and answers exact quantiles. A
// [Recorder] keeps what a web service wants to know about itself: requests by
// endpoint and status, errors by kind, slow requests, the error rate.
// [ReadMemory] says how much memory the process has and may have, and a
// [Watch] raises the alarm before the limit is reached, or when the memory grows
// as if it leaked, with the last heap profiles kept by [Profiles]. One [Snapshot] is
// written as JSON, as an expvar variable or as Prometheus text.
//
// # Bounds
//
// A Ring holds [RingConfig].Size observations. A Recorder holds its pinned
// routes, at most [RecorderConfig].MaxEndpoints further endpoints and at most
// MaxErrors error kinds, and no name longer than MaxLabelBytes. What has no
// series of its own is counted in a series called "other", so that totals are
// exact whatever happens. A name that turns out to be frequent takes the place
// of the coldest one, whose counts move to a series called "retired"; a name
// seen once never displaces anything. So a flood of invented names neither
// grows the process nor hides the routes that matter.
//
// # Concurrency
//
// Everything is safe for concurrent use. Ring.Observe is wait-free. A Recorder
// has one mutex, held for tens of nanoseconds by a request to an endpoint that has
// no series, longer if it is to get one, and for 10 µs (EPYC, default sizes, full)
// while a snapshot copies its counters; the response times are copied without it,
// and other requests take none. No reader of a Ring delays a writer; readers that keep nothing,
// which are callers of Ring.Quantiles and scrapes, take turns at one scratch. Functions
// given by the application are called with no lock held, and a panic in one is recovered
// and counted. The package starts no goroutine, registers nothing globally and
// does nothing when imported.
package metrics
