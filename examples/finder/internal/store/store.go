// Package store keeps ministries and submissions in a SQLite database, through a driver in pure Go.
//
// The pool is bounded, every statement has a deadline, and every row set is closed on every path.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	maxConns     = 4               // readers beside the one writer that SQLite allows
	busyTimeout  = 3 * time.Second // how long a writer waits for another; shorter than queryTimeout, so that the cause is named
	queryTimeout = 5 * time.Second // for every statement, the wait for a connection included
	setupTimeout = 30 * time.Second
)

// ErrNotFound is returned when no ministry has the key that was asked for.
var ErrNotFound = errors.New("store: no such ministry")

//go:embed migrations/*.sql
var migrations embed.FS

// A Store is an open database. Its methods are safe for concurrent use. Close it last, after whatever uses it.
type Store struct {
	db *sql.DB
}

// Open opens the database in the file at path, makes it if there is none, and brings its tables up to date.
func Open(ctx context.Context, path string) (*Store, error) {
	// SQLite's own message for a path it cannot open does not say why; the operating system's does.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	dsn, err := dataSource(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	db.SetConnMaxIdleTime(5 * time.Minute)

	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{db: db}, nil
}

// dataSource returns the driver's name for a file, with the settings that each new connection begins with.
func dataSource(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	settings := url.Values{
		"_pragma": {
			"journal_mode(WAL)", // readers do not wait for the writer
			fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
			"foreign_keys(1)",
		},
		"_txlock": {"immediate"}, // a transaction that will write waits at its start, where waiting is safe
	}
	// As a URL, so that a ? or a # in the path means itself.
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: settings.Encode()}).String(), nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var one int
	return s.db.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// Close waits for the statements that run and closes the database.
func (s *Store) Close() error { return s.db.Close() }
