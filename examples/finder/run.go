package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/config"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
	"github.com/ministryfinder/bounded/examples/finder/internal/web"
)

// finishTimeout is how long requests may go on after the end of run's context. The janitor drains meanwhile, in at
// most 2 s, and the database closes after both, so the whole takes less than 10 s.
const finishTimeout = 5 * time.Second

// run serves until ctx ends, and then finishes what it has begun. What a person should read goes to out.
func run(ctx context.Context, out io.Writer, log *slog.Logger) (err error) {
	conf, err := config.Read()
	if err != nil {
		return err
	}
	db, err := openStore(ctx, conf, out, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	site, err := build(conf, db, out, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(conf.Host(), strconv.Itoa(conf.Server.Port)))
	if err != nil {
		return conf.ListenError(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	fmt.Fprintf(out, "Ready: http://%s (the parish office: /admin; stop with Ctrl-C)\n", net.JoinHostPort(cmp.Or(conf.Host(), "localhost"), port))
	err = serve(ctx, listener, site)
	fmt.Fprintln(out, "Stopped.")
	return err
}

// openStore opens the database. PostgreSQL may be away; a file must be there.
func openStore(ctx context.Context, conf config.Config, out io.Writer, log *slog.Logger) (*store.Store, error) {
	ministries, err := catalog.BuiltIn()
	if err != nil {
		return nil, err
	}
	c := store.Config{
		URL: string(conf.Database.URL), MinConns: conf.Database.MinConns, MaxConns: conf.Database.MaxConns,
		ConnectTimeout: conf.Database.ConnectTimeout, StatementTimeout: conf.Database.StatementTimeout,
		QueueEntries: conf.Database.QueueEntries, QueueBytes: int64(conf.Database.QueueSize), BuiltIn: ministries, Logger: log,
	}
	if c.URL != "" {
		fmt.Fprintln(out, "Opening the database of DATABASE_URL")
	} else {
		if c.Path, err = filepath.Abs(conf.Database.Path); err != nil {
			return nil, conf.DatabaseError(err)
		}
		fmt.Fprintln(out, "Opening the database", c.Path)
	}
	db, err := store.Open(ctx, c)
	if err != nil {
		return nil, conf.DatabaseError(err)
	}
	if status := db.Status(); !status.Up {
		fmt.Fprintln(out, "The database does not answer; the quiz begins without it")
	}
	return db, nil
}

// serve answers at listener until ctx ends and the requests then in progress are answered, or finishTimeout has passed.
func serve(ctx context.Context, listener net.Listener, site *web.Site) error {
	server := &http.Server{
		Handler:           site.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
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
