package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"github.com/ministryfinder/bounded/examples/finder/internal/auth"
	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/config"
	"github.com/ministryfinder/bounded/examples/finder/internal/httpcache"
	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
	"github.com/ministryfinder/bounded/examples/finder/internal/web"
)

// finishTimeout is how long requests may go on after the end of run's context. The janitor drains meanwhile, in at
// most 2 s, and the database closes after both, so the whole takes less than 10 s.
const finishTimeout = 5 * time.Second

// answersBytes bounds the answers that are the same for all who ask: styles and scripts.
const answersBytes = 2 * humanize.MByte

// run serves until ctx ends, and then finishes what it has begun. What a person should read goes to out.
func run(ctx context.Context, out io.Writer, log *slog.Logger) (err error) {
	conf, err := config.Read()
	if err != nil {
		return err
	}
	path, err := filepath.Abs(conf.Database)
	if err != nil {
		return conf.DatabaseError(err)
	}
	fmt.Fprintln(out, "Opening the database", path)
	ministries, err := catalog.BuiltIn()
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Config{Path: path, BuiltIn: ministries, Logger: log})
	if err != nil {
		return conf.DatabaseError(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	site, err := build(conf, db, out, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(conf.Addr, strconv.Itoa(conf.Port)))
	if err != nil {
		return conf.ListenError(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	fmt.Fprintf(out, "Ready: http://%s (the parish office: /admin; stop with Ctrl-C)\n", net.JoinHostPort(conf.Addr, strconv.Itoa(port)))
	err = serve(ctx, listener, site)
	fmt.Fprintln(out, "Stopped.")
	return err
}

// build makes all that answers requests.
func build(conf config.Config, db *store.Store, out io.Writer, log *slog.Logger) (*web.Site, error) {
	matcher, err := quiz.NewMatcher(db, quiz.MatcherConfig{
		MaxEntries: conf.CacheEntries, MaxBytes: int64(conf.CacheMB) * humanize.MByte, TTL: conf.CacheTTL, MinistryTTL: conf.MinistryTTL,
	})
	if err != nil {
		return nil, err
	}
	password := conf.AdminPassword
	if password == "" {
		password = rand.Text()
		fmt.Fprintf(out, "The parish office signs in as %q with the password %s (ADMIN_PASSWORD sets another)\n", conf.AdminUser, password)
	}
	door, err := auth.New(auth.Config{
		User: conf.AdminUser, Password: password, SecureCookies: conf.SecureCookies,
		Addresses: conf.LoginAddresses, Trusted: conf.TrustedProxies,
	})
	if err != nil {
		return nil, err
	}
	answers, err := httpcache.New(httpcache.Config{MaxBytes: answersBytes})
	if err != nil {
		return nil, err
	}
	mon, err := monitor.New(monitor.Parts{
		Matcher: matcher, Sessions: door.Sessions, Tracker: door.Tracker, Answers: answers, Database: db,
		Routes: web.Routes(), MemoryLimit: int64(conf.MemoryLimitMB) * humanize.MByte, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	return &web.Site{Store: db, Matcher: matcher, Monitor: mon, Auth: door, Answers: answers, Logger: log}, nil
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
