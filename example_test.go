package bounded_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/ratelimit"
	"github.com/ministryfinder/bounded/sweep"
)

// lookUp stands for a database.
func lookUp(context.Context, string) ([]byte, error) { return []byte("gardener"), nil }

// Four containers, and one janitor for all of them.
func Example() {
	if err := run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// grace is gardener
	// 2 entries, at most 500
	// attempt 6: locked
	// 1 observation, at most 1000
	// jobs: sessions, attempts
}

func run(ctx context.Context) error {
	sessions, err := cache.New(cache.Config[string, []byte]{
		MaxEntries: 500,
		MaxBytes:   50 * humanize.MByte,
		TTL:        5 * time.Minute,
	})
	if err != nil {
		return err
	}
	sessions.Set("ada", []byte("admin"))
	role, err := sessions.GetOrLoad(ctx, "grace", lookUp) // one call of lookUp for all who ask meanwhile
	if err != nil {
		return err
	}
	fmt.Printf("grace is %s\n", role)
	fmt.Println(sessions.Len(), "entries, at most", sessions.MaxEntries())

	attempts, err := ratelimit.NewTracker(ratelimit.Config{})
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		attempt, err := attempts.Begin(netip.MustParseAddr("192.0.2.1"))
		if err != nil {
			fmt.Printf("attempt %d: locked\n", n)
			break
		}
		attempt.Fail() // the password was wrong
	}

	times, err := metrics.NewRing(metrics.RingConfig{Size: 1000, MaxAge: 5 * time.Minute})
	if err != nil {
		return err
	}
	times.Observe(20 * time.Millisecond)
	fmt.Println(times.Snapshot().Count, "observation, at most 1000")

	janitor, err := sweep.New(sweep.Config{})
	if err != nil {
		return err
	}
	if _, err := janitor.Every(time.Minute, "sessions", sessions); err != nil {
		return err
	}
	if _, err := janitor.Every(time.Hour, "attempts", attempts); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return janitor.Run(ctx) })
	fmt.Printf("jobs: %s, %s\n", janitor.Jobs()[0].Name, janitor.Jobs()[1].Name)
	stop()
	return group.Wait()
}
