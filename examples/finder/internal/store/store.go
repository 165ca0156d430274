// Package store keeps ministries and submissions in PostgreSQL, or in a file of SQLite. One set of queries
// serves both.
//
// # Bounds
//
// The pool of connections is bounded, every call ends within a few seconds, and every connection is given back on
// every path. PostgreSQL itself ends a statement that takes longer than [Config.StatementTimeout].
//
// # When the database is away
//
// A database that is down when the program starts, or goes away later, stops nothing. The ministries that may be
// suggested are those that were last known, or else the built-in ones. Submissions wait in a bounded queue in memory,
// and are written when the database is back, each with effect exactly once, however often it was tried; what does not
// fit is refused with [ErrQueueFull] and counted. All else answers [ErrDown] at once. [Store.Sweep] notices that the
// database is back; it is made to be called every few seconds.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
)

// A Config says where the data are, and bounds what keeping them takes. Zero fields have the defaults that are named.
type Config struct {
	// URL is the address of a PostgreSQL database: postgres://user:password@host/database. TLS is required unless it
	// names another sslmode. Empty means the file at Path.
	URL string
	// Path is the file of a SQLite database, which is made if there is none. It is not used if there is a URL.
	Path string

	// MinConns and MaxConns bound the pool of connections to PostgreSQL. Zero means 2 and 10.
	MinConns, MaxConns int
	// ConnectTimeout is how long making a connection may take. Zero means 10 s.
	ConnectTimeout time.Duration
	// StatementTimeout is when PostgreSQL ends a statement by itself. Zero means 30 s.
	StatementTimeout time.Duration

	// QueueEntries and QueueBytes bound the submissions that wait for the database. Zero means 10,000 and 10 MB.
	QueueEntries int
	QueueBytes   int64

	// BuiltIn are the ministries that a new database begins with, and those that are suggested until the database
	// has been read once.
	BuiltIn []catalog.Ministry
	// Logger is told when the database goes away and comes back, and what is lost. Nil means slog.Default.
	Logger *slog.Logger
}

