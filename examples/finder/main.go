// Finder is the ministry finder: a quiz that leads to the ministries of a parish.
//
//	go run -C examples ./finder
//
// starts it without any configuration; README.md has the variables. Bad configuration ends it at start with
// status 2 and a line for each variable, anything else that fails with status 1.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/ratelimit"

	"github.com/ministryfinder/bounded/examples/finder/internal/alert"
	"github.com/ministryfinder/bounded/examples/finder/internal/auth"
	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/config"
	"github.com/ministryfinder/bounded/examples/finder/internal/httpcache"
	"github.com/ministryfinder/bounded/examples/finder/internal/intake"
	"github.com/ministryfinder/bounded/examples/finder/internal/keepalive"
	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
	"github.com/ministryfinder/bounded/examples/finder/internal/web"
)

// heapSample is how many bytes are allocated between two samples of the heap profiles. At the runtime's own
// rate, half a megabyte, the live heap of this program is a dozen samples, in which nothing can be seen; and
// for minutes after the start the runtime meets call paths that are new to it, and takes memory to count them.
const heapSample = 64 << 10

func init() { runtime.MemProfileRate = heapSample } // as early as can be: it must not change later

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	stop()
	var wrong *config.Error
	switch {
	case errors.As(err, &wrong): // it may join several, a line each
		fmt.Fprintln(os.Stderr, "finder:", strings.ReplaceAll(err.Error(), "\n", "\nfinder: "))
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "finder:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then finishes what it has begun. What a person should read goes to out.
func run(ctx context.Context, out io.Writer, log *slog.Logger) (err error) {
	conf, err := config.Read()
	if err != nil {
		return err
	}
	if err := pretouch(); err != nil {
		log.Debug("the program is not resident as a whole", "error", err) // it works without
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
	err = serve(ctx, listener, site, conf.Database.StatementTimeout)
	fmt.Fprintln(out, "Stopped.")
	return err
}

// build makes all that answers requests. The rooms know each other only through what is handed over here.
func build(conf config.Config, db *store.Store, out io.Writer, log *slog.Logger) (*web.Site, error) {
	matcher, err := quiz.NewMatcher(db, quiz.MatcherConfig{
		MaxEntries: conf.Cache.Entries, MaxBytes: int64(conf.Cache.Size), TTL: conf.Cache.TTL, MinistryTTL: conf.Cache.MinistryTTL,
		MaxLoads: conf.Cache.Loads,
	})
	if err != nil {
		return nil, err
	}
	door, err := buildDoor(conf, out)
	if err != nil {
		return nil, err
	}
	answers, err := httpcache.New(httpcache.Config{MaxBytes: int64(conf.Cache.AnswersSize)})
	if err != nil {
		return nil, err
	}
	profiles, err := metrics.NewProfiles(metrics.ProfilesConfig{
		Dir:  cmp.Or(conf.Memory.ProfilesDir, filepath.Join(os.TempDir(), fmt.Sprintf("finder-profiles-%d", os.Getuid()))),
		Keep: conf.Memory.Profiles, MaxBytes: int64(conf.Memory.ProfilesSize),
	})
	if err != nil {
		return nil, conf.ProfilesError(err)
	}
	parts := monitor.Parts{
		Matcher: matcher, Sessions: door.Sessions, Tracker: door.Tracker, Answers: answers, Database: db, Profiles: profiles,
		Alerts: alert.New(alert.Config{
			Keep: conf.Alert.Keep, WebhookURL: string(conf.Alert.WebhookURL), Attempts: conf.Alert.Attempts, Logger: log,
		}),
		Routes: web.Routes(), Metrics: conf.Metrics, Limits: conf.Memory, Sweep: conf.Sweep, Logger: log,
	}
	if conf.KeepAlive.URL != "" {
		parts.Pinger, err = keepalive.New(keepalive.Config{
			URL: conf.KeepAlive.URL, Day: conf.KeepAlive.Day, Night: conf.KeepAlive.Night, Logger: log,
		})
		if err != nil {
			return nil, err
		}
	}
	mon, err := monitor.New(parts)
	if err != nil {
		return nil, err
	}
	desk := &intake.Desk{Matcher: matcher, Keeper: db, Logger: log, Count: mon.Error}
	return &web.Site{Store: db, Matcher: matcher, Desk: desk, Monitor: mon, Auth: door, Answers: answers, Logger: log, Secure: conf.Secure()}, nil
}

// buildDoor makes what lets the administrator in. A password that is not set is made up and told.
func buildDoor(conf config.Config, out io.Writer) (*auth.Auth, error) {
	password := string(conf.Admin.Password)
	if password == "" {
		password = rand.Text()
		fmt.Fprintf(out, "The parish office signs in as %q with the password %s (ADMIN_PASSWORD sets another)\n", conf.Admin.User, password)
	}
	return auth.New(auth.Config{
		User: conf.Admin.User, Password: password, SecretKey: []byte(cmp.Or(string(conf.Admin.SecretKey), rand.Text())),
		SecureCookies:  conf.Secure(),
		SessionTimeout: conf.SessionTimeout(), MaxSessions: conf.Admin.MaxSessions, SessionBytes: int64(conf.Admin.SessionsSize),
		Guard: ratelimit.Config{
			MaxAddresses: conf.Login.Addresses, Proxies: conf.Server.TrustedProxies, AccountFailures: conf.Login.AccountFailures,
			Failures: conf.Login.Failures, Window: conf.Login.Window, LongFailures: conf.Login.LongFailures, LongWindow: conf.Login.LongWindow,
			Lockout: conf.Login.Lockout, MaxLockout: conf.Login.MaxLockout, AlarmFailures: conf.Login.Alarm,
			Prefixes: []ratelimit.PrefixLimit{
				{Bits: 56, Failures: conf.Login.Network56},
				{Bits: 48, Failures: conf.Login.Network48},
				{IPv4: true, Bits: 24, Failures: conf.Login.Network24, Observe: true},
			},
		},
	})
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
