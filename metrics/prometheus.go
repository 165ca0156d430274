package metrics

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A family is a metric of the recorder's own, as Prometheus sees it.
type family struct {
	name, kind, help string
	write            func(p *promWriter, s *Snapshot)
}

// families are all metrics of the recorder's own, in the order they are written.
// Their names are not free for the application's figures.
var families = [...]family{
	{"http_requests_total", "counter", "Requests answered, by endpoint and class of status.",
		func(p *promWriter, s *Snapshot) {
			s.eachCounts(func(endpoint string, c *Counts) {
				for i, n := range c.Status {
					p.sample("", n, "endpoint", endpoint, "status", classNames[i])
				}
			})
		}},
	{"http_request_duration_seconds", "summary", "Time taken by requests, by endpoint; the quantiles are of the last ones.",
		func(p *promWriter, s *Snapshot) {
			for i := range s.Endpoints {
				e := &s.Endpoints[i]
				p.summary(&e.Times, &e.Counts, "endpoint", e.Name)
			}
			p.summary(&RingSnapshot[time.Duration]{}, &s.Other, "endpoint", OtherName)
			p.summary(&RingSnapshot[time.Duration]{}, &s.Retired, "endpoint", RetiredName)
		}},
	{"http_overall_request_duration_seconds", "summary", "Time taken by requests to all endpoints; the quantiles are of the last ones.",
		func(p *promWriter, s *Snapshot) {
			p.summary(&s.Times, &s.Total)
		}},
	{"http_slow_requests_total", "counter", "Requests that took longer than they should, by endpoint.",
		func(p *promWriter, s *Snapshot) {
			s.eachCounts(func(endpoint string, c *Counts) { p.sample("", c.Slow, "endpoint", endpoint) })
		}},
	{"http_requests_in_flight", "gauge", "Requests being answered.",
		func(p *promWriter, s *Snapshot) { p.sampleFloat("", float64(s.InFlight)) }},
	{"http_recent_error_ratio", "gauge", "Share of the recent requests that were answered with a status of 500 to 599.",
		func(p *promWriter, s *Snapshot) { p.sampleFloat("", s.Recent.Rate()) }},
	{"errors_total", "counter", "Errors, by kind.",
		func(p *promWriter, s *Snapshot) {
			for i := range s.Errors {
				p.sample("", s.Errors[i].Count, "kind", s.Errors[i].Kind)
			}
			p.sample("", s.ErrorsOther, "kind", OtherName)
			p.sample("", s.ErrorsRetired, "kind", RetiredName)
		}},
	{"http_requests_other_max", "gauge", "How many of the requests of the endpoint other may be of this one, if any.",
		func(p *promWriter, s *Snapshot) {
			for i := range s.Endpoints {
				if e := &s.Endpoints[i]; e.Missed > 0 {
					p.sample("", e.Missed, "endpoint", e.Name)
				}
			}
		}},
	{"errors_other_max", "gauge", "How many of the errors of the kind other may be of this one, if any.",
		func(p *promWriter, s *Snapshot) {
			for i := range s.Errors {
				if e := &s.Errors[i]; e.Missed > 0 {
					p.sample("", e.Missed, "kind", e.Kind)
				}
			}
		}},
	{"uptime_seconds", "gauge", "Time since the recorder was made.",
		func(p *promWriter, s *Snapshot) { p.sampleFloat("", s.Uptime.Seconds()) }},
	memoryFamily("process_resident_memory_bytes", "Physical memory that the process occupies.",
		func(m *Memory) Bytes { return m.RSS }),
	memoryFamily("process_peak_resident_memory_bytes", "Most physical memory that the process ever occupied.",
		func(m *Memory) Bytes { return m.PeakRSS }),
	memoryFamily("go_memory_heap_bytes", "Memory of the objects on the Go heap, garbage among them.",
		func(m *Memory) Bytes { return m.GoHeap }),
	memoryFamily("go_memory_live_bytes", "Memory of the objects that the last garbage collection found in use.",
		func(m *Memory) Bytes { return m.GoLive }),
	memoryFamily("go_memory_total_bytes", "Memory that the Go runtime holds.",
		func(m *Memory) Bytes { return m.GoTotal }),
	memoryFamily("go_memory_limit_bytes", "Limit of the memory that the Go runtime holds; absent if there is none.",
		func(m *Memory) Bytes { return m.GoLimit }),
	memoryFamily("cgroup_memory_limit_bytes", "Limit of the tightest control group; absent if there is none.",
		func(m *Memory) Bytes { return m.CgroupLimit }),
	memoryFamily("cgroup_memory_usage_bytes", "Memory that the tightest control group uses, page cache included.",
		func(m *Memory) Bytes { return m.CgroupUsage }),
	memoryFamily("cgroup_memory_cache_bytes", "Page cache of files in the tightest control group.",
		func(m *Memory) Bytes { return m.CgroupCache }),
	memoryFamily("system_memory_total_bytes", "Memory of the machine.",
		func(m *Memory) Bytes { return m.SystemTotal }),
	memoryFamily("system_memory_available_bytes", "Memory of the machine that can be had without swapping.",
		func(m *Memory) Bytes { return m.SystemAvailable }),
	lossFamily("metrics_clipped_names_total", "Names of endpoints and error kinds shortened or repaired.",
		func(l *Losses) uint64 { return l.ClippedNames }),
	lossFamily("metrics_endpoints_retired_total", "Endpoints whose series was removed.",
		func(l *Losses) uint64 { return l.EndpointsRetired }),
	lossFamily("metrics_error_kinds_retired_total", "Error kinds whose series was removed.",
		func(l *Losses) uint64 { return l.ErrorsRetired }),
	lossFamily("metrics_negative_durations_total", "Negative durations recorded as zero.",
		func(l *Losses) uint64 { return l.NegativeDurations }),
	lossFamily("http_aborted_requests_total", "Requests whose handler gave up on the connection.",
		func(l *Losses) uint64 { return l.AbortedRequests }),
	lossFamily("metrics_warnings_suppressed_total", "Warnings left out because one like it had just been given.",
		func(l *Losses) uint64 { return l.WarningsSuppressed }),
	lossFamily("metrics_callback_panics_total", "Panics in functions of the application that the recorder called.",
		func(l *Losses) uint64 { return l.CallbackPanics }),
}

