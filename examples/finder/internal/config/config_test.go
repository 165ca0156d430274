package config_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/config"
)

// clear takes every variable of the finder out of the environment of the test.
func clear(t *testing.T) {
	for _, variable := range config.Variables() {
		t.Setenv(variable, "") // so that it is put back
		require.NoError(t, os.Unsetenv(variable))
	}
}

func TestNothingHasToBeSet(t *testing.T) {
	clear(t)
	c, err := config.Read()
	require.NoError(t, err)
	require.False(t, c.Production())
	require.Equal(t, time.Hour, c.SessionTimeout())
	require.Equal(t, config.Server{Environment: "development", Port: 8080}, c.Server)
	require.Equal(t, "localhost", c.Host())
	require.False(t, c.Secure())
	require.Equal(t, config.Database{
		Path: "finder.db", MinConns: 2, MaxConns: 10, ConnectTimeout: 10 * time.Second, StatementTimeout: 30 * time.Second,
		QueueEntries: 1000, QueueSize: 4e6,
	}, c.Database)
	require.Equal(t, config.Admin{User: "admin", SessionSeconds: 3600, MaxSessions: 100, SessionsSize: 1e6}, c.Admin)
	require.Equal(t, config.Cache{Entries: 500, Size: 50e6, TTL: 5 * time.Minute, MinistryTTL: 10 * time.Minute, Loads: 1000, AnswersSize: 2e6}, c.Cache)
	require.Equal(t, config.Login{
		Addresses: 1000, Failures: 5, Window: 15 * time.Minute, Lockout: time.Hour, MaxLockout: 24 * time.Hour,
		LongFailures: 100, LongWindow: 24 * time.Hour, AccountFailures: 10, Network56: 20, Network48: 80, Network24: 50, Alarm: 1000,
	}, c.Login)
	require.Equal(t, config.KeepAlive{Day: 15 * time.Minute, Night: time.Hour}, c.KeepAlive)
}

func TestSetVariables(t *testing.T) {
	clear(t)
	t.Setenv("PORT", "0")
	t.Setenv("ADDR", "::1")
	t.Setenv("TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8")
	t.Setenv("CACHE_SIZE", "64MiB")
	t.Setenv("MEMORY_LIMIT", "512 MB")
	t.Setenv("SESSION_TIMEOUT", "900")
	t.Setenv("ERROR_RATE", "0.25")
	t.Setenv("DATABASE_URL", "postgresql://finder:secret@db:5432/finder?sslmode=disable")
	c, err := config.Read()
	require.NoError(t, err)
	require.Zero(t, c.Server.Port)
	require.Equal(t, "::1", c.Server.Addr)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}, c.Server.TrustedProxies)
	require.Equal(t, config.Size(64<<20), c.Cache.Size)
	require.Equal(t, config.Size(512e6), c.Memory.Limit)
	require.Equal(t, 15*time.Minute, c.SessionTimeout())
	require.InDelta(t, 0.25, c.Metrics.ErrorRate, 0)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Database.URL), "secret", "what is logged by mistake")
}

