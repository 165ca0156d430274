package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ministryfinder/bounded/examples/internal/trend"
)

// Figures are what the finder says of itself at one moment.
type figures struct {
	at     time.Time
	values map[string]float64 // by name, of those without labels
}

// What is looked at.
const (
	resident   = "process_resident_memory_bytes"
	live       = "go_memory_live_bytes"
	goroutines = "go_goroutines"
	waiting    = "finder_database_queued"
	up         = "finder_database_up"
)

// bounds are the containers' figures and what each must never pass. Both are the finder's own.
var bounds = []struct{ what, figure, bound string }{
	{"matches", "finder_matches_entries", "finder_matches_max_entries"},
	{"bytes of the matches", "finder_matches_bytes", "finder_matches_max_bytes"},
	{"addresses with wrong passwords", "finder_tracker_addresses", "finder_tracker_max_addresses"},
	{"submissions that wait", "finder_database_queued", "finder_database_queue_entries"},
	{"bytes of the submissions that wait", "finder_database_queued_bytes", "finder_database_queue_bytes"},
}

// A gauge reads figures through a connection of its own.
type gauge struct {
	client *http.Client
	base   string
}

func newGauge(base string) *gauge {
	return &gauge{&http.Client{Transport: &http.Transport{}, Timeout: requestTimeout}, base}
}

func (g *gauge) close() { g.client.CloseIdleConnections() }

func (g *gauge) read(ctx context.Context) (figures, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base+"/metrics", nil)
	if err != nil {
		return figures{}, err
	}
	response, err := g.client.Do(request)
	if err != nil {
		return figures{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return figures{}, fmt.Errorf("/metrics answers %s", response.Status)
	}
	return parseFigures(response.Body)
}

// parseFigures reads the figures without labels of Prometheus' text format.
func parseFigures(r io.Reader) (figures, error) {
	f := figures{at: time.Now(), values: make(map[string]float64)}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, text, ok := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseFloat(text, 64); ok && err == nil {
			f.values[name] = value
		}
	}
	return f, lines.Err()
}

// watch reads figures again and again until ctx ends, and returns all that it read.
func (g *gauge) watch(ctx context.Context, every time.Duration) (seen []figures) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if f, err := g.read(ctx); err == nil {
			seen = append(seen, f)
		}
		select {
		case <-ctx.Done():
			return seen
		case <-ticker.C:
		}
	}
}

// until reads figures until they are as wanted, or limit has passed: then it returns the last, and false.
func (g *gauge) until(ctx context.Context, limit time.Duration, wanted func(figures) bool) (figures, bool) {
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		f, err := g.read(ctx)
		if err == nil && wanted(f) {
			return f, true
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return f, false
		}
	}
}

// points returns the figure of that name from seen, in a unit.
func points(seen []figures, name string, unit float64) (list []trend.Point) {
	for _, f := range seen {
		if v, ok := f.values[name]; ok {
			list = append(list, trend.Point{At: f.at, Value: v / unit})
		}
	}
	return list
}

// most returns the largest of a figure, and whether it was seen at all.
func most(seen []figures, name string) (largest float64, ok bool) {
	for _, f := range seen {
		if v, has := f.values[name]; has {
			largest, ok = max(largest, v), true
		}
	}
	return largest, ok
}
