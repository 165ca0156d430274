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
				p.quantiles(&s.Endpoints[i].Times, "endpoint", s.Endpoints[i].Name)
			}
			s.eachCounts(func(endpoint string, c *Counts) {
				p.sampleFloat("_sum", c.Duration.Seconds(), "endpoint", endpoint)
				p.sample("_count", c.Requests, "endpoint", endpoint)
			})
		}},
	{"http_overall_request_duration_seconds", "summary", "Time taken by requests to all endpoints; the quantiles are of the last ones.",
		func(p *promWriter, s *Snapshot) {
			p.quantiles(&s.Times)
			p.sampleFloat("_sum", s.Total.Duration.Seconds())
			p.sample("_count", s.Total.Requests)
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

// reserved reports whether a figure of the application called name would be
// taken for one of the recorder's own, or for a part of a summary.
func reserved(name string) bool {
	for i := range families {
		rest, ok := strings.CutPrefix(name, families[i].name)
		if ok && (rest == "" || families[i].kind == "summary" && (rest == "_sum" || rest == "_count")) {
			return true
		}
	}
	return false
}

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
	_, err := w.Write(s.appendPrometheus(nil))
	return err
}

func (s *Snapshot) appendPrometheus(b []byte) []byte {
	// About 1,200 bytes for an endpoint and 8,000 for the rest.
	p := promWriter{b: slices.Grow(b, 8<<10+1200*len(s.Endpoints)+100*(len(s.Errors)+len(s.Values)))}
	for i := range families {
		f := &families[i]
		p.header(f.name, f.kind, f.help)
		f.write(&p, s)
	}
	for _, v := range s.Values {
		kind := "gauge"
		if v.Counter {
			kind = "counter"
		}
		p.header(v.Name, kind, v.Help)
		if v.Known {
			p.sampleFloat("", v.Value)
		}
	}
	return p.b
}

// A promWriter writes families of metrics one after the other.
type promWriter struct {
	b    []byte
	name string // of the present family
}

func (p *promWriter) header(name, kind, help string) {
	p.name = name
	p.b = append(p.b, "# HELP "...)
	p.b = append(p.b, name...)
	p.b = append(p.b, ' ')
	p.b = appendEscaped(p.b, help, false)
	p.b = append(p.b, "\n# TYPE "...)
	p.b = append(p.b, name...)
	p.b = append(p.b, ' ')
	p.b = append(p.b, kind...)
	p.b = append(p.b, '\n')
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

// quantiles writes those of a summary: none of no observations.
func (p *promWriter) quantiles(s *RingSnapshot[time.Duration], labels ...string) {
	if s.Count == 0 {
		return
	}
	labels = append(slices.Clip(labels), "quantile", "")
	for _, q := range quantiles {
		labels[len(labels)-1] = q.long
		p.sampleFloat("", s.Quantile(q.q).Seconds(), labels...)
	}
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