func TestWhatIsWrongIsOneLine(t *testing.T) {
	for _, test := range []struct{ variable, value, line string }{
		{"ENVIRONMENT", "staging", `ENVIRONMENT is "staging", want development or production`},
		{"PORT", "eighty", `PORT is "eighty", want a port number from 0 to 65535`},
		{"PORT", "65536", `PORT is "65536", want a port number from 0 to 65535`},
		{"PORT", "-1", `PORT is "-1", want a port number from 0 to 65535`},
		{"ADDR", "localhost:80", `ADDR is "localhost:80", want a host name or an IP address, without a port`},
		{"CACHE_ENTRIES", "-5", `CACHE_ENTRIES is "-5", want a whole number from 1 to 1000000`},
		{"CACHE_SIZE", "fifty", `CACHE_SIZE is "fifty", want a size from 100kB on, such as 50MB`},
		{"CACHE_SIZE", "1kB", `CACHE_SIZE is "1kB", want a size from 100kB on, such as 50MB`},
		{"CACHE_SIZE", "18EB", `CACHE_SIZE is "18EB", want a size from 100kB on, such as 50MB`},
		{"CACHE_TTL", "5", `CACHE_TTL is "5", want a time of more than zero, such as 5m`},
		{"MINISTRY_TTL", "-1s", `MINISTRY_TTL is "-1s", want a time of more than zero, such as 10m`},
		{"LOGIN_ADDRESSES", "-1", `LOGIN_ADDRESSES is "-1", want a whole number from 16 to 1000000`},
		{"MEMORY_LIMIT", "-1", `MEMORY_LIMIT is "-1", want a size such as 512MB, or 0 for no limit`},
		{"MEMORY_HIGH", "0.95", `MEMORY_HIGH is "0.95", want a share between MEMORY_HYSTERESIS and MEMORY_CRITICAL, such as 0.8`},
		{"DATABASE_MIN_CONNS", "11", `DATABASE_MIN_CONNS is "11", want a whole number from 1 to DATABASE_MAX_CONNS`},
		{"LOGIN_MAX_LOCKOUT", "59m", `LOGIN_MAX_LOCKOUT is "59m", want a time from LOGIN_LOCKOUT to 720h`},
		{"LOGIN_LONG_FAILURES", "4", `LOGIN_LONG_FAILURES is "4", want a whole number from LOGIN_FAILURES to 255`},
		{"LOGIN_LONG_WINDOW", "1m", `LOGIN_LONG_WINDOW is "1m", want a time from LOGIN_WINDOW to 720h`},
		{"MEMORY_HYSTERESIS", "0", `MEMORY_HYSTERESIS is "0", want a share between 0 and 1, such as 0.05`},
		{"TRUSTED_PROXIES", "10.0.0.0/8,proxy", `TRUSTED_PROXIES is "10.0.0.0/8,proxy", want IP prefixes such as 10.0.0.0/8, separated by commas`},
		{"SECURE_COOKIES", "yes", `SECURE_COOKIES is "yes", want true behind TLS, otherwise false`},
		{"ADMIN_PASSWORD", "secret", `ADMIN_PASSWORD is "(6 bytes)", want 8 to 72 bytes`},
		{"SECRET_KEY", "a secret key of thirty-one bytes", ``},
		{"SECRET_KEY", "a secret key of 30 bytes  .  .", `SECRET_KEY is "(30 bytes)", want 32 bytes or more that nobody can guess`},
		{"SESSION_TIMEOUT", "899", `SESSION_TIMEOUT is "899", want a whole number of seconds from 900 to 86400`},
		{"SESSION_TIMEOUT", "86401", `SESSION_TIMEOUT is "86401", want a whole number of seconds from 900 to 86400`},
		{"SESSION_TIMEOUT", "1h", `SESSION_TIMEOUT is "1h", want a whole number of seconds from 900 to 86400`},
		{"RENDER_EXTERNAL_URL", "finder.example.org", `RENDER_EXTERNAL_URL is "finder.example.org", want a URL that begins with http:// or https://`},
		{"ALERT_WEBHOOK_URL", "ftp://hooks.example.org/secret", `ALERT_WEBHOOK_URL is "ftp://hooks.example.org/...", want a URL`},
		{"DATABASE_URL", "mysql://finder:secret@db/finder?sslpassword=secret", `DATABASE_URL is "mysql://finder:xxxxx@db/...", want a URL such as postgres://user:password@host:5432/name`},
		{"DATABASE_URL", "host=db password=secret", `DATABASE_URL is "(23 bytes)", want a URL such as `},
	} {
		t.Run(strings.ToLower(test.variable), func(t *testing.T) {
			clear(t)
			t.Setenv(test.variable, test.value)
			_, err := config.Read()
			if test.line == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.line)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "secret")
			var wrong *config.Error
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, test.variable, wrong.Variable)
		})
	}
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	clear(t)
	t.Setenv("PORT", "eighty")
	t.Setenv("CACHE_SIZE", "lots")
	t.Setenv("CACHE_ENTRIES", "0")
	t.Setenv("SESSION_TIMEOUT", "5")
	_, err := config.Read()
	require.EqualError(t, err, `PORT is "eighty", want a port number from 0 to 65535
SESSION_TIMEOUT is "5", want a whole number of seconds from 900 to 86400
CACHE_ENTRIES is "0", want a whole number from 1 to 1000000
CACHE_SIZE is "lots", want a size from 100kB on, such as 50MB`)
}

func TestProductionRefusesWhatIsMissingOrKnown(t *testing.T) {
	clear(t)
	t.Setenv("ENVIRONMENT", "production")
	_, err := config.Read()
	require.EqualError(t, err, `DATABASE_URL is "(0 bytes)", want a PostgreSQL URL whose password is none of the well-known ones in production
SECRET_KEY is "(0 bytes)", want 32 bytes or more that nobody can guess in production
ADMIN_USERNAME is "admin", want a name that is none of the well-known ones in production
ADMIN_PASSWORD is "(0 bytes)", want 8 to 72 bytes that nobody can guess in production`)

	good := map[string]string{
		"DATABASE_URL": "postgres://finder:x7Kp2Lm9Qr@db/finder", "SECRET_KEY": "x7Kp2Lm9Qr4Ts6Vw8Yz1Ab3Cd5Ef7Gh0",
		"ADMIN_USERNAME": "vicar", "ADMIN_PASSWORD": "correct horse battery",
	}
	for variable, value := range good {
		t.Setenv(variable, value)
	}
	c, err := config.Read()
	require.NoError(t, err)
	require.True(t, c.Production())
	require.Empty(t, c.Host(), "all addresses")
	t.Setenv("RENDER_EXTERNAL_URL", "https://finder.example.org")
	c, err = config.Read()
	require.NoError(t, err)
	require.True(t, c.Secure())

	for variable, bad := range map[string]string{
		"DATABASE_URL": "postgres://finder:postgres@db/finder", "SECRET_KEY": "your-secret-key-your-secret-key!", "ADMIN_USERNAME": "Admin", "ADMIN_PASSWORD": "password-123",
	} {
		t.Setenv(variable, bad)
		_, err := config.Read()
		var wrong *config.Error
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, variable, wrong.Variable)
		require.NotContains(t, err.Error(), "\n")
		t.Setenv(variable, good[variable])
	}
}

func TestCausesAreNamedInTheSameLine(t *testing.T) {
	clear(t)
	c, err := config.Read()
	require.NoError(t, err)
	cause := errors.New("no\nluck")
	require.EqualError(t, c.DatabaseError(cause), `FINDER_DATABASE is "finder.db", want the path of a file that can be opened or made (no luck)`)
	require.EqualError(t, c.ListenError(cause), `PORT is "8080", want a port that is free at "localhost" (no luck)`)
	require.EqualError(t, c.ProfilesError(cause), `PROFILES_DIR is "", want the path of a directory that can be opened or made (no luck)`)
	require.ErrorIs(t, c.ListenError(cause), cause)
}
