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
