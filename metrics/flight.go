package metrics

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A flight makes answers, one at a time: who asks while one is being made gets
// that one.
type flight struct {
	mu   sync.Mutex // guards call
	call *call      // being made, or nil
}

type call struct {
	done chan struct{} // closed when it is made
	body []byte        // nil if its maker did not return
}

// patience is how long one waits at most for an answer that another makes: as long as
// Prometheus does.
const patience = 10 * time.Second

var errHangs = errors.New("metrics: the figures are being read, and that takes too long")

// do returns what answer returns, or the error of ctx if that ends while another
// makes it, or errHangs. answer runs with no lock held and must not return nil. If it panics or ends
// its goroutine, one of those who wait calls theirs.
func (f *flight) do(ctx context.Context, answer func() []byte) ([]byte, error) {
	var late <-chan time.Time // when patience ends, once there is something to wait for
	for {
		c, mine := f.join()
		if mine {
			defer f.land(c)
			c.body = answer()
			return c.body, nil
		}
		if late == nil {
			timer := time.NewTimer(patience)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late:
			return nil, errHangs
		}
		if c.body != nil {
			return c.body, nil
		}
	}
}

// join returns the call being made, or a new one for the caller to make.
func (f *flight) join() (c *call, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.call != nil {
		return f.call, false
	}
	f.call = &call{done: make(chan struct{})}
	return f.call, true
}

func (f *flight) land(c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.call = nil
	close(c.done)
}
