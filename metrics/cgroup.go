package metrics

import (
	"bytes"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupUnlimited is what version 1 calls no limit, or more: it writes the
// greatest number of whole pages.
const cgroupUnlimited = 1 << 60

// maxCgroups bounds how many levels of control groups are looked at.
const maxCgroups = 32

// A cgroup is one control group that limits the memory of the process: its own
// or one above it.
type cgroup struct {
	v1                       bool
	max, high, current, stat file
}

// cgroupFiles are the names of a control group's files by version.
var cgroupFiles = map[bool]struct{ max, high, current string }{
	false: {"memory.max", "memory.high", "memory.current"},
	true:  {"memory.limit_in_bytes", "", "memory.usage_in_bytes"},
}

// openCgroups opens the files of the process's control group and of all above it
// that are visible, the innermost first.
func openCgroups(root string) []cgroup {
	self, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return nil
	}
	mounts, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil
	}
	dir, top, v1, ok := findCgroup(self, mounts)
	if !ok {
		return nil
	}
	names := cgroupFiles[v1]
	var groups []cgroup
	for len(groups) < maxCgroups {
		open := func(name string) file {
			if name == "" {
				return noFile
			}
			return openFile(filepath.Join(root, dir, name))
		}
		groups = append(groups, cgroup{
			v1: v1, max: open(names.max), high: open(names.high), current: open(names.current), stat: open("memory.stat"),
		})
		if dir == top || dir == "." {
			break
		}
		dir = path.Dir(dir)
	}
	return groups
}

func (g *cgroup) close() {
	g.max.close()
	g.high.close()
	g.current.close()
	g.stat.close()
}

// limits returns the limit of a group and what it uses, and how much of that is
// page cache. A limit that is there and cannot be read or understood makes it
// unknown whether there is none. Files are read with text.
func (g *cgroup) limits(text func(*file) []byte) (limit, usage, cache Bytes, sure bool) {
	limit, sure = g.max.limit(text)
	high, sureOfHigh := g.high.limit(text)
	limit = limit.tighter(high)
	usage = parseAmount(text(&g.current))
	stat := text(&g.stat)
	prefix := ""
	if g.v1 {
		prefix = "total_" // with the groups below, as the usage is
		if inherited := lookUp(stat, "hierarchical_memory_limit", ""); !inherited.IsUnknown() {
			limit = limit.tighter(limitOf(inherited))
		}
	}
	cache = plus(lookUp(stat, prefix, "active_file"), lookUp(stat, prefix, "inactive_file"))
	return limit, usage, cache, sure && sureOfHigh
}

// limit returns the limit in a file such as memory.max, unknown if there is no
// such file. It reports false if there is one that it cannot make out.
func (f *file) limit(text func(*file) []byte) (limit Bytes, sure bool) {
	if missing(f.err) {
		return Bytes{}, true
	}
	limit = parseLimit(text(f))
	return limit, !limit.IsUnknown()
}

// tightest returns the figures of the group with the least room left. If no
// group has a limit, they are those of the innermost one that says so.
func tightest(groups []cgroup, text func(*file) []byte) (limit, usage, cache Bytes) {
	var room int64 = math.MaxInt64
	allSure := true
	for i := range groups {
		l, u, c, sure := groups[i].limits(text)
		allSure = allSure && sure
		n, limited := l.Get()
		used, _ := minus(u, c).Get() // 0 if not known
		switch {
		case limited && n-used < room:
			room = n - used
			limit, usage, cache = l, u, c
		case l.IsUnlimited() && limit.IsUnknown():
			limit, usage, cache = l, u, c
		}
	}
	if limit.IsUnlimited() && !allSure {
		limit = Bytes{}
	}
	return limit, usage, cache
}

// findCgroup returns where the control group of a process that limits its memory
// is, and the highest group above it that is visible, both as paths from the
// root without the leading slash. It is given /proc/self/cgroup and
// /proc/self/mountinfo. A hierarchy of version 1 with the memory controller goes
// before version 2, since on a machine with both the controller is in one only.
func findCgroup(self, mounts []byte) (dir, top string, v1, ok bool) {
	v1Path, v2Path := "", ""
	for line := range strings.Lines(string(self)) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, groupPath, found := strings.Cut(rest, ":")
		switch {
		case !found:
		case id == "0" && controllers == "":
			v2Path = groupPath
		case hasWord(controllers, "memory"):
			v1Path = groupPath
		}
	}
	for line := range strings.Lines(string(mounts)) {
		m, parsed := parseMount(line)
		switch {
		case !parsed:
		case v1Path != "" && m.fstype == "cgroup" && hasWord(m.options, "memory"):
			return m.dirOf(v1Path), m.relativePoint(), true, true
		case v1Path == "" && v2Path != "" && m.fstype == "cgroup2":
			return m.dirOf(v2Path), m.relativePoint(), false, true
		}
	}
	return "", "", false, false
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// A mount is what a line of /proc/self/mountinfo says, as proc(5) describes it.
type mount struct{ root, point, fstype, options string }

