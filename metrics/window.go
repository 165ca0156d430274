package metrics

import "time"

// windowParts is into how many parts a window is divided: it forgets in steps
// of a windowParts-th of its length.
const windowParts = 12

// A window counts requests and failures of the last while.
// It is not safe for concurrent use. Times are since the owner's start.
type window struct {
	part  time.Duration // length of one part
	last  int64         // number of the newest part
	parts [windowParts]tally
}

type tally struct{ requests, failures uint64 }

func newWindow(length time.Duration) window {
	return window{part: max(length/windowParts, 1)}
}

// add counts one request.
func (w *window) add(now time.Duration, failed bool) {
	w.advance(now)
	p := &w.parts[w.last%windowParts]
	p.requests++
	if failed {
		p.failures++
	}
}

// sum returns what was counted within the window that ends now.
func (w *window) sum(now time.Duration) (total tally) {
	w.advance(now)
	for _, p := range w.parts {
		total.requests += p.requests
		total.failures += p.failures
	}
	return total
}

// advance empties the parts that time has passed over since the last call.
// A now before the newest part, by a clock read before a lock was had, counts as
// in it.
func (w *window) advance(now time.Duration) {
	part := int64(now / w.part)
	for n := min(part-w.last, windowParts); n > 0; n-- {
		w.last++
		w.parts[w.last%windowParts] = tally{}
	}
	w.last = max(w.last, part)
}
