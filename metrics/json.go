package metrics

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// quantiles are those that the encodings show, with their names in JSON and in
// Prometheus.
var quantiles = [...]struct {
	q           float64
	short, long string
}{{0.5, "p50", "0.5"}, {0.9, "p90", "0.9"}, {0.95, "p95", "0.95"}, {0.99, "p99", "0.99"}}

// MarshalJSON returns the count, the window covered, and the smallest, mean and
// largest observation with the 0.5, 0.9, 0.95 and 0.99 quantiles; null for those
// if there is no observation. Durations are in seconds and their names say so.
// too_few lists the quantiles for which there are not Enough observations.
func (s RingSnapshot[T]) MarshalJSON() ([]byte, error) {
	b := strconv.AppendInt([]byte(`{"count":`), int64(s.Count), 10)
	b = append(b, `,"window_seconds":`...)
	b = appendFloat(b, s.Age.Seconds())
	value := func(name string, v T) {
		b = append(b, `,"`+name+s.unit()+`":`...)
		if s.Count == 0 {
			b = append(b, "null"...)
		} else {
			b = appendFloat(b, s.figure(v))
		}
	}
	value("min", s.Min)
	value("mean", s.Mean)
	var tooFew []byte
	for _, q := range quantiles {
		value(q.short, s.Quantile(q.q))
		if !s.Enough(q.q) {
			tooFew = append(tooFew, `,"`+q.short+`"`...)
		}
	}
	value("max", s.Max)
	b = append(b, `,"too_few":[`...)
	b = append(b, bytes.TrimPrefix(tooFew, []byte(","))...)
	b = strconv.AppendUint(append(b, `],"dropped":`...), s.Dropped, 10)
	return append(b, '}'), nil
}

// unit is what the names of figures that are observations end in.
func (s RingSnapshot[T]) unit() string {
	if _, ok := any(s.Min).(time.Duration); ok {
		return "_seconds"
	}
	return unitOf(s.Min)
}

// unitOf returns what the name of a figure ends in that is v.
func unitOf(v any) string {
	if u, ok := v.(interface{ Unit() string }); ok && validLabel(u.Unit()) {
		return "_" + u.Unit()
	}
	return ""
}

// figure returns an observation in that unit.
func (s RingSnapshot[T]) figure(v T) float64 {
	if d, ok := any(v).(time.Duration); ok {
		return d.Seconds()
	}
	return float64(v)
}

// quantile returns a quantile in that unit, and whether there is an observation.
func (s RingSnapshot[T]) quantile(q float64) (v float64, known bool) {
	return s.figure(s.Quantile(q)), s.Count > 0
}

// appendFloat appends v, which must be finite, as JSON and Prometheus read it.
func appendFloat(b []byte, v float64) []byte { return strconv.AppendFloat(b, v, 'g', -1, 64) }

// classNames are the names of the classes of status in the encodings.
var classNames = [Classes]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

type countsJSON struct {
	Requests uint64     `json:"requests"`
	Status   statusJSON `json:"status"`
	Slow     uint64     `json:"slow"`
	Duration float64    `json:"duration_seconds"`
}

type statusJSON struct {
	None          uint64 `json:"none"`
	Informational uint64 `json:"1xx"`
	Success       uint64 `json:"2xx"`
	Redirect      uint64 `json:"3xx"`
	ClientError   uint64 `json:"4xx"`
	ServerError   uint64 `json:"5xx"`
}

func (c Counts) json() countsJSON {
	return countsJSON{c.Requests, statusJSON{c.Status[0], c.Status[1], c.Status[2], c.Status[3], c.Status[4], c.Status[5]}, c.Slow, c.Duration.Seconds()}
}

// MarshalJSON returns the counts, with the status by class, as "2xx", and the
// duration in seconds.
func (c Counts) MarshalJSON() ([]byte, error) { return json.Marshal(c.json()) }

type endpointJSON struct {
	Endpoint string `json:"endpoint"`
	Pinned   bool   `json:"pinned"`
	countsJSON
	Missed uint64                      `json:"missed_at_most"`
	Times  RingSnapshot[time.Duration] `json:"times"`
}

// MarshalJSON returns the endpoint's name, counts and response times as one
// object.
func (e Endpoint) MarshalJSON() ([]byte, error) {
	return json.Marshal(endpointJSON{e.Name, e.Pinned, e.Counts.json(), e.Missed, e.Times})
}

// MarshalJSON returns the kind, its count and what that may lack.
func (e ErrorKind) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Kind   string `json:"kind"`
		Count  uint64 `json:"count"`
		Missed uint64 `json:"missed_at_most"`
	}{e.Kind, e.Count, e.Missed})
}

// MarshalJSON returns the recent requests and failures with their ratio.
func (r Recent) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Window   float64 `json:"window_seconds"`
		Requests uint64  `json:"requests"`
		Failures uint64  `json:"failures"`
		Rate     float64 `json:"error_ratio"`
	}{r.Window.Seconds(), r.Requests, r.Failures, r.Rate()})
}

// MarshalJSON returns the snapshot with snake-case names that end in their units.
// What is unknown is null; there is never a NaN.
func (s Snapshot) MarshalJSON() ([]byte, error) {
	type errorsJSON struct {
		Total   uint64      `json:"total"`
		Kinds   []ErrorKind `json:"kinds"`
		Other   uint64      `json:"other"`
		Retired uint64      `json:"retired"`
	}
	return json.Marshal(struct {
		At        time.Time                   `json:"at"`
		Uptime    float64                     `json:"uptime_seconds"`
		InFlight  int64                       `json:"in_flight"`
		Total     Counts                      `json:"total"`
		Times     RingSnapshot[time.Duration] `json:"times"`
		Recent    Recent                      `json:"recent"`
		Endpoints []Endpoint                  `json:"endpoints"`
		Other     Counts                      `json:"other"`
		Retired   Counts                      `json:"retired"`
		Errors    errorsJSON                  `json:"errors"`
		Memory    Memory                      `json:"memory"`
		Values    map[string]any              `json:"values"`
		Losses    Losses                      `json:"losses"`
	}{
		At: s.At, Uptime: s.Uptime.Seconds(), InFlight: s.InFlight,
		Total: s.Total, Times: s.Times, Recent: s.Recent,
		Endpoints: notNil(s.Endpoints), Other: s.Other, Retired: s.Retired,
		Errors: errorsJSON{s.ErrorsTotal, notNil(s.Errors), s.ErrorsOther, s.ErrorsRetired},
		Memory: s.Memory, Values: jsonValues(s.Values), Losses: s.Losses,
	})
}

// jsonValues returns the figures by name, null if unknown. Those that have labels
// are by the values of the labels, one within the other.
func jsonValues(values []Value) map[string]any {
	all := make(map[string]any)
	for _, v := range values {
		into, key := all, v.Name
		for _, l := range v.Labels {
			next, ok := into[key].(map[string]any)
			if !ok {
				next = make(map[string]any)
				into[key] = next
			}
			into, key = next, l.Value
		}
		into[key] = nil
		if v.Known {
			into[key] = v.Value
		}
	}
	return all
}

// notNil returns s, or an empty slice, which JSON writes as [] rather than null.
func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
