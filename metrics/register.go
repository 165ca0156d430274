package metrics

import (
	"fmt"
	"path"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// maxRows is how many elements of a slice of statistics are shown.
const maxRows = 1000

// Register adds the statistics of a container to each snapshot of r: all that a
// function returns which gives a struct, or a slice of structs, by value.
//
//	metrics.Register(r, "sessions", sessions.Stats)   // a cache
//	metrics.Register(r, "attempts", attempts.Stats)   // a tracker
//	metrics.Register(r, "janitor", janitor.Jobs)      // of each job, by its name
//	metrics.Register(r, "query_times", ring.Snapshot) // with quantiles
//	metrics.Register(r, "memory_watch", watch.State)
//	metrics.Register(r, "memory_growth", watch.Growth)
//
// Each exported field becomes a figure, whose name is name, the field's in
// snake_case, and its unit. A uint64 counts what has happened and becomes a
// counter, so that Hits of sessions is sessions_hits_total. Other numbers become
// gauges; a time.Duration is in seconds, a time.Time in seconds since 1970, or
// unknown if it is zero, a bool is 0 or 1, and a type with a method Unit() string says
// its unit. Of a slice, the field Name, a string, is a label; at most 1,000 elements
// are shown. Fields of other types are left out. Help texts are those of the documentation for the containers of this
// library, and the words of the field's name for others.
//
// stats is called with no lock held whenever a snapshot is taken, possibly by
// several goroutines at once. The fields are looked up once, here. Each name is a
// figure as for [Recorder.Gauge], with the same errors.
func Register[S any](r *Recorder, name string, stats func() S) error {
	if stats == nil {
		return fmt.Errorf("metrics: the function of %.100q is nil, want one that returns statistics", name)
	}
	t := reflect.TypeFor[S]()
	rows := t.Kind() == reflect.Slice
	if rows {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return fmt.Errorf("metrics: the function of %.100q returns %v, want a struct or a slice of structs", name, reflect.TypeFor[S]())
	}
	p := planOf(strings.Clone(name), t)
	if len(p.columns) == 0 {
		return fmt.Errorf("metrics: the function of %.100q returns %v, want one with exported numbers", name, t)
	}
	declared := make([]Value, len(p.columns))
	for i, c := range p.columns {
		declared[i] = c.Value
	}
	return r.addSource(source{declared, func() []Value {
		v := reflect.ValueOf(stats())
		if rows {
			return p.readRows(v)
		}
		return p.appendRow(make([]Value, 0, len(p.columns)), v, nil)
	}})
}

// A plan is what is read of a struct type.
type plan struct {
	columns []column
	label   int // the field Name, -1 if there is none
}

// A column is a figure and how it is read of a struct.
type column struct {
	Value
	read func(row reflect.Value) (v float64, known bool)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	quantileType = reflect.TypeFor[quantiler]()
)

// A quantiler is a [RingSnapshot], of whatever.
type quantiler interface {
	unit() string
	quantile(q float64) (v float64, known bool)
}

// planOf returns the plan of the struct type t for figures whose names begin with
// name.
func planOf(name string, t reflect.Type) plan {
	p := plan{label: -1}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		if f.Name == "Name" && f.Type.Kind() == reflect.String {
			p.label = i
			continue
		}
		read, suffix, counter := reader(i, f.Type)
		if read == nil {
			continue
		}
		p.add(name+"_"+snake(f.Name)+suffix, help(name, t, f.Name), counter, read)
	}
	if t.Implements(quantileType) {
		unit := reflect.Zero(t).Interface().(quantiler).unit()
		for _, q := range quantiles {
			p.add(name+"_"+q.short+unit, fmt.Sprintf("%s: the %s-quantile of the observations held.", name, q.long), false,
				func(row reflect.Value) (float64, bool) { return row.Interface().(quantiler).quantile(q.q) })
		}
	}
	return p
}

func (p *plan) add(name, help string, counter bool, read func(reflect.Value) (float64, bool)) {
	p.columns = append(p.columns, column{Value{Name: name, Help: help, Counter: counter}, read})
}

// reader returns how field i of a struct is read, if its type is a number's, the
// end of the figure's name, and whether it is a counter.
func reader(i int, t reflect.Type) (read func(reflect.Value) (float64, bool), suffix string, counter bool) {
	unit := ""
	if t.Kind() <= reflect.Float64 { // of a nil pointer the method may panic
		unit = unitOf(reflect.Zero(t).Interface())
	}
	switch {
	case t == durationType:
		return func(row reflect.Value) (float64, bool) {
			return time.Duration(row.Field(i).Int()).Seconds(), true
		}, "_seconds", false
	case t == timeType:
		return func(row reflect.Value) (float64, bool) {
			at := row.Field(i).Interface().(time.Time)
			return float64(at.UnixMilli()) / 1e3, !at.IsZero()
		}, "_timestamp_seconds", false
	case t.Kind() == reflect.Bool:
		return func(row reflect.Value) (float64, bool) {
			if row.Field(i).Bool() {
				return 1, true
			}
			return 0, true
		}, "", false
	case t.Kind() == reflect.Uint64:
		return func(row reflect.Value) (float64, bool) { return float64(row.Field(i).Uint()), true }, unit + "_total", true
	case reflect.Uint <= t.Kind() && t.Kind() <= reflect.Uint32:
		return func(row reflect.Value) (float64, bool) { return float64(row.Field(i).Uint()), true }, unit, false
	case t.Kind() == reflect.Float64 || t.Kind() == reflect.Float32:
		return func(row reflect.Value) (float64, bool) { return row.Field(i).Float(), true }, unit, false
	case reflect.Int <= t.Kind() && t.Kind() <= reflect.Int64:
		return func(row reflect.Value) (float64, bool) { return float64(row.Field(i).Int()), true }, unit, false
	}
	return nil, "", false
}

func (p *plan) appendRow(values []Value, row reflect.Value, labels []Label) []Value {
	for _, c := range p.columns {
		v := c.Value
		v.Labels = labels
		v.Value, v.Known = c.read(row)
		values = append(values, v)
	}
	return values
}

// readRows reads a slice of structs. Two of one name are told apart by a number.
func (p *plan) readRows(rows reflect.Value) (values []Value) {
	seen := make(map[string]int)
	n := min(rows.Len(), maxRows)
	values = make([]Value, 0, n*len(p.columns))
	for i := range n {
		name := fmt.Sprint(i)
		if p.label >= 0 {
			name, _ = clip(rows.Index(i).Field(p.label).String(), defaultMaxLabelBytes)
		}
		for n := seen[name]; n > 0; n = seen[name] {
			seen[name]++
			name = fmt.Sprintf("%s (%d)", name, n+1)
		}
		seen[name]++
		values = p.appendRow(values, rows.Index(i), []Label{{"name", name}})
	}
	return values
}

// snake returns a Go name in snake_case: "max_age" for MaxAge, "rss_bytes" for
// RSSBytes.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, c := range runes {
		if unicode.IsUpper(c) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// help returns the help text of a field of the statistics t of a container: what the
// documentation of this library says of a field of that name.
func help(container string, t reflect.Type, field string) string {
	text, ok := vocabulary[path.Base(t.PkgPath())+"."+field]
	if !ok {
		text, ok = vocabulary[field]
	}
	if !ok {
		text = strings.ReplaceAll(snake(field), "_", " ")
	}
	return container + ": " + text + "."
}
