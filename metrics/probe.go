package metrics

import (
	"io"
	"io/fs"
	"math"
	"os"
	rtmetrics "runtime/metrics"
	"sync"
	"time"
)

const (
	// probeBuffer is enough for the largest file read warm: memory.stat, about 3 KiB.
	probeBuffer = 8 << 10

	// resolveEvery is how often the control group is looked up anew, and files that
	// could not be opened are tried again.
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

// A probe reads memory figures from the Go runtime and from a file system that
// looks like the root of a Linux machine.
type probe struct {
	fsys     fs.FS
	pageSize int64

	// mu guards what follows, and is held while files are read.
	mu       sync.Mutex
	resolved time.Time // when the files were looked up
	statm    file
	meminfo  file
	groups   []cgroup
	samples  []rtmetrics.Sample
	buf      []byte
}

func newProbe(fsys fs.FS) *probe {
	p := &probe{
		fsys:     fsys,
		pageSize: int64(os.Getpagesize()),
		samples:  make([]rtmetrics.Sample, len(goSamples)),
		buf:      make([]byte, probeBuffer),
	}
	for i, name := range goSamples {
		p.samples[i].Name = name
	}
	return p
}

func (p *probe) read() Memory {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.resolved.IsZero() || now.Sub(p.resolved) >= resolveEvery {
		p.resolveLocked()
		p.resolved = now
	}
	var m Memory
	p.readGoLocked(&m)
	if b, err := p.statm.read(p.buf); err == nil {
		m.RSS = parseStatm(b, p.pageSize)
	}
	if b, err := p.meminfo.read(p.buf); err == nil {
		m.SystemTotal, m.SystemAvailable = parseMeminfo(b)
	}
	m.CgroupLimit, m.CgroupUsage, m.CgroupCache = tightest(p.groups, p.buf)
	return m
}

// resolveLocked opens the files anew. p.mu must be held.
func (p *probe) resolveLocked() {
	p.statm.close()
	p.meminfo.close()
	for i := range p.groups {
		p.groups[i].close()
	}
	p.statm = openFile(p.fsys, "proc/self/statm")
	p.meminfo = openFile(p.fsys, "proc/meminfo")
	p.groups = openCgroups(p.fsys)
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

// A file is open for reading again and again, or could not be opened.
type file struct {
	f   fs.File
	at  io.ReaderAt
	err error
}

func openFile(fsys fs.FS, name string) file {
	f, err := fsys.Open(name)
	if err != nil {
		return file{err: err}
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		f.Close()
		return file{err: fs.ErrInvalid}
	}
	return file{f: f, at: at}
}

// read reads the file from its start into buf and returns what it read, which is
// cut if buf is too small. It returns fs.ErrClosed for a file never opened.
func (f *file) read(buf []byte) ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	if f.at == nil {
		return nil, fs.ErrClosed
	}
	n, err := f.at.ReadAt(buf, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return buf[:n], nil
}

func (f *file) close() {
	if f.f != nil {
		f.f.Close()
	}
	*f = file{}
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

// larger returns a function that returns the larger of two ratios, where one
// that is not ok counts as none.
func larger(a float64, aOK bool) func(b float64, bOK bool) (float64, bool) {
	return func(b float64, bOK bool) (float64, bool) {
		if !bOK || aOK && a >= b {
			return a, aOK
		}
		return b, true
	}
}
