package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	sqliteConns = 4               // readers beside the one writer that SQLite allows
	busyTimeout = 3 * time.Second // how long a writer of SQLite waits for another; shorter than queryTimeout, so that the cause is named
)

// connect makes the pool. That needs no connection.
func (s *Store) connect() error {
	if s.conf.URL == "" {
		return s.connectSQLite()
	}
	c, err := s.conf.postgres()
	if err != nil {
		return err
	}
	if s.pool, err = pgxpool.NewWithConfig(s.ctx, c); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.db = stdlib.OpenDBFromPool(s.pool)
	return nil
}

// postgres returns the configuration of the pool. The pool looks at a connection that was idle for a second before it
// gives it away, and at all idle ones every minute.
func (c Config) postgres() (*pgxpool.Config, error) {
	address, err := url.Parse(c.URL)
	if err != nil || address.Scheme != "postgres" && address.Scheme != "postgresql" {
		// Not err: it quotes what it could not parse, which may be half a password.
		return nil, fmt.Errorf("store: Config.URL is %q, want postgres://user:password@host/database", redact(c.URL))
	}
	query := address.Query()
	if !query.Has("sslmode") {
		query.Set("sslmode", "require")
	}
	address.RawQuery = query.Encode()
	config, err := pgxpool.ParseConfig(address.String())
	if err != nil {
		return nil, fmt.Errorf("store: Config.URL is %q, want postgres://user:password@host/database with settings that PostgreSQL knows", redact(c.URL))
	}
	config.MinConns, config.MaxConns = int32(c.MinConns), int32(c.MaxConns)
	config.ConnConfig.ConnectTimeout = c.ConnectTimeout
	config.ConnConfig.RuntimeParams["statement_timeout"] = strconv.FormatInt(c.StatementTimeout.Milliseconds(), 10)
	config.ConnConfig.RuntimeParams["application_name"] = "finder"
	return config, nil
}

// redact returns the address without what may be a secret, even if it is no proper URL.
func redact(address string) string {
	address, _, _ = strings.Cut(address, "?")
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return "(hidden)"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		user, _, _ := strings.Cut(rest[:i], ":")
		rest = user + ":xxxxx" + rest[i:]
	}
	return scheme + "://" + rest
}

func (s *Store) connectSQLite() error {
	// SQLite's own message for a path it cannot open does not say why; the operating system's does.
	file, err := os.OpenFile(s.conf.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	dsn, err := dataSource(s.conf.Path)
	if err != nil {
		return err
	}
	if s.db, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(sqliteConns)
	s.db.SetMaxIdleConns(sqliteConns)
	s.db.SetConnMaxIdleTime(5 * time.Minute)
	return nil
}

// dataSource returns the driver's name for a file, with the settings that each new connection begins with.
func dataSource(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	settings := url.Values{
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
			"journal_mode(WAL)", // readers do not wait for the writer
			"foreign_keys(1)",
		},
		"_txlock": {"immediate"}, // a transaction that will write waits at its start, where waiting is safe
	}
	// As a URL, so that a ? or a # in the path means itself.
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: settings.Encode()}).String(), nil
}

// disconnect closes the pool. A connection that hangs is left to end by itself, soon.
func (s *Store) disconnect() error {
	closed := make(chan error, 1)
	go func() {
		err := s.db.Close()
		if s.pool != nil {
			s.pool.Close()
		}
		closed <- err
	}()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeTimeout):
		return errors.New("store: connections to the database did not close in time")
	}
}

func (s *Store) kind() string {
	if s.pool == nil {
		return "sqlite"
	}
	return "postgresql"
}

func (s *Store) poolStats() Pool {
	if s.pool == nil {
		p := s.db.Stats()
		return Pool{p.OpenConnections, p.InUse, p.Idle, p.MaxOpenConnections, uint64(p.WaitCount), p.WaitDuration}
	}
	p := s.pool.Stat()
	return Pool{int(p.TotalConns()), int(p.AcquiredConns()), int(p.IdleConns()), int(p.MaxConns()), uint64(p.EmptyAcquireCount()), p.EmptyAcquireWaitTime()}
}
