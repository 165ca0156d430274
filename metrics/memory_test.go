package metrics

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	rtmetrics "runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const gib = 1 << 30

// machine returns a directory with these files, one per pair of name and text. A
// text of "unreadable" stands for a file that can be opened and not read, and one
// of "unopenable" for one that is there and cannot be opened, for root neither.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		write(t, root, name, text)
	}
	return root
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	name = filepath.Join(root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	switch text {
	case "unreadable":
		require.NoError(t, os.Mkdir(name, 0o755))
	case "unopenable":
		require.NoError(t, os.Symlink(filepath.Base(name), name)) // a loop
	default:
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
}

const (
	v2Mount = "31 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Mount = "30 31 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
)

func TestCgroupForms(t *testing.T) {
	known, unknown := BytesOf, Bytes{}
	for name, c := range map[string]struct {
		files               map[string]string
		limit, usage, cache Bytes
	}{
		"none": {nil, unknown, unknown, unknown},
		"v2": {map[string]string{
			"proc/self/cgroup":                   "0::/app.slice\n",
			"proc/self/mountinfo":                v2Mount,
			"sys/fs/cgroup/app.slice/memory.max": "1073741824\n", "sys/fs/cgroup/app.slice/memory.current": "500\n",
			"sys/fs/cgroup/app.slice/memory.stat": "anon 1\nfile 400\nactive_file 30\ninactive_file 70\n",
		}, known(gib), known(500), known(100)},
		"v2 without limit": {map[string]string{
			"proc/self/cgroup":                   "0::/app.slice\n",
			"proc/self/mountinfo":                v2Mount,
			"sys/fs/cgroup/app.slice/memory.max": "max\n", "sys/fs/cgroup/app.slice/memory.current": "500\n",
		}, Unlimited, known(500), unknown},
		"v2 high below max": {map[string]string{
			"proc/self/cgroup":             "0::/a\n",
			"proc/self/mountinfo":          v2Mount,
			"sys/fs/cgroup/a/memory.max":   "1000\n",
			"sys/fs/cgroup/a/memory.high":  "800\n",
			"sys/fs/cgroup/a/memory.swap":  "1\n",
			"sys/fs/cgroup/memory.current": "7\n",
		}, known(800), unknown, unknown},
		"v2 parent tighter": {map[string]string{
			"proc/self/cgroup":                 "0::/pod/app\n",
			"proc/self/mountinfo":              v2Mount,
			"sys/fs/cgroup/pod/app/memory.max": "max\n", "sys/fs/cgroup/pod/app/memory.current": "10\n",
			"sys/fs/cgroup/pod/memory.max": "1000\n", "sys/fs/cgroup/pod/memory.current": "900\n",
		}, known(1000), known(900), unknown},
		"v2 siblings leave the parent less room": {map[string]string{
			"proc/self/cgroup":                 "0::/pod/app\n",
			"proc/self/mountinfo":              v2Mount,
			"sys/fs/cgroup/pod/app/memory.max": "500\n", "sys/fs/cgroup/pod/app/memory.current": "10\n",
			"sys/fs/cgroup/pod/memory.max": "1000\n", "sys/fs/cgroup/pod/memory.current": "900\n",
		}, known(1000), known(900), unknown},
		"v2 private namespace": {map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"proc/self/mountinfo":      v2Mount,
			"sys/fs/cgroup/memory.max": "2000\n", "sys/fs/cgroup/memory.current": "3\n",
		}, known(2000), known(3), unknown},
		"v2 outside of the namespace": {map[string]string{
			"proc/self/cgroup":         "0::/../../other\n",
			"proc/self/mountinfo":      v2Mount,
			"sys/fs/cgroup/memory.max": "2000\n",
		}, known(2000), unknown, unknown},
		"v1": {map[string]string{
			"proc/self/cgroup":    "4:memory:/docker/abc\n1:cpu:/\n",
			"proc/self/mountinfo": v1Mount,
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "1073741824\n",
			"sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": "500\n",
			"sys/fs/cgroup/memory/docker/abc/memory.stat":           "active_file 1\ninactive_file 1\nhierarchical_memory_limit 9223372036854771712\ntotal_active_file 30\ntotal_inactive_file 70\n",
		}, known(gib), known(500), known(100)},
		"v1 mounted from the container's group": {map[string]string{
			"proc/self/cgroup":                               "4:cpu,memory:/docker/abc/sub\n",
			"proc/self/mountinfo":                            "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro master:1 - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     "1000\n",
			"sys/fs/cgroup/memory/sub/memory.limit_in_bytes": "2000\n",
		}, known(1000), unknown, unknown},
		"v1 limit above what is visible": {map[string]string{
			"proc/self/cgroup":                           "4:memory:/\n",
			"proc/self/mountinfo":                        v1Mount,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.stat":           "hierarchical_memory_limit 700\n",
		}, known(700), unknown, unknown},
		"hybrid with memory on v1": {map[string]string{
			"proc/self/cgroup":                             "4:memory:/a\n0::/b\n",
			"proc/self/mountinfo":                          v2Mount + v1Mount,
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1000\n",
			"sys/fs/cgroup/b/memory.max":                   "5\n",
		}, known(1000), unknown, unknown},
		"hybrid with memory on v2": {map[string]string{
			"proc/self/cgroup":             "4:cpu,cpuacct:/a\n1:name=systemd:/c\n0::/b\n",
			"proc/self/mountinfo":          "30 31 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n31 23 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/cpu/a/cpu.stat": "1\n", "sys/fs/cgroup/unified/b/memory.max": "5\n", "sys/fs/cgroup/unified/b/memory.current": "3\n",
		}, known(5), known(3), unknown},
		"v1 parent tighter": {map[string]string{
			"proc/self/cgroup":    "4:memory:/pod/app\n",
			"proc/self/mountinfo": v1Mount,
			"sys/fs/cgroup/memory/pod/app/memory.limit_in_bytes": "9000\n", "sys/fs/cgroup/memory/pod/app/memory.usage_in_bytes": "10\n",
			"sys/fs/cgroup/memory/pod/memory.limit_in_bytes": "1000\n", "sys/fs/cgroup/memory/pod/memory.usage_in_bytes": "800\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "100000\n",
		}, known(1000), known(800), unknown},
		"v1 without limit": {map[string]string{
			"proc/self/cgroup":                             "4:memory:/a\n",
			"proc/self/mountinfo":                          v1Mount,
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "10\n",
		}, Unlimited, known(10), unknown},
		"v2 mounted from the container's group": {map[string]string{
			"proc/self/cgroup":             "0::/docker/abc/sub\n",
			"proc/self/mountinfo":          "31 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory.max":     "1000\n",
			"sys/fs/cgroup/sub/memory.max": "2000\n",
		}, known(1000), unknown, unknown},
		"v2 grandparent tightest": {map[string]string{
			"proc/self/cgroup":                 "0::/a/b/c\n",
			"proc/self/mountinfo":              v2Mount,
			"sys/fs/cgroup/a/b/c/memory.max":   "700\n",
			"sys/fs/cgroup/a/b/memory.high":    "800\n",
			"sys/fs/cgroup/a/b/memory.max":     "max\n",
			"sys/fs/cgroup/a/memory.max":       "300\n",
			"sys/fs/cgroup/a/memory.current":   "200\n",
			"sys/fs/cgroup/a/b/memory.current": "150\n",
		}, known(300), known(200), unknown},
		"garbage in the limit": {map[string]string{
			"proc/self/cgroup":         "0::/\nnonsense\n:::\n",
			"proc/self/mountinfo":      "nonsense\n - \n" + v2Mount,
			"sys/fs/cgroup/memory.max": "12 apples\n",
		}, unknown, unknown, unknown},
		"space in the path": {map[string]string{
			"proc/self/cgroup":         "0::/a b\n",
			"proc/self/mountinfo":      `31 23 0:26 / /my\040cgroup rw - cgroup2 cgroup2 rw` + "\n",
			"my cgroup/a b/memory.max": "9\n",
		}, known(9), unknown, unknown},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			m := newProbe(machine(t, c.files)).read(time.Now())
			require.Equal(t, c.limit, m.CgroupLimit)
			require.Equal(t, c.usage, m.CgroupUsage)
			require.Equal(t, c.cache, m.CgroupCache)
			require.True(t, m.RSS.IsUnknown())
			require.False(t, m.GoTotal.IsUnknown())
		})
	}
}

