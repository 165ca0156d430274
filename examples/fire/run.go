package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ministryfinder/bounded/examples/internal/postgres"
)

// How long things may take that should not take long.
const (
	backLimit  = time.Minute      // after the return of the database, until what waited is written
	quietLimit = 15 * time.Second // after the load, until the last goroutine of it has ended
	endLimit   = 15 * time.Second // after SIGTERM
)

// fire runs the plan and returns what was seen. An error says that the plan could not be carried out.
func (p plan) fire(ctx context.Context, progress io.Writer) (*report, error) {
	say := func(format string, args ...any) {
		fmt.Fprintf(progress, time.Now().Format("15:04:05 ")+format+"\n", args...)
	}
	dir, err := os.MkdirTemp("", "fire-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	say("building the finder, starting PostgreSQL")
	program, err := build(ctx, dir)
	if err != nil {
		return nil, err
	}
	server, err := postgres.New()
	if err != nil {
		return nil, err
	}
	defer server.Close() //nolint:errcheck // it goes, whatever it says
	service, err := startFinder(program, p.environment(server.URL())...)
	if err != nil {
		return nil, err
	}
	defer service.kill()

	r, s, g := &report{plan: p}, newStorm(), newGauge(service.base)
	defer g.close()
	// The first requests start what stays.
	s.start(ctx, service.base, p.clients).stopAfter(ctx, time.Second/2)
	if r.before, err = g.settled(ctx); err != nil {
		return nil, err
	}

	watching, unwatch := context.WithCancel(ctx)
	defer unwatch()
	watched := make(chan []figures)
	go func() {
		own := newGauge(service.base)
		defer own.close()
		watched <- own.watch(watching, p.sample)
	}()

	b := s.start(ctx, service.base, p.clients)
	goOn := func(what string, d time.Duration) {
		for left := d; left > 0; left -= 10 * time.Second {
			say("%v of %s to go, %d requests so far", left.Round(time.Second), what, s.requests.Load())
			pause(ctx, min(left, 10*time.Second))
		}
	}
	goOn("warming up at full speed", p.warmUp)
	r.load.from = time.Now()
	goOn("full speed", p.load)
	r.load.to = time.Now()
	r.seen, r.took = b.stop()

	b = s.start(ctx, service.base, p.clients)
	say("killing the database")
	r.fault.from = time.Now()
	if err := server.Kill(); err != nil {
		return nil, err
	}
	pause(ctx, p.outage)
	say("bringing it back")
	if err := server.Restart(); err != nil {
		return nil, err
	}
	r.restored = time.Now()
	_, r.back = g.until(ctx, backLimit, func(f figures) bool { return f.values[up] == 1 && f.values[waiting] == 0 })
	r.fault.to = time.Now()
	say("the finder took %v to notice it and to write what waited", r.fault.to.Sub(r.restored).Round(time.Millisecond))
	pause(ctx, p.after)
	b.stop()
	unwatch()
	r.samples = <-watched
	r.after, _ = g.until(ctx, quietLimit, func(f figures) bool { return f.values[goroutines] <= r.before.values[goroutines] })
	g.close()

	b = s.start(ctx, service.base, p.clients)
	pause(ctx, p.after)
	say("SIGTERM, under load")
	s.over.Store(true)
	r.endTook, r.endError = service.terminate(endLimit)
	b.stop()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r.said, r.panics = service.said, service.panics()
	if r.stored, err = readStored(ctx, server.URL()); err != nil {
		return nil, err
	}
	r.storm = s
	r.judge()
	if len(r.wrong()) > 0 {
		say("the end of the finder's log:\n%s", service.lastLines(20))
	}
	return r, nil
}

// environment returns what the finder is told.
func (p plan) environment(database string) []string {
	return append([]string{
		"DATABASE_URL=" + database, "GOMEMLIMIT=" + p.limit, "TRUSTED_PROXIES=127.0.0.0/8",
		"ADMIN_PASSWORD=correct horse battery", "HOME=" + os.TempDir(), "PATH=/usr/bin:/bin",
	}, p.env...)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (b *blast) stopAfter(ctx context.Context, d time.Duration) {
	pause(ctx, d)
	b.stop()
}

// settled returns figures when the number of goroutines has been the same ten times.
func (g *gauge) settled(ctx context.Context) (figures, error) {
	last, same := 0.0, 0
	f, ok := g.until(ctx, quietLimit, func(f figures) bool {
		if n := f.values[goroutines]; n == last && n > 0 {
			same++
		} else {
			last, same = n, 0
		}
		return same == 10
	})
	if !ok {
		return f, fmt.Errorf("the finder's goroutines did not settle within %v", quietLimit)
	}
	return f, nil
}
