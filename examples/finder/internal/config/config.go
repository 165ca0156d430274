// Package config reads the finder's configuration from the environment.
//
// Nothing has to be set on one's own machine. In production four variables must be. All that is wrong is told at
// once, a line each, which names the variable, its value and what was wanted.
package config

import (
	"net/netip"
	"strings"
	"time"
)

// A Config is what the environment sets. Each field's tags name its variable, its default, its range, and what it
// must be in words.
type Config struct {
	Server    Server
	Database  Database
	Admin     Admin
	Cache     Cache
	Login     Login
	Metrics   Metrics
	Memory    Memory
	Sweep     Sweep
	Alert     Alert
	KeepAlive KeepAlive
}

// Server is where and how the site is reached.
type Server struct {
	Environment string `env:"ENVIRONMENT" envDefault:"development" validate:"oneof=development production" want:"development or production"`

	// Addr is what to listen at. Empty is the machine itself in development, and all of its addresses in production.
	Addr string `env:"ADDR" validate:"omitempty,max=253,host" want:"a host name or an IP address, without a port"`
	Port int    `env:"PORT" envDefault:"8080" validate:"min=0,max=65535" want:"a port number from 0 to 65535"`

	SecureCookies bool `env:"SECURE_COOKIES" envDefault:"false" want:"true behind TLS, otherwise false"` // see Config.Secure
	// TrustedProxies are the proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix `env:"TRUSTED_PROXIES" want:"IP prefixes such as 10.0.0.0/8, separated by commas"`
}

// Database is where ministries and submissions are kept: in PostgreSQL if URL is set, otherwise in the SQLite file.
type Database struct {
	URL  Secret `env:"DATABASE_URL" validate:"postgres" want:"a URL such as postgres://user:password@host:5432/name"`
	Path string `env:"FINDER_DATABASE" envDefault:"finder.db" validate:"required" want:"the path of a file that can be opened or made"`

	MinConns         int           `env:"DATABASE_MIN_CONNS" envDefault:"2" validate:"min=1,ltefield=MaxConns" want:"a whole number from 1 to DATABASE_MAX_CONNS"`
	MaxConns         int           `env:"DATABASE_MAX_CONNS" envDefault:"10" validate:"min=1,max=1000" want:"a whole number from 1 to 1000"`
	ConnectTimeout   time.Duration `env:"DATABASE_CONNECT_TIMEOUT" envDefault:"10s" validate:"min=1ms,max=10m" want:"a time from 1ms to 10m"`
	StatementTimeout time.Duration `env:"DATABASE_STATEMENT_TIMEOUT" envDefault:"30s" validate:"min=1ms,max=10m" want:"a time from 1ms to 10m"`

	// The submissions that wait while the database is away.
	QueueEntries int  `env:"QUEUE_ENTRIES" envDefault:"1000" validate:"min=1,max=1000000" want:"a whole number from 1 to 1000000"`
	QueueSize    Size `env:"QUEUE_SIZE" envDefault:"4MB" validate:"min=10000" want:"a size from 10kB on, such as 4MB"`
}

// Admin is who may sign in, and for how long.
type Admin struct {
	// SecretKey signs what browsers keep for the finder. Empty makes one up at each start.
	SecretKey Secret `env:"SECRET_KEY" validate:"omitempty,min=32,max=1024" want:"32 bytes or more that nobody can guess"`
	User      string `env:"ADMIN_USERNAME" envDefault:"admin" validate:"min=1,max=64" want:"1 to 64 bytes"`
	Password  Secret `env:"ADMIN_PASSWORD" validate:"omitempty,min=8,max=72" want:"8 to 72 bytes"`

	SessionSeconds int  `env:"SESSION_TIMEOUT" envDefault:"3600" validate:"min=900,max=86400" want:"a whole number of seconds from 900 to 86400"`
	MaxSessions    int  `env:"MAX_SESSIONS" envDefault:"100" validate:"min=1,max=100000" want:"a whole number from 1 to 100000"`
	SessionsSize   Size `env:"SESSIONS_SIZE" envDefault:"1MB" validate:"min=100000" want:"a size from 100kB on, such as 1MB"`
}

// Cache bounds what is remembered of the quiz and of the site's own files.
type Cache struct {
	Entries     int           `env:"CACHE_ENTRIES" envDefault:"500" validate:"min=1,max=1000000" want:"a whole number from 1 to 1000000"`
	Size        Size          `env:"CACHE_SIZE" envDefault:"50MB" validate:"min=100000" want:"a size from 100kB on, such as 50MB"`
	TTL         time.Duration `env:"CACHE_TTL" envDefault:"5m" validate:"gt=0" want:"a time of more than zero, such as 5m"`
	MinistryTTL time.Duration `env:"MINISTRY_TTL" envDefault:"10m" validate:"gt=0" want:"a time of more than zero, such as 10m"`
	Loads       int           `env:"CACHE_LOADS" envDefault:"1000" validate:"min=1,max=1000000" want:"a whole number from 1 to 1000000"`
	AnswersSize Size          `env:"ANSWERS_SIZE" envDefault:"2MB" validate:"min=100000" want:"a size from 100kB on, such as 2MB"`
}