// A file that exists and cannot be read is not the same as no limit.
func TestCgroupUnreadable(t *testing.T) {
	for _, how := range []string{"unreadable", "unopenable"} {
		m := newProbe(machine(t, map[string]string{
			"proc/self/cgroup":             "0::/a\n",
			"proc/self/mountinfo":          v2Mount,
			"proc/self/statm":              how,
			"proc/meminfo":                 how,
			"sys/fs/cgroup/a/memory.max":   how,
			"sys/fs/cgroup/a/memory.high":  "max\n",
			"sys/fs/cgroup/memory.current": how,
		})).read(time.Now())
		require.True(t, m.CgroupLimit.IsUnknown(), "what can be read says none, but that is not all")
		require.True(t, m.CgroupUsage.IsUnknown())
		require.True(t, m.RSS.IsUnknown())
		require.True(t, m.SystemTotal.IsUnknown())
		require.False(t, m.GoTotal.IsUnknown())

		m = newProbe(machine(t, map[string]string{"proc/self/cgroup": how, "proc/self/mountinfo": v2Mount})).read(time.Now())
		require.True(t, m.CgroupLimit.IsUnknown())
	}
}

func TestCgroupLimitThatChangesIsSeen(t *testing.T) {
	root := machine(t, map[string]string{
		"proc/self/cgroup":         "0::/\n",
		"proc/self/mountinfo":      v2Mount,
		"sys/fs/cgroup/memory.max": "2000\n",
	})
	p, now := newProbe(root), time.Now()
	require.Equal(t, BytesOf(2000), p.read(now).CgroupLimit)
	write(t, root, "sys/fs/cgroup/memory.max", "max\n")
	require.Equal(t, BytesOf(2000), p.read(now.Add(refreshEvery-1)).CgroupLimit)
	require.Equal(t, Unlimited, p.read(now.Add(refreshEvery)).CgroupLimit)
	write(t, root, "sys/fs/cgroup/memory.max", "1000\n")
	require.Equal(t, BytesOf(1000), p.read(now).CgroupLimit, "a clock that went back")
}

