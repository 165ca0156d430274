// Package config reads the finder's configuration from the environment.
//
// Nothing has to be set. Whatever is wrong is one line that names the variable, its value and what was wanted.
package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// A Config is what the environment sets. Each field's tags name its variable, its default and what it must be.
type Config struct {
	Addr string `env:"ADDR" envDefault:"localhost" want:"a host name or an IP address, without a port"`
	Port int    `env:"PORT" envDefault:"8080" want:"a port number from 0 to 65535"`

	Database    string `env:"FINDER_DATABASE" envDefault:"finder.db" want:"the path of a file that can be opened or made"`
	DatabaseURL string `env:"DATABASE_URL" want:"nothing: this version keeps its data in SQLite, in the file that FINDER_DATABASE names, and not in PostgreSQL yet"`

	AdminUser     string `env:"ADMIN_USER" envDefault:"admin" want:"1 to 64 bytes"`
	AdminPassword string `env:"ADMIN_PASSWORD" want:"8 to 72 bytes, or nothing for one that is made up at each start"`
	SecureCookies bool   `env:"SECURE_COOKIES" envDefault:"false" want:"true behind TLS, otherwise false"`
	// TrustedProxies are the proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix `env:"TRUSTED_PROXIES" want:"IP prefixes such as 10.0.0.0/8, separated by commas"`

	CacheEntries int           `env:"CACHE_ENTRIES" envDefault:"500" want:"a whole number from 1 to 1000000"`
	CacheMB      int           `env:"CACHE_MB" envDefault:"50" want:"a whole number from 1 to 65536"`
	CacheTTL     time.Duration `env:"CACHE_TTL" envDefault:"5m" want:"a time of more than zero, such as 5m"`
	MinistryTTL  time.Duration `env:"MINISTRY_TTL" envDefault:"10m" want:"a time of more than zero, such as 10m"`

	LoginAddresses int `env:"LOGIN_ADDRESSES" envDefault:"1000" want:"a whole number from 16 to 1000000"`

	// MemoryLimitMB is what the memory watch goes by, beside GOMEMLIMIT and the limit of the container.
	MemoryLimitMB int `env:"MEMORY_LIMIT_MB" envDefault:"0" want:"a whole number from 0 (none) to 1048576"`
}

// An Error says which variable has a value that cannot be used, and what was wanted.
type Error struct {
	Variable string
	Value    string // as it was set; passwords are left out
	Want     string
	Cause    error // may be nil
}

// Error reads like `PORT is "eighty", want a port number from 0 to 65535`, in one line.
func (e *Error) Error() string {
	line := fmt.Sprintf("%s is %q, want %s", e.Variable, e.Value, e.Want)
	if e.Cause != nil {
		line += " (" + strings.Join(strings.Fields(e.Cause.Error()), " ") + ")"
	}
	return line
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Read returns the configuration, or an [*Error] about the first variable that is wrong.
func Read() (Config, error) {
	var c Config
	err := env.Parse(&c)
	if err == nil {
		return c, c.Validate()
	}
	var wrong env.ParseError
	if errors.As(err, &wrong) {
		return Config{}, c.errorAbout(wrong.Name, nil)
	}
	return Config{}, err
}

// Validate reports the first field that is out of its range, as an [*Error] that names its variable.
func (c Config) Validate() error {
	for _, field := range []struct {
		name string
		ok   bool
	}{
		{"Addr", c.Addr != "" && len(c.Addr) <= 253 && !strings.ContainsAny(c.Addr, " /[]") && portless(c.Addr)},
		{"Port", within(c.Port, 0, math.MaxUint16)},
		{"Database", c.Database != ""},
		{"DatabaseURL", c.DatabaseURL == ""},
		{"AdminUser", within(len(c.AdminUser), 1, 64)},
		{"AdminPassword", c.AdminPassword == "" || within(len(c.AdminPassword), 8, 72)},
		{"CacheEntries", within(c.CacheEntries, 1, 1_000_000)},
		{"CacheMB", within(c.CacheMB, 1, 65_536)},
		{"CacheTTL", c.CacheTTL > 0},
		{"MinistryTTL", c.MinistryTTL > 0},
		{"LoginAddresses", within(c.LoginAddresses, 16, 1_000_000)},
		{"MemoryLimitMB", within(c.MemoryLimitMB, 0, 1<<20)},
	} {
		if !field.ok {
			return c.errorAbout(field.name, nil)
		}
	}
	return nil
}

// portless reports whether host is a name or an address, and not one with a port behind it.
func portless(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || !strings.Contains(host, ":")
}

func within(n, low, high int) bool { return low <= n && n <= high }

// DatabaseError says that the database cannot be opened, and why.
func (c Config) DatabaseError(cause error) error { return c.errorAbout("Database", cause) }

// ListenError says that the address cannot be listened at, and why.
func (c Config) ListenError(cause error) error {
	var wrong *Error
	if errors.As(c.errorAbout("Port", cause), &wrong) {
		wrong.Want = fmt.Sprintf("a port that is free at ADDR %q", c.Addr)
	}
	return wrong
}

// errorAbout returns the error that the tags of the field tell.
func (c Config) errorAbout(fieldName string, cause error) error {
	field, ok := reflect.TypeFor[Config]().FieldByName(fieldName)
	if !ok {
		panic("config: no field is named " + fieldName)
	}
	variable := field.Tag.Get("env")
	value := os.Getenv(variable)
	if value == "" {
		value = fmt.Sprint(reflect.ValueOf(c).FieldByIndex(field.Index).Interface())
	}
	switch fieldName {
	case "AdminPassword":
		value = fmt.Sprintf("(%d bytes)", len(value))
	case "DatabaseURL":
		value = redact(value)
	}
	return &Error{Variable: variable, Value: value, Want: field.Tag.Get("want"), Cause: cause}
}

// redact returns a database URL without what may be secret: the password and the parameters.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "(hidden)"
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted()
}
