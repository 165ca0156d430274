// Package keepalive asks the service for its own health now and then, by its outer address, so that a host that
// puts idle services to sleep lets it run: often by day, when the parish is awake, and seldom at night.
package keepalive

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the image has no time zones
)

const (
	timeout = 10 * time.Second
	maxBody = 64 << 10

	dayBegins, dayEnds = 7, 22 // o'clock in the parish
	parishZone         = "America/Chicago"
)

// A Config sets up a Pinger.
type Config struct {
	URL        string // of the service, without a path
	Day, Night time.Duration
	Logger     *slog.Logger // nil: slog.Default
}

// Stats count requests.
type Stats struct {
	Requests   uint64
	Failures   uint64 // no answer, or one that is not healthy
	LastAt     time.Time
	LastStatus int    // 0: no answer
	LastError  string // "": none
	Interval   time.Duration
}

// A Pinger sends the requests. It does nothing until Run is called.
type Pinger struct {
	config Config
	zone   *time.Location
	client *http.Client

	mu    sync.Mutex // guards stats
	stats Stats
}

// New returns a pinger.
func New(c Config) (*Pinger, error) {
	zone, err := time.LoadLocation(parishZone)
	if err != nil {
		return nil, fmt.Errorf("keepalive: %w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.URL = strings.TrimSuffix(c.URL, "/") + "/api/health"
	return &Pinger{config: c, zone: zone, client: &http.Client{Timeout: timeout}}, nil
}

// Every is how often Run is to be called: the shorter of the intervals.
func (p *Pinger) Every() time.Duration { return min(p.config.Day, p.config.Night) }

// interval is how often a request is due at t.
func (p *Pinger) interval(t time.Time) time.Duration {
	if hour := t.In(p.zone).Hour(); dayBegins <= hour && hour < dayEnds {
		return p.config.Day
	}
	return p.config.Night
}

// Run sends a request if one is due, logs how it went, and returns why it failed. It is a job of the janitor, which
// shows the last failure, and logs the first of several only.
func (p *Pinger) Run(ctx context.Context) error {
	now := time.Now()
	if !p.due(now) {
		return nil
	}
	status, err := p.ask(ctx)
	p.note(status, err)
	if err != nil {
		p.config.Logger.Warn("keep-alive failed", "status", status, "error", err)
		return err
	}
	p.config.Logger.Info("keep-alive", "status", status, "took", time.Since(now).Round(time.Millisecond))
	return nil
}

// due reports whether a request is to be sent at now, and if so, takes it down. Half a turn of the janitor is as good
// as a whole one: otherwise one that comes a little early would be left out, and the next be late by a turn.
func (p *Pinger) due(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Interval = p.interval(now)
	if !p.stats.LastAt.IsZero() && now.Sub(p.stats.LastAt)+p.Every()/2 < p.stats.Interval {
		return false
	}
	p.stats.LastAt = now
	p.stats.Requests++
	return true
}

// ask sends one request, and reads and closes its answer.
func (p *Pinger) ask(ctx context.Context) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.config.URL, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("User-Agent", "ministry-finder-keep-alive")
	answer, err := p.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, maxBody))
	if answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("keep-alive: %s", answer.Status)
	}
	return answer.StatusCode, err
}

func (p *Pinger) note(status int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.LastStatus, p.stats.LastError = status, ""
	if err != nil {
		p.stats.Failures++
		p.stats.LastError = err.Error()
	}
}

// Stats returns the counts.
func (p *Pinger) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}