// What happens when a limit is given to a group far above, or the process is moved.
func TestCgroupOfTheTightestGroupChanges(t *testing.T) {
	root := machine(t, map[string]string{
		"proc/self/cgroup":                 "0::/pod/app\n",
		"proc/self/mountinfo":              v2Mount,
		"sys/fs/cgroup/pod/app/memory.max": "500\n", "sys/fs/cgroup/pod/app/memory.current": "100\n",
		"sys/fs/cgroup/pod/memory.max": "max\n", "sys/fs/cgroup/pod/memory.current": "900\n",
		"sys/fs/cgroup/new/memory.max": "7\n",
	})
	p, now := newProbe(root), time.Now()
	require.Equal(t, BytesOf(100), p.read(now).CgroupUsage)
	write(t, root, "sys/fs/cgroup/pod/memory.max", "1000\n")
	m := p.read(now.Add(refreshEvery))
	require.Equal(t, BytesOf(1000), m.CgroupLimit, "100 left rather than 400")
	require.Equal(t, BytesOf(900), m.CgroupUsage)
	write(t, root, "proc/self/cgroup", "0::/new\n")
	require.Equal(t, BytesOf(1000), p.read(now.Add(resolveEvery-1)).CgroupLimit)
	require.Equal(t, BytesOf(7), p.read(now.Add(resolveEvery-1+refreshEvery)).CgroupLimit)
}

// As when the group is removed under the process: the kernel fails the read.
func TestFilesThatFailAreOpenedAnew(t *testing.T) {
	root := machine(t, map[string]string{"proc/self/statm": "9 5 0\n", "proc/meminfo": "MemTotal: 1 kB\n"})
	p, now := newProbe(root), time.Now()
	p.pageSize = 1
	require.Equal(t, BytesOf(5), p.read(now).RSS)
	require.NoError(t, p.statm.f.Close())
	require.True(t, p.read(now).RSS.IsUnknown())
	require.True(t, p.read(now.Add(refreshEvery-1)).RSS.IsUnknown(), "not opened again and again")
	require.Equal(t, BytesOf(5), p.read(now.Add(refreshEvery)).RSS)
}

