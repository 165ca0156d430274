package metrics

import (
	"math"
	"os"
	"path/filepath"
	rtmetrics "runtime/metrics"
	"sync"
	"time"
)

const (
	// probeBuffer is enough for the largest file read warm: memory.stat, about 3 KiB.
	probeBuffer = 8 << 10

	// refreshEvery is how often the figures of control groups and of the machine are
	// read: the page cache of a group takes 10 µs at each level, its other figures
	// 1 µs each, the machine's memory 7 µs.
	refreshEvery = 100 * time.Millisecond

	// resolveEvery is how often the control group is looked up anew, and files that
	// could not be opened are tried again. A file that was open and fails, as those
	// of a group that is gone, has all looked up at the next refresh.
	resolveEvery = time.Minute
)

// goSamples are what is read of the Go runtime, in the order of readGo.
var goSamples = [...]string{
	"/memory/classes/heap/objects:bytes",
	"/gc/heap/live:bytes",
	"/memory/classes/total:bytes",
	"/memory/classes/heap/released:bytes",
	"/memory/classes/heap/free:bytes",
	"/memory/classes/heap/unused:bytes",
	"/gc/gomemlimit:bytes",
}

// A probe reads memory figures from the Go runtime and from a directory that
// looks like the root of a Linux machine.
//
// It keeps open the files it reads, because opening one costs more than reading
// it, and reads all but one of them only once in refreshEvery.
type probe struct {
	root     string
	pageSize int64

	// mu guards what follows, and is held while files are read.
	mu        sync.Mutex
	resolved  time.Time // when the files were looked up
	refreshed time.Time // when seldom was read
	failed    bool      // whether a file that was open could not be read since
	seldom    Memory    // the figures read once in refreshEvery; the others are unknown
	statm     file
	meminfo   file
	groups    []cgroup
	samples   []rtmetrics.Sample
	buf       []byte
}

func newProbe(root string) *probe {
	p := &probe{
		root:     root,
		pageSize: int64(os.Getpagesize()),
		statm:    noFile,
		meminfo:  noFile,
		samples:  make([]rtmetrics.Sample, len(goSamples)),
		buf:      make([]byte, probeBuffer),
	}
	for i, name := range goSamples {
		p.samples[i].Name = name
	}
	return p
}

// read returns the figures at now.
func (p *probe) read(now time.Time) Memory {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !within(now, p.refreshed, refreshEvery) {
		if p.failed || !within(now, p.resolved, resolveEvery) {
			p.resolveLocked()
			p.resolved, p.failed = now, false
		}
		p.refreshLocked()
		p.refreshed = now
	}
	m := p.seldom
	p.readGoLocked(&m)
	m.RSS = parseStatm(p.textLocked(&p.statm), p.pageSize)
	if rss, ok := m.RSS.Get(); ok {
		peak, _ := m.PeakRSS.Get()
		m.PeakRSS = BytesOf(max(peak, rss))
	}
	return m
}

// within reports whether now is in the while that begins at since. Clocks that
// are not of one kind, as inside and outside of a synctest bubble, never are.
func within(now, since time.Time, while time.Duration) bool {
	age := now.Sub(since)
	return !since.IsZero() && 0 <= age && age < while
}

// resolveLocked opens the files anew. p.mu must be held.
func (p *probe) resolveLocked() {
	p.statm.close()
	p.meminfo.close()
	for i := range p.groups {
		p.groups[i].close()
	}
	p.statm = openFile(filepath.Join(p.root, "proc/self/statm"))
	p.meminfo = openFile(filepath.Join(p.root, "proc/meminfo"))
	p.groups = openCgroups(p.root)
}

// refreshLocked reads the figures of the machine and of control groups. p.mu must be held.
func (p *probe) refreshLocked() {
	m := Memory{PeakRSS: peakRSS()}
	m.SystemTotal, m.SystemAvailable = parseMeminfo(p.textLocked(&p.meminfo))
	m.CgroupLimit, m.CgroupUsage, m.CgroupCache = tightest(p.groups, p.textLocked)
	p.seldom = m
}

// textLocked returns what is in a file, nil if it could not be opened or read; in
// the second case all files are opened anew at the next refresh. What it returns
// is overwritten by the next call. p.mu must be held.
func (p *probe) textLocked(f *file) []byte {
	b, err := f.read(p.buf)
	if err != nil && f.err == nil {
		p.failed = true
	}
	return b
}

func (p *probe) readGoLocked(m *Memory) {
	rtmetrics.Read(p.samples)
	get := func(i int) Bytes {
		if p.samples[i].Value.Kind() != rtmetrics.KindUint64 {
			return Bytes{}
		}
		return BytesOf(int64(min(p.samples[i].Value.Uint64(), math.MaxInt64)))
	}
	m.GoHeap = get(0)
	if live, _ := get(1).Get(); live > 0 {
		m.GoLive = get(1)
	}
	m.GoTotal = minus(get(2), get(3))
	m.GoRuntime = minus(minus(minus(m.GoTotal, m.GoHeap), get(4)), get(5))
	m.GoLimit = get(6)
	if n, ok := m.GoLimit.Get(); ok && n == math.MaxInt64 {
		m.GoLimit = Unlimited
	}
}

// plus returns a+b, unknown unless both are known.
func plus(a, b Bytes) Bytes {
	if a.state != bytesKnown || b.state != bytesKnown {
		return Bytes{}
	}
	return BytesOf(a.n + b.n)
}

// minus returns a-b, no less than 0. If b is not known it returns a, which is
// then an upper bound.
func minus(a, b Bytes) Bytes {
	if a.state != bytesKnown || b.state != bytesKnown {
		return a
	}
	return BytesOf(max(a.n-b.n, 0))
}

// ratio returns part/whole, if both are known and whole is not 0.
func ratio(part, whole Bytes) (float64, bool) {
	if part.state != bytesKnown || whole.state != bytesKnown || whole.n <= 0 {
		return 0, false
	}
	return float64(part.n) / float64(whole.n), true
}
