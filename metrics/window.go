package metrics

import (
	"sync"
	"sync/atomic"
	"time"
)

// windowParts is into how many parts a window is divided: it forgets in steps
// of a windowParts-th of its length.
const windowParts = 12

// A window counts requests and failures of the last while. It counts them for
// ever, and notes at the begin of each part how many there were by then: what is
// within the window is the difference. Nobody waits for anybody. Times are by the
// owner's clock.
type window struct {
	part               time.Duration // length of one part
	requests, failures Counter

	ends   atomic.Int64 // when the newest part ends
	mu     sync.Mutex   // held by the one who begins a new part
	newest atomic.Int64 // its number
	before [windowParts]struct{ requests, failures atomic.Uint64 }
}

type tally struct{ requests, failures uint64 }

func newWindow(length time.Duration) *window {
	w := &window{part: max(length/windowParts, 1)}
	w.ends.Store(int64(w.part))
	return w
}

// add counts one request.
func (w *window) add(now time.Duration, failed bool) {
	w.advance(now)
	if failed {
		w.failures.Inc()
	}
	w.requests.Inc()
}

// sum returns what was counted within the window that ends now.
func (w *window) sum(now time.Duration) tally {
	w.advance(now)
	oldest := &w.before[(w.newest.Load()+1)%windowParts]
	failures := max(w.failures.Value(), oldest.failures.Load()) - oldest.failures.Load()
	requests := max(w.requests.Value(), oldest.requests.Load()) - oldest.requests.Load()
	return tally{max(requests, failures), failures}
}

// advance begins the parts up to that of now. A now before the newest part, by a
// clock read a while ago, counts as in it, and so does all that comes while
// another begins a part.
func (w *window) advance(now time.Duration) {
	if int64(now) < w.ends.Load() || !w.mu.TryLock() {
		return
	}
	defer w.mu.Unlock()
	part := int64(now / w.part)
	requests, failures := w.requests.Value(), w.failures.Value()
	for n := max(w.newest.Load()+1, part-windowParts+1); n <= part; n++ {
		w.before[n%windowParts].requests.Store(requests)
		w.before[n%windowParts].failures.Store(failures)
		w.newest.Store(n)
	}
	w.ends.Store(max(w.ends.Load(), (part+1)*int64(w.part)))
}