func TestSystemAndResidentMemory(t *testing.T) {
	p := newProbe(machine(t, map[string]string{
		"proc/self/statm": "3000 250 100 1 0 50 0\n",
		"proc/meminfo":    "MemTotal:       16384 kB\nMemFree:  1 kB\nMemAvailable:    8192 kB\n",
	}))
	p.pageSize = 4096
	m := p.read(time.Now())
	require.Equal(t, BytesOf(250*4096), m.RSS)
	require.Equal(t, BytesOf(16<<20), m.SystemTotal)
	require.Equal(t, BytesOf(8<<20), m.SystemAvailable)

	p = newProbe(machine(t, map[string]string{"proc/self/statm": "3000\n", "proc/meminfo": "MemTotal: many kB\nMemAvailable:\n"}))
	m = p.read(time.Now())
	require.True(t, m.RSS.IsUnknown())
	require.True(t, m.SystemTotal.IsUnknown())
	require.True(t, m.SystemAvailable.IsUnknown())
}

func TestNumbersAreParsed(t *testing.T) {
	for text, want := range map[string]Bytes{
		"": {}, "x": {}, "-1": {}, "1x": {}, "0": BytesOf(0), " 7 \n": BytesOf(7),
		"9223372036854775807":  BytesOf(1<<63 - 1),
		"9223372036854775808":  BytesOf(1<<63 - 1),
		"99999999999999999999": BytesOf(1<<63 - 1),
	} {
		require.Equal(t, want, parseAmount([]byte(text)), text)
	}
	require.Equal(t, Unlimited, parseLimit([]byte("max\n")))
	require.Equal(t, Unlimited, parseLimit([]byte("9223372036854771712")))
}

func TestReadMemoryOfThisProcess(t *testing.T) {
	runtime.GC()
	m := ReadMemory()
	for name, b := range map[string]Bytes{"GoHeap": m.GoHeap, "GoLive": m.GoLive, "GoRuntime": m.GoRuntime, "GoTotal": m.GoTotal} {
		n, ok := b.Get()
		require.True(t, ok, name)
		require.Positive(t, n, name)
	}
	limit := debug.SetMemoryLimit(gib)
	defer debug.SetMemoryLimit(limit)
	require.Equal(t, BytesOf(gib), ReadMemory().GoLimit)
	share, ok := ReadMemory().Pressure()
	require.True(t, ok)
	require.Greater(t, share, 0.0)
	if runtime.GOOS == "linux" {
		rss, _ := m.RSS.Get()
		require.Greater(t, rss, int64(1<<20))
		peak, _ := m.PeakRSS.Get()
		require.GreaterOrEqual(t, peak, rss)
		total, _ := m.SystemTotal.Get()
		require.Greater(t, total, rss)
	}
}

// As ReadMemStats does, which is what the figures are compared with.
func TestReadMemoryDoesNotStopTheWorld(t *testing.T) {
	pauses := func() (n uint64) {
		sample := []rtmetrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
		rtmetrics.Read(sample)
		for _, count := range sample[0].Value.Float64Histogram().Counts {
			n += count
		}
		return n
	}
	before := pauses()
	for range 1000 {
		ReadMemory()
	}
	require.Equal(t, before, pauses())
	runtime.ReadMemStats(new(runtime.MemStats))
	require.Greater(t, pauses(), before, "that would show")
}

func TestPressureIsTheGreaterOfTwo(t *testing.T) {
	half, tenth := BytesOf(50), BytesOf(10)
	full := BytesOf(100)
	for name, c := range map[string]struct {
		m    Memory
		want float64
		ok   bool
	}{
		"nothing known":         {Memory{}, 0, false},
		"no limits":             {Memory{RSS: half, SystemTotal: full, GoLimit: Unlimited, CgroupLimit: Unlimited}, 0.5, true},
		"a group":               {Memory{RSS: full, SystemTotal: full, CgroupUsage: half, CgroupLimit: full}, 0.5, true},
		"page cache is no need": {Memory{CgroupUsage: full, CgroupCache: half, CgroupLimit: full}, 0.5, true},
		"garbage is no need":    {Memory{GoHeap: full, GoLive: tenth, GoRuntime: tenth, GoLimit: full}, 0.2, true},
		"before the first GC":   {Memory{GoHeap: half, GoRuntime: tenth, GoLimit: full}, 0.6, true},
		"both":                  {Memory{GoLive: tenth, GoRuntime: tenth, GoLimit: full, CgroupUsage: half, CgroupLimit: full}, 0.5, true},
		"a limit of zero":       {Memory{CgroupUsage: half, CgroupLimit: BytesOf(0)}, 0, false},
	} {
		got, ok := c.m.Pressure()
		require.Equal(t, c.ok, ok, name)
		require.InDelta(t, c.want, got, 1e-9, name)
	}
}

