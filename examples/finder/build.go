package main

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/ratelimit"

	"github.com/ministryfinder/bounded/examples/finder/internal/alert"
	"github.com/ministryfinder/bounded/examples/finder/internal/auth"
	"github.com/ministryfinder/bounded/examples/finder/internal/config"
	"github.com/ministryfinder/bounded/examples/finder/internal/httpcache"
	"github.com/ministryfinder/bounded/examples/finder/internal/intake"
	"github.com/ministryfinder/bounded/examples/finder/internal/keepalive"
	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
	"github.com/ministryfinder/bounded/examples/finder/internal/web"
)

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
		Dir:  cmp.Or(conf.Memory.ProfilesDir, filepath.Join(os.TempDir(), "finder-profiles")),
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
			Lockout: conf.Login.Lockout, MaxLockout: conf.Login.MaxLockout,
		},
	})
}
