package metrics

import (
	"fmt"
	"sync"
	"time"
)

// Memory is how much memory the process has and may have. What the operating
// system does not tell is unknown: outside of Linux that is all but the figures
// of the Go runtime.
type Memory struct {
	// RSS is the physical memory that the process occupies.
	RSS Bytes `json:"rss_bytes"`
	// PeakRSS is the most that RSS ever was. The kernel keeps it across exec, so
	// that it may be of the program that started this one.
	PeakRSS Bytes `json:"peak_rss_bytes"`

	// GoHeap is what the objects on the heap occupy, garbage not yet collected
	// among them, so that it rises and falls with every cycle of the collector.
	GoHeap Bytes `json:"go_heap_bytes"`
	// GoLive is what the last cycle of the collector found in use. Unknown before
	// the first one.
	GoLive Bytes `json:"go_live_bytes"`
	// GoRuntime is what the Go runtime has besides the heap: stacks, metadata.
	GoRuntime Bytes `json:"go_runtime_bytes"`
	// GoTotal is all memory that the Go runtime holds, which is what GOMEMLIMIT
	// limits.
	GoTotal Bytes `json:"go_total_bytes"`
	// GoLimit is GOMEMLIMIT.
	GoLimit Bytes `json:"go_limit_bytes"`

	// CgroupLimit is the limit of the tightest control group that the process is
	// in: of its own and all above it that are visible, the one with the least
	// room left. Unlimited if none has a limit.
	CgroupLimit Bytes `json:"cgroup_limit_bytes"`
	// CgroupUsage is the memory that this group uses, page cache included.
	CgroupUsage Bytes `json:"cgroup_usage_bytes"`
	// CgroupCache is how much of CgroupUsage is page cache of files, which the
	// kernel takes back before it kills.
	CgroupCache Bytes `json:"cgroup_cache_bytes"`

	// SystemTotal is the memory of the machine.
	SystemTotal Bytes `json:"system_total_bytes"`
	// SystemAvailable is how much of it could be had without swapping.
	SystemAvailable Bytes `json:"system_available_bytes"`
}

// theProbe is made at the first use. There is one for the process, and it is never
// closed: it is about the process, as these files are.
var theProbe = sync.OnceValue(func() *probe { return newProbe("/") })

// ReadMemory returns the memory figures of the process. It does not stop the
// world.
//
// The figures of Go and RSS are of the moment. Those of control groups and of the
// system, and PeakRSS but for RSS itself, are at most a tenth of a second old,
// since they are dear to read. Which control group the process is in is looked up
// once a minute, or when its files fail. So ReadMemory takes 2 µs, and 40 µs ten
// times a second at most (EPYC, Linux with control groups of version 1, two levels
// deep), nearly all of it in the kernel. Apart from looking up the group it
// allocates nothing.
//
// On Linux the first call opens two files of /proc and up to four of each level of
// control groups, and these stay open for the life of the process, one set for
// all callers: opening a file costs more than reading it. A program that closes
// descriptors it does not know must not call ReadMemory.
func ReadMemory() Memory {
	return theProbe().read(time.Now())
}

// Pressure returns the share of its memory that the process needs, and reports
// whether that is known. It is the greater of two: the memory that the Go runtime
// cannot do without against GOMEMLIMIT, and what the tightest control group uses
// without page cache against its limit. If neither limit exists, it is the RSS
// against the memory of the machine. Neither garbage nor page cache counts,
// because both go away when memory is short.
func (m Memory) Pressure() (share float64, ok bool) {
	return m.tightest().share()
}

// tightest returns what Pressure is the share of.
func (m Memory) tightest() use {
	live := m.GoLive
	if live.IsUnknown() {
		live = m.GoHeap
	}
	u := use{plus(live, m.GoRuntime), m.GoLimit}.larger(use{minus(m.CgroupUsage, m.CgroupCache), m.CgroupLimit})
	if _, known := u.share(); !known {
		return use{m.RSS, m.SystemTotal}
	}
	return u
}

// A use is what is used of a limit.
type use struct{ used, limit Bytes }

// share returns the share of the limit that is used, if both are known.
func (u use) share() (float64, bool) { return ratio(u.used, u.limit) }

// larger returns the one of u and v whose share is larger, where one whose share
// is unknown counts as none.
func (u use) larger(v use) use {
	a, aKnown := u.share()
	b, bKnown := v.share()
	if !bKnown || aKnown && a >= b {
		return u
	}
	return v
}

// String returns the figures as a sentence.
func (m Memory) String() string {
	return fmt.Sprintf("%v resident, %v held by Go (limit %v); control group %v of %v; system %v available of %v",
		m.RSS, m.GoTotal, m.GoLimit, m.CgroupUsage, m.CgroupLimit, m.SystemAvailable, m.SystemTotal)
}

// limits are the limits that were known last.
type limits struct{ goLimit, cgroup, system Bytes }

// change takes over what m knows of the limits and reports whether one of them has
// another value than before.
func (l *limits) change(m Memory) (changed bool) {
	take := func(b *Bytes, now Bytes) {
		if now.IsUnknown() {
			return
		}
		changed = changed || !b.IsUnknown() && *b != now
		*b = now
	}
	take(&l.goLimit, m.GoLimit)
	take(&l.cgroup, m.CgroupLimit)
	take(&l.system, m.SystemTotal)
	return changed
}
