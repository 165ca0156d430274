package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// maxNameBytes and maxHelpBytes bound the names and help texts of figures.
const (
	maxNameBytes = 128
	maxHelpBytes = 512
)

// totalSuffix is what the name of a counter ends in. It is not the whole name, for
// OpenMetrics leaves it out.
const totalSuffix = "_total"

// ErrTooManyGauges is returned by the methods that add figures when they would
// become more than RecorderConfig.MaxGauges.
var ErrTooManyGauges = errors.New("metrics: there are RecorderConfig.MaxGauges figures already")

// ErrDuplicateName is returned by the methods that add figures when a name is
// taken, by another figure of the application's or by one of the recorder's own.
var ErrDuplicateName = errors.New("metrics: this name is taken")

// A Value is a figure that the application added.
type Value struct {
	Name    string
	Help    string
	Labels  []Label // nil if there is one figure of the name
	Counter bool    // it never falls
	Value   float64 // 0 unless Known
	Known   bool    // false when reading it panicked or gave no finite number, or less than 0 for a counter
}

// A Label tells apart the figures of one name.
type Label struct{ Name, Value string }

// A source is figures that the application added together.
type source struct {
	declared []Value        // one of each name; they are not Known
	read     func() []Value // may panic
}

// Gauge adds a figure that may rise and fall to each snapshot: read is called
// with no lock held whenever one is taken, possibly by several goroutines at
// once.
//
// The name must match [a-zA-Z_:][a-zA-Z0-9_:]*, be at most 128 bytes long, not end
// in _total and, by custom, end in its unit, as in cache_size_bytes. The help text
// must be UTF-8 of at most 512 bytes. What read returns is left out of the
// snapshot's encodings when it panics or gives no finite number.
func (r *Recorder) Gauge(name, help string, read func() float64) error {
	return r.addFigure(Value{Name: name, Help: help}, read)
}

// Counter adds a figure that never falls to each snapshot, as [Recorder.Gauge]
// does. Its name must end in _total.
func (r *Recorder) Counter(name, help string, read func() float64) error {
	return r.addFigure(Value{Name: name, Help: help, Counter: true}, read)
}

func (r *Recorder) addFigure(v Value, read func() float64) error {
	if read == nil {
		return fmt.Errorf("metrics: the function of %.100q is nil, want one that reads it", v.Name)
	}
	v.Name, v.Help = strings.Clone(v.Name), strings.Clone(v.Help)
	return r.addSource(source{[]Value{v}, func() []Value {
		v := v
		v.Value, v.Known = read(), true
		return []Value{v}
	}})
}

// AddFamily adds the counters of a family to each snapshot.
func (r *Recorder) AddFamily(f *Family) error {
	v := Value{Name: f.config.Name, Help: f.config.Help, Counter: true}
	return r.addSource(source{[]Value{v}, func() []Value {
		s := f.Snapshot()
		values := make([]Value, len(s.Counters))
		for i, c := range s.Counters {
			values[i] = v
			values[i].Value, values[i].Known = float64(c.Count), true
			for k, name := range s.Labels {
				values[i].Labels = append(values[i].Labels, Label{name, c.Values[k]})
			}
		}
		return values
	}})
}

func (r *Recorder) addSource(s source) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	claims := make(map[string]bool)
	for _, v := range s.declared {
		if err := v.check(); err != nil {
			return err
		}
		for _, name := range v.claims() {
			if claims[name] || r.claimed[name] || reserved[name] {
				return fmt.Errorf("%w: %s", ErrDuplicateName, v.Name)
			}
			claims[name] = true
		}
		if v.Counter != strings.HasSuffix(v.Name, totalSuffix) || v.Name == totalSuffix {
			return fmt.Errorf("metrics: the name of a figure is %.100q, want it to end in _total if it is a counter's and only then", v.Name)
		}
	}
	if r.figures+len(s.declared) > r.config.MaxGauges {
		return ErrTooManyGauges
	}
	r.figures += len(s.declared)
	for name := range claims {
		r.claimed[name] = true
	}
	// A new slice, because snapshots read the present one without the lock.
	r.sources = append(slices.Clip(slices.Clone(r.sources)), s)
	return nil
}

func (v *Value) check() error {
	if !validName(v.Name) {
		return fmt.Errorf("metrics: the name of a figure is %.100q, want [a-zA-Z_:][a-zA-Z0-9_:]* of at most %d bytes", v.Name, maxNameBytes)
	}
	if !validHelp(v.Help) {
		return fmt.Errorf("metrics: the help text of %s is %.100q, want UTF-8 of at most %d bytes", v.Name, v.Help, maxHelpBytes)
	}
	return nil
}

// claims returns the names that nothing else may have because v has its own:
// OpenMetrics calls a counter by its name without _total, and may add _created to that.
func (v *Value) claims() []string {
	if base, ok := strings.CutSuffix(v.Name, totalSuffix); ok {
		return []string{v.Name, base, base + "_created"}
	}
	return []string{v.Name}
}

func validHelp(help string) bool { return len(help) <= maxHelpBytes && utf8.ValidString(help) }

// validLabel reports whether a label may have that name. Prometheus keeps names
// that begin with two underscores to itself.
func validLabel(name string) bool {
	return validName(name) && !strings.Contains(name, ":") && !strings.HasPrefix(name, "__")
}

func validName(name string) bool {
	if name == "" || len(name) > maxNameBytes {
		return false
	}
	for i, c := range []byte(name) {
		letter := c == '_' || c == ':' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// readSources returns the figures of the application by name, counting panics in
// panics. No lock may be held.
func readSources(sources []source, panics *atomic.Uint64) (values []Value) {
	read := make([][]Value, len(sources))
	for i, s := range sources {
		read[i] = s.declared
		guard(panics, func() { read[i] = s.read() })
	}
	values = slices.Concat(read...)
	for i := range values {
		v := &values[i]
		v.Known = v.Known && !math.IsNaN(v.Value) && !math.IsInf(v.Value, 0) && (!v.Counter || v.Value >= 0)
		if !v.Known {
			v.Value = 0
		}
	}
	slices.SortStableFunc(values, func(a, b Value) int { return cmp.Compare(a.Name, b.Name) })
	return values
}

// guard calls f and recovers a panic in it, which it counts.
func guard(panics *atomic.Uint64, f func()) {
	defer func() {
		if recover() != nil {
			panics.Add(1)
		}
	}()
	f()
}
