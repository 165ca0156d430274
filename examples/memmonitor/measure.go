package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A measurement is what the service said at one moment. What it did not say is unknown.
type measurement struct {
	At      time.Time `json:"at"`
	RSS     number    `json:"rss_mb"`
	VMS     number    `json:"vms_mb"`
	Process number    `json:"process_percent"`
	System  number    `json:"system_percent"`
	Total   number    `json:"system_total_gb"`
	Free    number    `json:"system_available_gb"`

	Cache cacheFigures `json:"cache"`

	CountedRequests number `json:"request_counts"` // sizes of what the service keeps of its requests
	CountedTimes    number `json:"response_times"`
	CountedErrors   number `json:"error_counts"`

	CPU      number `json:"cpu_percent"`
	Uptime   number `json:"uptime_seconds"`
	Requests number `json:"total_requests"`
	Errors   number `json:"total_errors"`
	Response string `json:"avg_response_time,omitempty"` // in the service's own unit

	Health   string   `json:"health,omitempty"`
	Database string   `json:"database,omitempty"`
	Issues   []string `json:"issues,omitempty"`
	Problems []string `json:"problems,omitempty"` // which answers are missing, and why
}

type cacheFigures struct {
	Type       string `json:"type,omitempty"`
	Entries    number `json:"entries"`
	MaxEntries number `json:"max_entries"`
	MB         number `json:"mb"`
	MaxMB      number `json:"max_mb"`
	HitRatio   number `json:"hit_ratio"`
}

// failed reports whether nothing was learned of the memory or the health.
func (m *measurement) failed() bool {
	return !m.RSS.known && !m.Process.known && !m.System.known && !m.Cache.MB.known && m.Health == ""
}

// limit returns the memory that the process percentage is of, in MB.
func (m *measurement) limit() number {
	if m.Process.value >= 1 { // less is too coarse to divide by: it has one or two digits
		return m.RSS.over(exactly(m.Process.value / 100))
	}
	if !m.Total.known {
		return number{}
	}
	return exactly(m.Total.value * 1024)
}

// The paths that are asked.
const (
	memoryPath  = "/api/memory-status"
	healthPath  = "/api/health"
	metricsPath = "/api/metrics"
)

// A client asks the service. It keeps a few connections, and nothing else.
type client struct {
	http    *http.Client
	base    *url.URL
	timeout time.Duration // of one measurement
}

func newClient(base *url.URL, timeout time.Duration) *client {
	return &client{http: &http.Client{}, base: base, timeout: timeout}
}

// maxBody is how much of an answer is read, in bytes.
const maxBody = 1 << 20

// measure asks for all three answers at once, and returns when all have come or failed.
func (c *client) measure(ctx context.Context) measurement {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	m := measurement{At: time.Now()}
	paths := [...]string{memoryPath, healthPath, metricsPath}
	var answers [len(paths)]document
	var errs [len(paths)]error
	var asked sync.WaitGroup
	for i, path := range paths {
		asked.Go(func() { answers[i], errs[i] = c.get(ctx, path) })
	}
	asked.Wait()
	m.Problems = problems(paths[:], errs[:])
	m.read(answers[0], answers[1], answers[2])
	return m
}

// get returns the answer below path. Those of a service that is ill count, if they are JSON: it says why.
func (c *client) get(ctx context.Context, path string) (document, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath(path).String(), nil)
	if err != nil {
		return document{}, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "memmonitor")
	response, err := c.http.Do(request)
	if err != nil {
		return document{}, cause(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return document{}, cause(err)
	}
	if len(body) > maxBody {
		return document{}, fmt.Errorf("the answer is longer than %d bytes", maxBody)
	}
	d, err := parse(body)
	ill := path == healthPath && response.StatusCode >= 500
	switch {
	case response.StatusCode/100 != 2 && !(ill && err == nil):
		return document{}, fmt.Errorf("the answer is %s", line(response.Status))
	case err != nil:
		kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
		return document{}, fmt.Errorf("the answer is no JSON object but %q: %w", line(kind), err)
	}
	return d, nil
}

// cause returns err without the method and the address, which all have in common.
func cause(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// problems returns what is wrong, once if all have the same reason.
func problems(paths []string, errs []error) (list []string) {
	same := errs[0] != nil
	for i, err := range errs {
		if err != nil {
			list = append(list, line(paths[i]+": "+err.Error()))
		}
		same = same && err != nil && withoutPorts(err) == withoutPorts(errs[0])
	}
	if same {
		return []string{line(errs[0].Error())}
	}
	return list
}

// withoutPorts returns what err says but for the ports of this machine, which are others for each connection.
func withoutPorts(err error) string {
	before, after, found := strings.Cut(err.Error(), "->")
	if !found {
		return before
	}
	return before[:strings.LastIndexByte(before, ' ')+1] + after
}

// read takes the answers in. Where two of them have a figure, that of the memory's own wins.
func (m *measurement) read(memory, health, metrics document) {
	m.RSS = memory.at("process", "rss_mb").number().or(health.at("memory", "rss_mb").number())
	m.VMS = memory.at("process", "vms_mb").number()
	m.Process = memory.at("process", "percent").number().or(health.at("memory", "percent").number())
	m.System = memory.at("system", "percent").number().or(metrics.at("system", "memory_percent").number())
	m.Total = memory.at("system", "total_gb").number()
	m.Free = memory.at("system", "available_gb").number()

	m.Cache.read(memory.at("cache"))
	m.Cache.read(health.at("cache"))
	m.Cache.read(metrics.at("cache"))

	sizes := memory.at("monitoring")
	m.CountedRequests = sizes.at("request_counts").size()
	m.CountedTimes = sizes.at("response_times").size()
	m.CountedErrors = sizes.at("error_counts").size()

	application := metrics.at("application")
	m.CPU = metrics.at("system", "cpu_percent").number()
	m.Uptime = metrics.at("system", "uptime_seconds").number()
	m.Requests = application.at("total_requests").number().or(health.at("monitoring", "total_requests").number())
	m.Errors = application.at("total_errors").number()
	if m.Response = application.at("avg_response_time").text(); m.Response == "" {
		m.Response = health.at("monitoring", "avg_response_time").text()
	}

	m.Health = health.at("status").text()
	m.Database = health.at("database").text()
	m.Issues = health.at("issues").texts()
}

// read takes from d what is not known yet.
func (c *cacheFigures) read(d document) {
	if c.Type == "" {
		c.Type = d.at("type").text()
	}
	c.Entries = c.Entries.or(d.at("cache_size").number())
	c.MaxEntries = c.MaxEntries.or(d.at("max_cache_size").number())
	c.MB = c.MB.or(d.at("memory_usage_mb").number())
	c.MaxMB = c.MaxMB.or(d.at("max_memory_mb").number())
	ratio := d.at("hit_ratio").number().or(d.at("hit_rate").number())
	if !ratio.known {
		hits, misses := d.at("hits").number(), d.at("misses").number()
		if hits.known && misses.known {
			ratio = hits.over(exactly(hits.value + misses.value))
		}
	}
	if ratio.value <= 1 { // a percentage, as some have it, cannot be told from a wrong ratio
		c.HitRatio = c.HitRatio.or(ratio)
	}
}