func TestBytesInWords(t *testing.T) {
	require.Equal(t, "unknown", Bytes{}.String())
	require.Equal(t, "0 B", BytesOf(0).String())
	require.Equal(t, "55 MB", BytesOf(52<<20).String())
	require.Equal(t, "unlimited", Unlimited.String())
	require.Equal(t, "-1 B", BytesOf(-1).String())
	require.Equal(t, BytesOf(1), BytesOf(1).tighter(Unlimited))
	require.Equal(t, BytesOf(1), Bytes{}.tighter(BytesOf(1)))
	require.Equal(t, Unlimited, Unlimited.tighter(Bytes{}))
	require.Equal(t, Unlimited, Bytes{}.tighter(Unlimited))
}

func FuzzCgroupFiles(f *testing.F) {
	f.Add("0::/a\n", v2Mount, "max", "active_file 1\ninactive_file 2\n")
	f.Add("4:memory:/docker/x\n0::/\n", v1Mount, "9223372036854771712", "hierarchical_memory_limit 5\n")
	f.Add("0::/../x", `1 2 3:4 / /a\04 rw - cgroup2 x rw`, "18446744073709551616", "total_active_file")
	f.Fuzz(func(t *testing.T, self, mounts, limit, stat string) {
		dir, top, _, ok := findCgroup([]byte(self), []byte(mounts))
		if ok {
			require.True(t, dir == top || top == "." || strings.HasPrefix(dir, top+"/"), "%q is within %q", dir, top)
			require.False(t, strings.HasPrefix(dir, "/"))
		}
		for _, b := range []Bytes{parseLimit([]byte(limit)), lookUp([]byte(stat), "total_", "active_file"), parseStatm([]byte(stat), 4096)} {
			n, _ := b.Get()
			require.GreaterOrEqual(t, n, int64(0))
		}
		parseMeminfo([]byte(stat))
	})
}

func TestALimitThatBecomesKnownHasNotChanged(t *testing.T) {
	var l limits
	for _, m := range []struct {
		goLimit, cgroup Bytes
		changed         bool
	}{
		{Bytes{}, Bytes{}, false},
		{Unlimited, Bytes{}, false},
		{Unlimited, BytesOf(100), false},
		{Bytes{}, BytesOf(100), false},
		{Unlimited, Bytes{}, false},
		{BytesOf(50), BytesOf(100), true},
		{BytesOf(50), BytesOf(101), true},
		{BytesOf(50), BytesOf(101), false},
	} {
		require.Equal(t, m.changed, l.change(Memory{GoLimit: m.goLimit, CgroupLimit: m.cgroup}), "%v", m)
	}
}

func TestAGroupOutsideOfTheMountIsItsRoot(t *testing.T) {
	m := mount{root: "/a", point: "/sys/fs/cgroup"}
	for group, want := range map[string]string{
		"/a": "sys/fs/cgroup", "/a/b": "sys/fs/cgroup/b", "/ab/c": "sys/fs/cgroup", "/b": "sys/fs/cgroup", "/a/../b": "sys/fs/cgroup", "/": "sys/fs/cgroup",
	} {
		require.Equal(t, want, m.dirOf(group), group)
	}
}

// The kernel's figure may be of a while ago, and of the process that runs the test.
func TestPeakIsNoLessThanWhatIsOccupied(t *testing.T) {
	kernel := peakRSS()
	for pages, want := range map[string]Bytes{"0": kernel, "1000000000": BytesOf(1_000_000_000 * int64(os.Getpagesize()))} {
		m := newProbe(machine(t, map[string]string{"proc/self/statm": "2000000000 " + pages + " 1 1 0 1 0\n"})).read(time.Now())
		least, _ := want.Get()
		peak, known := m.PeakRSS.Get()
		require.True(t, known)
		require.GreaterOrEqual(t, peak, least, pages)
	}
}
