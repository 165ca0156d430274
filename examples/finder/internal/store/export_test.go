package store

import (
	"context"
	"database/sql"
)

// Exec runs a statement as the Store's methods do.
func (s *Store) Exec(ctx context.Context, statement string, args ...any) error {
	return s.do(ctx, setupTimeout, func(ctx context.Context, conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, statement, args...)
		return err
	})
}

// Hold takes a connection and keeps it.
func (s *Store) Hold(ctx context.Context) (*sql.Conn, error) { return s.db.Conn(ctx) }

// Write writes submissions in one transaction, as those that have waited are.
func (s *Store) Write(ctx context.Context, subs ...Submission) error {
	records := make([]*record, len(subs))
	for i, sub := range subs {
		var err error
		if records[i], err = encode(sub); err != nil {
			return err
		}
	}
	return s.try(ctx, setupTimeout, func(ctx context.Context, conn *sql.Conn) error { return s.write(ctx, conn, records...) })
}
