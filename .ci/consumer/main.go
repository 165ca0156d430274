// Command consumer uses all four packages of the library, as a new module would.
package main

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/ratelimit"
	"github.com/ministryfinder/bounded/sweep"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	pages, err := cache.New(cache.Config[string, []byte]{MaxEntries: 500, MaxBytes: 50 << 20, TTL: 5 * time.Minute})
	if err != nil {
		return err
	}
	attempts, err := ratelimit.NewTracker(ratelimit.Config{})
	if err != nil {
		return err
	}
	times, err := metrics.NewRing(metrics.RingConfig{Size: 1000, MaxAge: 5 * time.Minute})
	if err != nil {
		return err
	}
	janitor, err := sweep.New(sweep.Config{})
	if err != nil {
		return err
	}
	if _, err := janitor.Every(time.Minute, "pages", pages); err != nil {
		return err
	}
	if _, err := janitor.Every(time.Hour, "attempts", attempts); err != nil {
		return err
	}

	pages.Set("/", []byte("hello"))
	attempt, err := attempts.Begin(netip.MustParseAddr("192.0.2.1"))
	if err != nil {
		return err
	}
	attempt.Succeed()
	times.Observe(3 * time.Millisecond)
	fmt.Println(pages.Stats())
	fmt.Println(times.Snapshot().Quantile(0.5))

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return janitor.Run(ctx)
}
