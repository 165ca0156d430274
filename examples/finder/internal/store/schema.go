package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// checkFirst is the check of Open. s.sweeping must be held.
//
// SQLite has no lock for whole migrations, and none for making the file. But each step is a transaction that
// begins with the right to write, so an instance that comes second fails with the step as a whole, and finds it
// done when it looks again.
func (s *Store) checkFirst(ctx context.Context) error {
	err := s.check(ctx, s.conf.ConnectTimeout)
	for range 50 {
		if err == nil || s.pool != nil || ctx.Err() != nil || judge(err) == away {
			break
		}
		time.Sleep(20 * time.Millisecond)
		err = s.check(ctx, s.conf.ConnectTimeout)
	}
	return err
}

// migrate brings the tables up to date. Others may do so at the same time.
func (s *Store) migrate(ctx context.Context) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	dialect := goose.DialectSQLite3
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(goose.NewGoMigration(3, &goose.GoFunc{RunTx: s.writing().fillChoices}, nil)),
	}
	if s.pool != nil {
		// Whoever comes second waits, and finds nothing left to do.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60), lock.WithUnlockTimeout(1, 3))
		if err != nil {
			return err
		}
		dialect = goose.DialectPostgres
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, s.db, dir, options...)
	if err != nil {
		return err
	}
	if _, err = provider.Up(ctx); err != nil {
		return fmt.Errorf("store: bringing the tables up to date: %w", err)
	}
	return nil
}

// fillChoices writes the choices of the submissions that were stored before there was a table of choices.
func (w *writing) fillChoices(ctx context.Context, tx *sql.Tx) error {
	const page = 500
	for last := ""; ; {
		rows, err := tx.QueryContext(ctx, selectSubmission+" WHERE id > $1 ORDER BY id LIMIT $2", last, page)
		if err != nil {
			return err
		}
		subs, err := scanSubmissions(rows)
		if err != nil {
			return err
		}
		records := make([]*record, len(subs))
		for i, sub := range subs {
			if records[i], err = encode(sub); err != nil {
				return err
			}
			last = sub.ID
		}
		if err := w.choose(ctx, tx, records); err != nil {
			return err
		}
		if len(subs) < page {
			return nil
		}
	}
}

// seed adds the built-in ministries if the database has none: what a parish has changed stays.
func (s *Store) seed(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back

	var have int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM ministries").Scan(&have); err != nil || have > 0 {
		return err
	}
	for _, m := range s.conf.BuiltIn {
		audience, err := json.Marshal(m.Audience)
		if err != nil {
			return err
		}
		// Another instance may do the same at the same time.
		_, err = tx.ExecContext(ctx, `INSERT INTO ministries
			(key, name, category, details, meets, place, commitment, contact, audience, active)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (key) DO NOTHING`,
			m.Key, m.Name, m.Category, m.Details, m.Meets, m.Place, m.Commitment, m.Contact, string(audience), m.Active)
		if err != nil {
			return fmt.Errorf("store: ministry %q: %w", m.Key, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.conf.Logger.Debug("a new database", "ministries", len(s.conf.BuiltIn))
	return nil
}
