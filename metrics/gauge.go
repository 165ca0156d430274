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

// maxNameBytes and maxHelpBytes bound the names and help texts of gauges.
const (
	maxNameBytes = 128
	maxHelpBytes = 512
)

// ErrTooManyGauges is returned by [Recorder.Gauge] and [Recorder.Counter] when
// RecorderConfig.MaxGauges figures have been added.
var ErrTooManyGauges = errors.New("metrics: RecorderConfig.MaxGauges figures have been added already")

// ErrDuplicateName is returned by [Recorder.Gauge] and [Recorder.Counter] when
// the name is taken, by another figure of the application's or by one of the
// recorder's own.
var ErrDuplicateName = errors.New("metrics: this name is taken")

// A Value is a figure that the application added.
type Value struct {
	Name    string
	Help    string
	Counter bool    // it never falls
	Value   float64 // 0 unless Known
	Known   bool    // false when reading it panicked or gave no finite number
}

// gauge is a figure that the application added.
type gauge struct {
	name, help string
	counter    bool
	read       func() float64
}

// Gauge adds a figure that may rise and fall to each snapshot: read is called
// with no lock held whenever one is taken, possibly by several goroutines at
// once.
//
// The name must match [a-zA-Z_:][a-zA-Z0-9_:]*, be at most 128 bytes long and, by
// custom, end in its unit, as in cache_size_bytes. The help text must be UTF-8 of
// at most 512 bytes. What read returns is left out of the snapshot's encodings
// when it panics or gives no finite number.
func (r *Recorder) Gauge(name, help string, read func() float64) error {
	return r.addGauge(gauge{name: name, help: help, read: read})
}

// Counter adds a figure that never falls to each snapshot, as [Recorder.Gauge]
// does. Its name must end in _total.
func (r *Recorder) Counter(name, help string, read func() float64) error {
	if !strings.HasSuffix(name, "_total") {
		return fmt.Errorf("metrics: the name of a counter is %.100q, want it to end in _total", name)
	}
	return r.addGauge(gauge{name: name, help: help, counter: true, read: read})
}

func (r *Recorder) addGauge(g gauge) error {
	switch {
	case !validName(g.name):
		return fmt.Errorf("metrics: the name of a figure is %.100q, want [a-zA-Z_:][a-zA-Z0-9_:]* of at most %d bytes", g.name, maxNameBytes)
	case len(g.help) > maxHelpBytes || !utf8.ValidString(g.help):
		return fmt.Errorf("metrics: the help text of %s is %.100q, want UTF-8 of at most %d bytes", g.name, g.help, maxHelpBytes)
	case g.read == nil:
		return fmt.Errorf("metrics: the function of %s is nil, want one that reads it", g.name)
	case reserved(g.name):
		return fmt.Errorf("%w: %s", ErrDuplicateName, g.name)
	}
	g.name, g.help = strings.Clone(g.name), strings.Clone(g.help)
	r.mu.Lock()
	defer r.mu.Unlock()
	i, taken := slices.BinarySearchFunc(r.gauges, g.name, func(g gauge, name string) int { return cmp.Compare(g.name, name) })
	if taken {
		return fmt.Errorf("%w: %s", ErrDuplicateName, g.name)
	}
	if len(r.gauges) >= r.config.MaxGauges {
		return ErrTooManyGauges
	}
	// A new slice, because snapshots read the present one without the lock.
	r.gauges = slices.Insert(slices.Clip(slices.Clone(r.gauges)), i, g)
	return nil
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

// readGauges returns the figures of the application, counting panics in panics.
// No lock may be held.
func readGauges(gauges []gauge, panics *atomic.Uint64) []Value {
	values := make([]Value, len(gauges))
	for i, g := range gauges {
		v := &values[i]
		*v = Value{Name: g.name, Help: g.help, Counter: g.counter}
		guard(panics, func() {
			f := g.read()
			if !math.IsNaN(f) && !math.IsInf(f, 0) {
				v.Value, v.Known = f, true
			}
		})
	}
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
