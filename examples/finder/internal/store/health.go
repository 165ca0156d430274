package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A health is what is known of the database. The Store's mu guards it.
type health struct {
	up        bool
	since     time.Time // of up
	lastError string    // why not up
}

// set notes what was seen, nil if all was well, and reports whether that is news.
func (h *health) set(err error, now time.Time) (news bool) {
	news = h.up != (err == nil)
	if news {
		h.up, h.since = err == nil, now
	}
	h.lastError = ""
	if err != nil {
		h.lastError = err.Error()
	}
	return news
}

// do calls use with a connection, which it takes back whatever happens. While the database is away it returns
// ErrDown at once. An error that may say that the database has gone away is looked into.
func (s *Store) do(ctx context.Context, limit time.Duration, use func(context.Context, *sql.Conn) error) error {
	s.mu.Lock()
	up := s.health.up
	s.mu.Unlock()
	if !up {
		return ErrDown
	}
	err := s.try(ctx, limit, use)
	if err == nil || ctx.Err() != nil { // a caller that gave up says nothing about the database
		return err
	}
	if v := judge(err); v == away || v == late { // Is it the database, or only this connection, or this statement?
		probe := s.probe(context.WithoutCancel(ctx), probeTimeout)
		if probe != nil && !errors.Is(probe, ErrBusy) {
			s.learn(err)
			return fmt.Errorf("%w: %w", ErrDown, err)
		}
	}
	return err
}

// try is do for those who ask whether the database is there.
func (s *Store) try(ctx context.Context, limit time.Duration, use func(context.Context, *sql.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		if pool := s.poolStats(); errors.Is(err, context.DeadlineExceeded) && pool.InUse >= pool.Max {
			return fmt.Errorf("%w: %w", ErrBusy, err)
		}
		return err
	}
	defer conn.Close() //nolint:errcheck // the pool looks after a connection that is broken
	return use(ctx, conn)
}

// probe asks whether the database is there. That a connection is broken which was made before says little of
// those to come: a server that was started again, or a failover, leaves all of them broken. So they are
// dropped, and a new one is asked.
func (s *Store) probe(ctx context.Context, limit time.Duration) error {
	err := s.try(ctx, limit, ping)
	if err == nil || s.pool == nil || judge(err) != away {
		return err
	}
	s.pool.Reset()
	return s.try(ctx, limit, ping)
}

func ping(ctx context.Context, conn *sql.Conn) error {
	var one int
	return conn.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// check asks the database, and sets it up if that has not been done yet. s.sweeping must be held.
// That all connections are in use for all this time is an error too: a database that hangs looks like this.
func (s *Store) check(ctx context.Context, limit time.Duration) error {
	if err := s.probe(ctx, limit); err != nil || s.ready {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if err := s.seed(ctx); err != nil {
		return err
	}
	s.ready = true
	return nil
}

// learn notes that the database is well, or why it is not.
func (s *Store) learn(err error) {
	s.mu.Lock()
	before, now := s.health, time.Now()
	news := s.health.set(err, now)
	queued := s.outbox.len()
	s.mu.Unlock()
	level, message := slog.LevelDebug, "the database is as it was"
	switch {
	case err != nil && before.lastError == "": // at start too
		level, message = slog.LevelWarn, "the database is away"
	case news && before.lastError != "":
		level, message = slog.LevelInfo, "the database is back"
	}
	attrs := []any{"after", now.Sub(before.since).Round(time.Millisecond), "queued", queued}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	s.conf.Logger.Log(context.Background(), level, message, attrs...)
}

// A verdict is what an error says about the database.
type verdict int

const (
	failed  verdict = iota // the statement, or its caller, has a problem; the database has none
	refused                // so have the values: they will never be taken
	busy                   // later it may be taken
	late                   // the deadline passed, for whatever reason
	away                   // nothing will be taken until the database is back
)

// judge returns the verdict of an error that is not nil.
func judge(err error) verdict {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.Is(err, ErrBusy):
		return busy
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, ErrNotFound), errors.Is(err, errCorrupt), errors.Is(err, context.Canceled):
		return failed
	case errors.As(err, &pg):
		return judgePostgres(pg.Code)
	case errors.As(err, &lite):
		return judgeSQLite(lite.Code())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, sql.ErrTxDone): // the transaction ended with its deadline
		return late
	}
	return away // no answer at all
}

// judgePostgres knows the classes of PostgreSQL's error codes (its manual, appendix A).
func judgePostgres(code string) verdict {
	if code == "57014" { // statement_timeout
		return busy
	}
	switch code[:min(2, len(code))] {
	case "22", "23": // values out of range, constraints
		return refused
	case "40", "55": // deadlocks, locks
		return busy
	case "08", "25", "28", "3D", "53", "57", "58", "XX": // connection, read-only after a failover, sign-in, no database, resources, shutdown, disk
		return away
	}
	return failed
}

func judgeSQLite(code int) verdict {
	switch code & 0xff { // without the details
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
		return refused
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return busy
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return away
	}
	return failed
}