// memoryFamily is a gauge that is absent when it is unknown or unlimited.
func memoryFamily(name, help string, get func(*Memory) Bytes) family {
	return family{name, "gauge", help, func(p *promWriter, s *Snapshot) {
		if n, ok := get(&s.Memory).Get(); ok {
			p.sampleFloat("", float64(n))
		}
	}}
}

func lossFamily(name, help string, get func(*Losses) uint64) family {
	return family{name, "counter", help, func(p *promWriter, s *Snapshot) { p.sample("", get(&s.Losses)) }}
}

// reserved are the names of the recorder's own metrics, and those of their parts.
var reserved = func() map[string]bool {
	names := make(map[string]bool)
	for i := range families {
		f := &families[i]
		for _, name := range (&Value{Name: f.name}).claims() {
			names[name] = true
		}
		if f.kind == "summary" {
			names[f.name+"_sum"], names[f.name+"_count"], names[f.name+"_created"] = true, true, true
		}
	}
	return names
}()

// eachCounts calls f for the counts of each endpoint and of what has no series.
func (s *Snapshot) eachCounts(f func(endpoint string, c *Counts)) {
	for i := range s.Endpoints {
		f(s.Endpoints[i].Name, &s.Endpoints[i].Counts)
	}
	f(OtherName, &s.Other)
	f(RetiredName, &s.Retired)
}

// WritePrometheus writes the snapshot in the text format of Prometheus, version
// 0.0.4, with one call to w.Write. Durations are in seconds and sizes in bytes.
// What is unknown is absent; there is never a NaN.
func (s Snapshot) WritePrometheus(w io.Writer) error {
	_, err := w.Write(s.appendText(nil, false))
	return err
}

// WriteOpenMetrics writes the snapshot as OpenMetrics text, version 1.0, in the
// same way.
func (s Snapshot) WriteOpenMetrics(w io.Writer) error {
	_, err := w.Write(s.appendText(nil, true))
	return err
}