// Validate reports the first field that cannot be used, without a password that is in it.
func (c Config) Validate() error {
	c = c.withDefaults()
	if c.URL != "" {
		if _, err := c.postgres(); err != nil {
			return err
		}
	} else if c.Path == "" {
		return errors.New("store: Config.URL and Config.Path are empty, want one of them")
	}
	switch {
	case c.MinConns < 0:
		return fmt.Errorf("store: Config.MinConns is %d, want zero or more", c.MinConns)
	case c.MaxConns < c.MinConns:
		return fmt.Errorf("store: Config.MaxConns is %d, want at least MinConns, %d", c.MaxConns, c.MinConns)
	case c.ConnectTimeout < 0:
		return fmt.Errorf("store: Config.ConnectTimeout is %v, want zero or more", c.ConnectTimeout)
	case c.StatementTimeout < time.Millisecond:
		return fmt.Errorf("store: Config.StatementTimeout is %v, want zero or at least 1ms", c.StatementTimeout)
	case c.QueueEntries < 0:
		return fmt.Errorf("store: Config.QueueEntries is %d, want zero or more", c.QueueEntries)
	case c.QueueBytes < 0:
		return fmt.Errorf("store: Config.QueueBytes is %d, want zero or more", c.QueueBytes)
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.MinConns, c.MaxConns = cmp.Or(c.MinConns, 2), cmp.Or(c.MaxConns, 10)
	c.ConnectTimeout, c.StatementTimeout = cmp.Or(c.ConnectTimeout, 10*time.Second), cmp.Or(c.StatementTimeout, 30*time.Second)
	c.QueueEntries, c.QueueBytes = cmp.Or(c.QueueEntries, 10_000), cmp.Or(c.QueueBytes, 10_000_000)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}

// How long things may take.
const (
	queryTimeout = 5 * time.Second  // a call of the Store, the wait for a connection included
	probeTimeout = time.Second      // to find out why a call failed
	setupTimeout = 30 * time.Second // tables and built-in ministries, once
	drainTime    = 3 * time.Second  // writing the queue in one Sweep, and one transaction more
	closeTimeout = 3 * time.Second  // writing the queue at the end, and as long again for closing connections
)

var (
	// ErrNotFound is returned when no ministry has the key that was asked for.
	ErrNotFound = errors.New("store: no such ministry")
	// ErrDown is returned while the database is away.
	ErrDown = errors.New("store: the database is not available")
	// ErrBusy is returned when no connection became free in time.
	ErrBusy = errors.New("store: all connections to the database are in use")
	// ErrQueueFull is returned when a submission can neither be written nor wait.
	ErrQueueFull = errors.New("store: the database is not available, and the queue of submissions is full")
	// ErrClosed is returned by what would keep something after Close.
	ErrClosed = errors.New("store: closed")
)

// A Store is an open database, or one that is waited for. Its methods are safe for concurrent use.
// Close it last, after whatever uses it.
type Store struct {
	conf    Config
	builtIn []catalog.Ministry // of conf, the active ones, by name
	db      *sql.DB
	pool    *pgxpool.Pool // whose connections db uses; nil: SQLite

	ctx  context.Context // of Sweep; Close ends it
	stop context.CancelFunc

	// sweeping is held by the one who checks the database, sets it up and writes the queue. It comes before mu.
	sweeping sync.Mutex
	ready    bool // tables and built-in ministries are there; guarded by sweeping

	mu        sync.Mutex // guards what follows; never held while the database is asked
	closed    bool
	health    health
	outbox    outbox
	lastKnown []catalog.Ministry // active, as the database had them last; nil: never read
	served    string             // where the ministries came from that were asked for last
}

// Open opens the database and brings its tables up to date. PostgreSQL may be away: then Open returns all the same,
// after [Config.ConnectTimeout] at the latest, and Sweep does the rest later.
func Open(ctx context.Context, c Config) (*Store, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Store{conf: c.withDefaults(), served: FromBuiltIn}
	s.builtIn = slices.DeleteFunc(slices.Clone(s.conf.BuiltIn), func(m catalog.Ministry) bool { return !m.Active })
	slices.SortFunc(s.builtIn, byName)
	s.outbox = newOutbox(s.conf.QueueEntries, s.conf.QueueBytes)
	s.health.since = time.Now()
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.connect(); err != nil {
		return nil, err
	}
	s.sweeping.Lock()
	err := s.checkFirst(ctx)
	s.sweeping.Unlock()
	if err != nil && s.pool == nil { // a file does not come back by itself
		return nil, errors.Join(err, s.Close())
	}
	s.learn(err)
	return s, nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.try(ctx, queryTimeout, ping) }

// Sweep looks whether the database answers, sets it up if that has not been done yet, writes submissions that wait,
// and returns how many it wrote. It ends within seconds, whatever the database does; only setting up may take 30 s.
// While one Sweep runs, another does nothing.
func (s *Store) Sweep() (written int) {
	if !s.sweeping.TryLock() {
		return 0
	}
	defer s.sweeping.Unlock()
	err := s.check(s.ctx, queryTimeout)
	if err == nil {
		written, err = s.drain(s.ctx, drainTime)
	}
	if s.ctx.Err() == nil {
		s.learn(err)
	}
	return written
}

// Where the ministries come from that may be suggested.
const (
	FromDatabase  = "database"
	FromLastKnown = "last known" // as the database had them before it went away
	FromBuiltIn   = "built-in"
)

// A Status says how the database is.
type Status struct {
	Kind       string    // "postgresql" or "sqlite"
	Up         bool      // it answered when it was last asked
	Since      time.Time // when that changed last
	LastError  string    // why it is not up; no secrets are in it
	Ministries string    // where those came from that were asked for last: FromDatabase, FromLastKnown or FromBuiltIn

	Queued       int // submissions that wait for the database
	QueuedBytes  int64
	QueueEntries int // the bounds of the two
	QueueBytes   int64
	QueueFull    bool   // the last submission that came did not fit
	Written      uint64 // submissions that waited, and were written
	Refused      uint64 // submissions that did not fit, or that the database would not have; they are lost

	Pool Pool
}

// A Pool says how the connections are used.
type Pool struct {
	Open, InUse, Idle, Max int
	Waits                  uint64        // for a connection
	Waited                 time.Duration // all of these together
}

// Status returns how the database is. It does not ask it.
func (s *Store) Status() Status {
	s.mu.Lock()
	status := Status{
		Up: s.health.up, Since: s.health.since, LastError: s.health.lastError, Ministries: s.served,
		Queued: s.outbox.len(), QueuedBytes: s.outbox.bytes, QueueEntries: s.outbox.maxEntries, QueueBytes: s.outbox.maxBytes,
		QueueFull: s.outbox.full, Written: s.outbox.written, Refused: s.outbox.refused,
	}
	s.mu.Unlock()
	status.Kind, status.Pool = s.kind(), s.poolStats()
	return status
}

// Close writes what waits and closes the connections. It takes a few seconds at most; what could not be written by
// then is lost, which the error says. What uses the Store should have ended.
func (s *Store) Close() error {
	s.stop()
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	s.mu.Lock()
	again := s.closed
	s.closed = true
	waiting := s.outbox.len()
	s.mu.Unlock()
	if again {
		return nil
	}
	var lost error
	if waiting > 0 {
		lost = s.flush()
	}
	return errors.Join(lost, s.disconnect())
}
