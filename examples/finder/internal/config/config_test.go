package config_test

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/config"
)

// clear takes every variable of the finder out of the environment of the test.
func clear(t *testing.T) {
	for i := range reflect.TypeFor[config.Config]().NumField() {
		variable := reflect.TypeFor[config.Config]().Field(i).Tag.Get("env")
		t.Setenv(variable, "") // so that it is put back
		require.NoError(t, os.Unsetenv(variable))
	}
}

func TestNothingHasToBeSet(t *testing.T) {
	clear(t)
	c, err := config.Read()
	require.NoError(t, err)
	require.Equal(t, config.Config{
		Addr: "localhost", Port: 8080, Database: "finder.db", AdminUser: "admin",
		CacheEntries: 500, CacheMB: 50, CacheTTL: 5 * time.Minute, MinistryTTL: 10 * time.Minute, LoginAddresses: 1000,
	}, c)
}

func TestSetVariables(t *testing.T) {
	clear(t)
	t.Setenv("PORT", "0")
	t.Setenv("ADDR", "::1")
	t.Setenv("TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8")
	c, err := config.Read()
	require.NoError(t, err)
	require.Zero(t, c.Port)
	require.Equal(t, "::1", c.Addr)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}, c.TrustedProxies)
}

func TestWhatIsWrongIsOneLine(t *testing.T) {
	for _, test := range []struct{ variable, value, line string }{
		{"PORT", "eighty", `PORT is "eighty", want a port number from 0 to 65535`},
		{"PORT", "65536", `PORT is "65536", want a port number from 0 to 65535`},
		{"PORT", "-1", `PORT is "-1", want a port number from 0 to 65535`},
		{"ADDR", "localhost:80", `ADDR is "localhost:80", want a host name or an IP address, without a port`},
		{"CACHE_ENTRIES", "-5", `CACHE_ENTRIES is "-5", want a whole number from 1 to 1000000`},
		{"CACHE_MB", "50MB", `CACHE_MB is "50MB", want a whole number from 1 to 65536`},
		{"CACHE_TTL", "5", `CACHE_TTL is "5", want a time of more than zero, such as 5m`},
		{"MINISTRY_TTL", "-1s", `MINISTRY_TTL is "-1s", want a time of more than zero, such as 10m`},
		{"LOGIN_ADDRESSES", "-1", `LOGIN_ADDRESSES is "-1", want a whole number from 16 to 1000000`},
		{"MEMORY_LIMIT_MB", "-1", `MEMORY_LIMIT_MB is "-1", want a whole number from 0 (none) to 1048576`},
		{"TRUSTED_PROXIES", "10.0.0.0/8,proxy", `TRUSTED_PROXIES is "10.0.0.0/8,proxy", want IP prefixes such as 10.0.0.0/8, separated by commas`},
		{"SECURE_COOKIES", "yes", `SECURE_COOKIES is "yes", want true behind TLS, otherwise false`},
		{"ADMIN_PASSWORD", "secret", `ADMIN_PASSWORD is "(6 bytes)", want 8 to 72 bytes, or nothing for one that is made up at each start`},
		{"DATABASE_URL", "postgres://finder:secret@db/finder?sslpassword=secret", `DATABASE_URL is "postgres://finder:xxxxx@db/finder", want nothing: `},
		{"DATABASE_URL", "host=db password=secret", `DATABASE_URL is "(hidden)", want nothing: `},
	} {
		t.Run(strings.ToLower(test.variable), func(t *testing.T) {
			clear(t)
			t.Setenv(test.variable, test.value)
			_, err := config.Read()
			require.ErrorContains(t, err, test.line)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestCausesAreNamedInTheSameLine(t *testing.T) {
	clear(t)
	c, err := config.Read()
	require.NoError(t, err)
	cause := errors.New("no\nluck")
	require.EqualError(t, c.DatabaseError(cause), `FINDER_DATABASE is "finder.db", want the path of a file that can be opened or made (no luck)`)
	require.EqualError(t, c.ListenError(cause), `PORT is "8080", want a port that is free at ADDR "localhost" (no luck)`)
	require.ErrorIs(t, c.ListenError(cause), cause)
}
