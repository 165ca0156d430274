package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ministryfinder/bounded/examples/finder/internal/web"
)

// finishTimeout is how long requests may go on after the end of run's context, and the janitor's jobs for SWEEP_DRAIN
// meanwhile. The database closes after both, which takes 6 s if it hangs and nearly nothing otherwise.
const finishTimeout = 5 * time.Second

// serve answers at listener until ctx ends and the requests then in progress are answered, or finishTimeout has
// passed. An answer may take as long as the slowest statement of the database, and 10 s to be read.
func serve(ctx context.Context, listener net.Listener, site *web.Site, statement time.Duration) error {
	server := &http.Server{
		Handler:           site.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      statement + 10*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(site.Logger.Handler(), slog.LevelWarn),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return site.Monitor.Run(ctx) })
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer cancel()
		if err := server.Shutdown(finish); err != nil {
			site.Logger.Warn("closing connections that did not end", "after", finishTimeout)
			return server.Close() // a client that is slow must not keep the house open
		}
		return nil
	})
	return group.Wait()
}
