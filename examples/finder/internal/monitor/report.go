package monitor

import (
	"time"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/sweep"
)

// A Report is what a Monitor knows at one moment.
type Report struct {
	Watch      metrics.WatchState
	Matches    cache.Stats
	Ministries cache.Stats
	Sessions   Size
	Tracker    Size
	Jobs       []sweep.JobStats
	Traffic    metrics.Snapshot
	History    []Sample // the oldest first
}

// A Size is how full a container is.
type Size struct {
	Entries    int   `json:"entries"`
	MaxEntries int   `json:"max_entries"`
	Bytes      int64 `json:"bytes"`
}

// Report returns what is known now.
func (m *Monitor) Report() Report {
	r := Report{
		Watch:    m.watch.State(),
		Sessions: sizeOf(m.parts.Sessions),
		Tracker:  sizeOf(m.parts.Tracker),
		Jobs:     m.janitor.Jobs(),
		Traffic:  m.recorder.Snapshot(),
	}
	r.Matches, r.Ministries = m.parts.Matcher.Stats()
	m.mu.Lock()
	defer m.mu.Unlock()
	r.History = m.history.samples()
	return r
}

func sizeOf(c Container) Size { return Size{Entries: c.Len(), MaxEntries: c.Cap(), Bytes: c.Bytes()} }

// A Sample is the memory in use when the watch looked. A figure that is unknown is zero.
type Sample struct {
	RSS, Heap, Cache int64
}

// A history holds the last samples, 20 minutes of them at watchInterval.
type history struct {
	ring [int(20 * time.Minute / watchInterval)]Sample
	n    int // samples ever added
}

func (h *history) add(s Sample) {
	h.ring[h.n%len(h.ring)] = s
	h.n++
}

func (h *history) samples() []Sample {
	first := max(0, h.n-len(h.ring))
	samples := make([]Sample, 0, h.n-first)
	for i := first; i < h.n; i++ {
		samples = append(samples, h.ring[i%len(h.ring)])
	}
	return samples
}
