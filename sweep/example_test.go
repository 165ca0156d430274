package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ministryfinder/bounded/sweep"
	"golang.org/x/sync/errgroup"
)

// sessions stands for a container of this library.
type sessions struct {
	expired int
	swept   chan struct{} // closed when nothing is expired any more
}

func (s *sessions) Sweep() (removed int) {
	if removed, s.expired = s.expired, 0; removed > 0 && s.swept != nil {
		close(s.swept)
	}
	return removed
}

func Example() {
	cache := &sessions{expired: 3, swept: make(chan struct{})}
	ping := func(ctx context.Context) error { return nil } // for instance db.PingContext

	j, err := sweep.New(sweep.Config{}) // starts nothing
	if err != nil {
		panic(err)
	}
	job, err := j.Every(time.Millisecond, "sessions", cache) // in earnest, every minute
	if err != nil {
		panic(err)
	}
	if _, err = j.Func(15*time.Minute, "keep-alive", ping); err != nil {
		panic(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return j.Run(ctx) })

	<-cache.swept
	cancel()
	fmt.Println("Run returned", g.Wait())
	fmt.Println("removed", job.Stats().Removed)
	// Output:
	// Run returned <nil>
	// removed 3
}

func ExampleJanitor_SweepAll() {
	j, _ := sweep.New(sweep.Config{})
	_, _ = j.Every(time.Minute, "sessions", &sessions{expired: 3})
	_, _ = j.Every(time.Minute, "attempts", &sessions{expired: 4})
	fmt.Println(j.SweepAll(), "removed, without Run")
	// Output: 7 removed, without Run
}

func ExampleStuckError() {
	j, _ := sweep.New(sweep.Config{DrainTimeout: time.Millisecond})
	began, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	_, _ = j.Func(time.Nanosecond, "deaf", func(context.Context) error {
		close(began)
		<-release // and does not look at its context
		return nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-began
		cancel()
	}()
	var stuck *sweep.StuckError
	if errors.As(j.Run(ctx), &stuck) {
		fmt.Println(stuck.Jobs[0].Name, "did not end")
	}
	// Output: deaf did not end
}