func (s *Snapshot) appendText(b []byte, open bool) []byte {
	// About 1,200 bytes for an endpoint and 8,000 for the rest.
	p := promWriter{b: slices.Grow(b, 8<<10+1200*len(s.Endpoints)+100*(len(s.Errors)+len(s.Values))), open: open}
	for i := range families {
		f := &families[i]
		p.header(f.name, f.kind, f.help)
		f.write(&p, s)
	}
	var labels []string
	for i, v := range s.Values {
		if i == 0 || v.Name != s.Values[i-1].Name {
			kind := "gauge"
			if v.Counter {
				kind = "counter"
			}
			p.header(v.Name, kind, v.Help)
		}
		if v.Known {
			labels = labels[:0]
			for _, l := range v.Labels {
				labels = append(labels, l.Name, l.Value)
			}
			p.sampleFloat("", v.Value, labels...)
		}
	}
	if open {
		p.b = append(p.b, "# EOF\n"...)
	}
	return p.b
}

// A promWriter writes families of metrics one after the other.
type promWriter struct {
	b    []byte
	open bool   // write OpenMetrics
	name string // of the present family
}

// header begins a family. OpenMetrics has counters without their suffix here, and
// a unit that must be the end of the name.
func (p *promWriter) header(name, kind, help string) {
	p.name = name
	if p.open && kind == "counter" {
		name = strings.TrimSuffix(name, "_total")
	}
	p.comment("HELP", name)
	p.b = appendEscaped(p.b, help, p.open)
	p.b = append(p.b, '\n')
	p.comment("TYPE", name)
	p.b = append(append(p.b, kind...), '\n')
	if !p.open {
		return
	}
	for _, unit := range []string{"seconds", "bytes", "ratio"} {
		if strings.HasSuffix(name, "_"+unit) {
			p.comment("UNIT", name)
			p.b = append(append(p.b, unit...), '\n')
		}
	}
}

func (p *promWriter) comment(what, name string) {
	p.b = append(p.b, "# "...)
	p.b = append(p.b, what...)
	p.b = append(p.b, ' ')
	p.b = append(p.b, name...)
	p.b = append(p.b, ' ')
}

// sample writes one sample of the present family. The labels are names and
// values in turn.
func (p *promWriter) sample(suffix string, v uint64, labels ...string) {
	p.series(suffix, labels)
	p.b = strconv.AppendUint(p.b, v, 10)
	p.b = append(p.b, '\n')
}

// sampleFloat is sample for a number that is finite.
func (p *promWriter) sampleFloat(suffix string, v float64, labels ...string) {
	p.series(suffix, labels)
	p.b = appendFloat(p.b, v)
	p.b = append(p.b, '\n')
}

// summary writes the samples of one summary: no quantiles of no observations.
func (p *promWriter) summary(times *RingSnapshot[time.Duration], c *Counts, labels ...string) {
	if times.Count > 0 {
		quantile := append(slices.Clip(labels), "quantile", "")
		for _, q := range quantiles {
			quantile[len(labels)+1] = q.long
			p.sampleFloat("", times.Quantile(q.q).Seconds(), quantile...)
		}
	}
	p.sampleFloat("_sum", c.Duration.Seconds(), labels...)
	p.sample("_count", c.Requests, labels...)
}

func (p *promWriter) series(suffix string, labels []string) {
	p.b = append(p.b, p.name...)
	p.b = append(p.b, suffix...)
	for i := 0; i+1 < len(labels); i += 2 {
		p.b = append(p.b, "{,"[min(i, 1)])
		p.b = append(p.b, labels[i]...)
		p.b = append(p.b, `="`...)
		p.b = appendEscaped(p.b, labels[i+1], true)
		p.b = append(p.b, '"')
	}
	if len(labels) > 0 {
		p.b = append(p.b, '}')
	}
	p.b = append(p.b, ' ')
}

// appendEscaped appends s as the value of a label or, without quotes, as a help
// text.
func appendEscaped(b []byte, s string, quotes bool) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			b = append(b, `\\`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '"' && quotes:
			b = append(b, `\"`...)
		default:
			b = append(b, c)
		}
	}
	return b
}