// Login bounds wrong passwords and what is remembered of them.
type Login struct {
	Addresses       int           `env:"LOGIN_ADDRESSES" envDefault:"1000" validate:"min=16,max=1000000" want:"a whole number from 16 to 1000000"`
	Failures        int           `env:"LOGIN_FAILURES" envDefault:"5" validate:"min=1,max=64" want:"a whole number from 1 to 64"`
	Window          time.Duration `env:"LOGIN_WINDOW" envDefault:"15m" validate:"min=1s,max=24h" want:"a time from 1s to 24h"`
	Lockout         time.Duration `env:"LOGIN_LOCKOUT" envDefault:"1h" validate:"min=1s,max=24h" want:"a time from 1s to 24h"`
	MaxLockout      time.Duration `env:"LOGIN_MAX_LOCKOUT" envDefault:"24h" validate:"max=720h,gtefield=Lockout" want:"a time from LOGIN_LOCKOUT to 720h"`
	LongFailures    int           `env:"LOGIN_LONG_FAILURES" envDefault:"100" validate:"max=255,gtefield=Failures" want:"a whole number from LOGIN_FAILURES to 255"`
	LongWindow      time.Duration `env:"LOGIN_LONG_WINDOW" envDefault:"24h" validate:"max=720h,gtefield=Window" want:"a time from LOGIN_WINDOW to 720h"`
	AccountFailures int           `env:"LOGIN_ACCOUNT_FAILURES" envDefault:"10" validate:"min=1,max=255" want:"a whole number from 1 to 255"`
	Network56       int           `env:"LOGIN_NETWORK_56" envDefault:"20" validate:"min=0,max=255" want:"a whole number from 0 to 255"`
	Network48       int           `env:"LOGIN_NETWORK_48" envDefault:"80" validate:"min=0,max=255" want:"a whole number from 0 to 255"`
	Network24       int           `env:"LOGIN_NETWORK_24" envDefault:"50" validate:"min=0,max=255" want:"a whole number from 0 to 255"`
	Alarm           int           `env:"LOGIN_ALARM" envDefault:"1000" validate:"min=1" want:"a whole number from 1"`
}

// Metrics bounds what is counted of requests, and says what is slow and what is too many failures.
type Metrics struct {
	Endpoints   int           `env:"METRICS_ENDPOINTS" envDefault:"50" validate:"min=1,max=10000" want:"a whole number from 1 to 10000"`
	Errors      int           `env:"METRICS_ERRORS" envDefault:"100" validate:"min=1,max=10000" want:"a whole number from 1 to 10000"`
	Times       int           `env:"METRICS_TIMES" envDefault:"100" validate:"min=1,max=65536" want:"a whole number from 1 to 65536"`
	TimesAge    time.Duration `env:"METRICS_TIMES_AGE" envDefault:"5m" validate:"min=1s,max=24h" want:"a time from 1s to 24h"`
	Idle        time.Duration `env:"METRICS_IDLE" envDefault:"1h" validate:"min=1s" want:"a time from 1s on, such as 1h"`
	LabelSize   Size          `env:"METRICS_NAME_SIZE" envDefault:"128B" validate:"min=16,max=4096" want:"a size from 16B to 4096B"`
	SlowAfter   time.Duration `env:"SLOW_REQUEST" envDefault:"2s" validate:"gt=0" want:"a time of more than zero, such as 2s"`
	ErrorRate   float64       `env:"ERROR_RATE" envDefault:"0.1" validate:"gt=0,max=1" want:"a share of more than 0 and at most 1, such as 0.1"`
	ErrorMin    int           `env:"ERROR_MIN" envDefault:"10" validate:"min=1,max=1000000" want:"a whole number from 1 to 1000000"`
	ErrorWindow time.Duration `env:"ERROR_WINDOW" envDefault:"1m" validate:"min=1s,max=24h" want:"a time from 1s to 24h"`
	WarnEvery   time.Duration `env:"WARN_EVERY" envDefault:"1m" validate:"min=1s,max=24h" want:"a time from 1s to 24h"`
}