func parseMount(line string) (m mount, ok bool) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 6 || len(right) < 3 {
		return mount{}, false
	}
	return mount{root: unescapeMount(left[3]), point: unescapeMount(left[4]), fstype: right[0], options: right[2]}, true
}

// unescapeMount undoes the octal escapes, as \040 for a space.
func unescapeMount(s string) string {
	for i := 0; i+3 < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
			s = s[:i] + string([]byte{byte(c)}) + s[i+4:]
		}
	}
	return s
}

// dirOf returns where the group at groupPath of the hierarchy is mounted. A group
// outside of what is mounted is not visible; the mount's root stands for it.
func (m mount) dirOf(groupPath string) string {
	below, ok := strings.CutPrefix(groupPath, strings.TrimSuffix(m.root, "/"))
	if !ok || below != "" && below[0] != '/' || strings.HasPrefix(below, "/..") {
		below = ""
	}
	return relative(path.Join(m.point, below))
}

func (m mount) relativePoint() string { return relative(path.Clean(m.point)) }

// relative returns an absolute path as package fs wants it.
func relative(p string) string {
	p = strings.TrimPrefix(p, "/")
	if p == "" {
		return "."
	}
	return p
}

// parseLimit returns the limit in a file such as memory.max.
func parseLimit(b []byte) Bytes {
	if string(bytes.TrimSpace(b)) == "max" {
		return Unlimited
	}
	return limitOf(parseAmount(b))
}

// limitOf returns n, or Unlimited if version 1 means that by it.
func limitOf(n Bytes) Bytes {
	if n.state == bytesKnown && n.n >= cgroupUnlimited {
		return Unlimited
	}
	return n
}

// parseAmount returns the only number in a file, unknown if there is something
// else. A number that does not fit counts as the greatest that does.
func parseAmount(b []byte) Bytes {
	n, rest := parseNumber(bytes.TrimSpace(b))
	if len(rest) > 0 {
		return Bytes{}
	}
	return n
}

// parseNumber returns the number at the start of b and what follows it.
func parseNumber(b []byte) (n Bytes, rest []byte) {
	var v int64
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		digit := int64(b[i] - '0')
		if v > (math.MaxInt64-digit)/10 {
			v = math.MaxInt64
			continue
		}
		v = v*10 + digit
	}
	if i == 0 {
		return Bytes{}, b
	}
	return BytesOf(v), b[i:]
}

// lookUp returns the number on the line of b that starts with the key, which is
// given in two parts to save joining them, and a space or colon.
func lookUp(b []byte, prefix, key string) Bytes {
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, newline)
		n := len(prefix) + len(key)
		if len(line) <= n || line[n] != ' ' && line[n] != ':' {
			continue
		}
		if string(line[:len(prefix)]) == prefix && string(line[len(prefix):n]) == key {
			v, _ := parseNumber(bytes.TrimLeft(line[n+1:], " \t"))
			return v
		}
	}
	return Bytes{}
}

var newline = []byte{'\n'}

// parseStatm returns the resident memory in /proc/self/statm: its second number,
// in pages.
func parseStatm(b []byte, pageSize int64) Bytes {
	_, rest := parseNumber(b)
	pages, _ := parseNumber(bytes.TrimLeft(rest, " "))
	if n, ok := pages.Get(); ok && n <= math.MaxInt64/pageSize {
		return BytesOf(n * pageSize)
	}
	return Bytes{}
}

// parseMeminfo returns the memory of the machine and how much of it is available,
// from /proc/meminfo, which counts in KiB.
func parseMeminfo(b []byte) (total, available Bytes) {
	kib := func(key string) Bytes {
		if n, ok := lookUp(b, key, "").Get(); ok && n <= math.MaxInt64/1024 {
			return BytesOf(n * 1024)
		}
		return Bytes{}
	}
	return kib("MemTotal"), kib("MemAvailable")
}