// Memory says how much the process may have, and when that is getting short.
type Memory struct {
	// Limit is what the memory watch goes by, beside GOMEMLIMIT and the limit of the container.
	Limit            Size          `env:"MEMORY_LIMIT" envDefault:"0" validate:"min=0" want:"a size such as 512MB, or 0 for no limit"`
	High             float64       `env:"MEMORY_HIGH" envDefault:"0.8" validate:"gtfield=Hysteresis,ltfield=Critical" want:"a share between MEMORY_HYSTERESIS and MEMORY_CRITICAL, such as 0.8"`
	Critical         float64       `env:"MEMORY_CRITICAL" envDefault:"0.92" validate:"gt=0,max=1" want:"a share of more than 0 and at most 1, such as 0.92"`
	Hysteresis       float64       `env:"MEMORY_HYSTERESIS" envDefault:"0.05" validate:"gt=0,lt=1" want:"a share between 0 and 1, such as 0.05"`
	Dwell            time.Duration `env:"MEMORY_DWELL" envDefault:"1m" validate:"min=1ms" want:"a time from 1ms on, such as 1m"`
	GrowthWindow     time.Duration `env:"GROWTH_WINDOW" envDefault:"1h" validate:"min=1s" want:"a time from 1s on, such as 1h"`
	GrowthHorizon    time.Duration `env:"GROWTH_HORIZON" envDefault:"24h" validate:"min=1s" want:"a time from 1s on, such as 24h"`
	GrowthConfidence float64       `env:"GROWTH_CONFIDENCE" envDefault:"0.999" validate:"gt=0.9,lt=1" want:"a probability between 0.9 and 1, such as 0.999"`

	// The heap profiles, which are written when memory gets short and when the office asks for one.
	ProfilesDir  string `env:"PROFILES_DIR" want:"the path of a directory that can be opened or made"`
	Profiles     int    `env:"PROFILES" envDefault:"4" validate:"min=1,max=100" want:"a whole number from 1 to 100"`
	ProfilesSize Size   `env:"PROFILE_SIZE" envDefault:"4MB" validate:"min=10000" want:"a size from 10kB on, such as 4MB"`
}

// Sweep is how often the janitor does what, and what it takes for slow.
type Sweep struct {
	Cache    time.Duration `env:"SWEEP_CACHE" envDefault:"1m" validate:"min=10ms" want:"a time from 10ms on, such as 1m"`
	Logins   time.Duration `env:"SWEEP_LOGINS" envDefault:"1h" validate:"min=10ms" want:"a time from 10ms on, such as 1h"`
	Metrics  time.Duration `env:"SWEEP_METRICS" envDefault:"5m" validate:"min=10ms" want:"a time from 10ms on, such as 5m"`
	Memory   time.Duration `env:"WATCH_MEMORY" envDefault:"10s" validate:"min=10ms" want:"a time from 10ms on, such as 10s"`
	Database time.Duration `env:"WATCH_DATABASE" envDefault:"5s" validate:"min=10ms" want:"a time from 10ms on, such as 5s"`
	Alerts   time.Duration `env:"SWEEP_ALERTS" envDefault:"5s" validate:"min=10ms" want:"a time from 10ms on, such as 5s"`

	Slow         time.Duration `env:"SWEEP_SLOW" envDefault:"1s" validate:"min=1ms" want:"a time from 1ms on, such as 1s"`
	DrainTimeout time.Duration `env:"SWEEP_DRAIN" envDefault:"2s" validate:"min=1ms,max=1m" want:"a time from 1ms to 1m"`
}

// Alert is who is told when something needs a person, and how many alerts are kept.
type Alert struct {
	WebhookURL Secret `env:"ALERT_WEBHOOK_URL" validate:"omitempty,http_url" want:"a URL that begins with http:// or https://"`
	Keep       int    `env:"ALERTS" envDefault:"100" validate:"min=1,max=10000" want:"a whole number from 1 to 10000"`
	Attempts   int    `env:"ALERT_ATTEMPTS" envDefault:"6" validate:"min=1,max=20" want:"a whole number from 1 to 20"`
}

// KeepAlive keeps a host from putting the service to sleep. It is off without a URL.
type KeepAlive struct {
	URL   string        `env:"RENDER_EXTERNAL_URL" validate:"omitempty,http_url" want:"a URL that begins with http:// or https://"`
	Day   time.Duration `env:"KEEP_ALIVE_DAY" envDefault:"15m" validate:"min=10ms" want:"a time from 10ms on, such as 15m"`
	Night time.Duration `env:"KEEP_ALIVE_NIGHT" envDefault:"1h" validate:"min=10ms" want:"a time from 10ms on, such as 1h"`
}

// Production reports whether the finder serves others than whoever started it.
func (c Config) Production() bool { return c.Server.Environment == production }

// Host is what to listen at.
func (c Config) Host() string {
	if c.Server.Addr == "" && !c.Production() {
		return "localhost"
	}
	return c.Server.Addr
}

// Secure reports whether browsers reach the service by TLS, so that its cookies must not go without.
func (c Config) Secure() bool {
	return c.Server.SecureCookies || strings.HasPrefix(c.KeepAlive.URL, "https://")
}

// SessionTimeout is how long a session lasts that nobody uses.
func (c Config) SessionTimeout() time.Duration {
	return time.Duration(c.Admin.SessionSeconds) * time.Second
}
