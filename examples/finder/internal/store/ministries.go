package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
)

const selectMinistry = `SELECT key, name, category, details, meets, place, commitment, contact, audience, active FROM ministries`

// Seed adds the ministries if the database has none, and returns how many it added: what a parish has changed stays.
func (s *Store) Seed(ctx context.Context, ministries []catalog.Ministry) (added int, err error) {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back

	var have int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM ministries").Scan(&have); err != nil || have > 0 {
		return 0, err
	}
	for _, m := range ministries {
		audience, err := json.Marshal(m.Audience)
		if err != nil {
			return 0, err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO ministries
			(key, name, category, details, meets, place, commitment, contact, audience, active)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			m.Key, m.Name, m.Category, m.Details, m.Meets, m.Place, m.Commitment, m.Contact, string(audience), m.Active)
		if err != nil {
			return 0, fmt.Errorf("ministry %q: %w", m.Key, err)
		}
	}
	return len(ministries), tx.Commit()
}

// ActiveMinistries returns the ministries that may be suggested, by name.
func (s *Store) ActiveMinistries(ctx context.Context) ([]catalog.Ministry, error) {
	return s.ministries(ctx, selectMinistry+" WHERE active ORDER BY name, key")
}

// Ministries returns all ministries, by category and name.
func (s *Store) Ministries(ctx context.Context) ([]catalog.Ministry, error) {
	return s.ministries(ctx, selectMinistry+" ORDER BY category, name, key")
}

func (s *Store) ministries(ctx context.Context, query string) ([]catalog.Ministry, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()

	var ministries []catalog.Ministry
	for rows.Next() {
		m, err := scanMinistry(rows)
		if err != nil {
			return nil, err
		}
		ministries = append(ministries, m)
	}
	return ministries, rows.Err()
}

// Ministry returns the ministry with that key, or [ErrNotFound].
func (s *Store) Ministry(ctx context.Context, key string) (catalog.Ministry, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	m, err := scanMinistry(s.db.QueryRowContext(ctx, selectMinistry+" WHERE key = $1", key))
	if errors.Is(err, sql.ErrNoRows) {
		return catalog.Ministry{}, ErrNotFound
	}
	return m, err
}

func scanMinistry(row interface{ Scan(...any) error }) (catalog.Ministry, error) {
	var m catalog.Ministry
	var audience string
	if err := row.Scan(&m.Key, &m.Name, &m.Category, &m.Details, &m.Meets, &m.Place, &m.Commitment, &m.Contact, &audience, &m.Active); err != nil {
		return catalog.Ministry{}, err
	}
	if err := json.Unmarshal([]byte(audience), &m.Audience); err != nil {
		return catalog.Ministry{}, fmt.Errorf("store: audience of ministry %q: %w", m.Key, err)
	}
	return m, nil
}

// UpdateMinistry replaces the ministry with the same key, or returns [ErrNotFound]. The ministry must be valid.
func (s *Store) UpdateMinistry(ctx context.Context, m catalog.Ministry) error {
	audience, err := json.Marshal(m.Audience)
	if err != nil {
		return err
	}
	return s.changeMinistry(ctx, `UPDATE ministries SET name = $2, category = $3, details = $4, meets = $5,
		place = $6, commitment = $7, contact = $8, audience = $9, active = $10 WHERE key = $1`,
		m.Key, m.Name, m.Category, m.Details, m.Meets, m.Place, m.Commitment, m.Contact, string(audience), m.Active)
}

// SetMinistryActive activates or deactivates the ministry with that key, or returns [ErrNotFound].
func (s *Store) SetMinistryActive(ctx context.Context, key string, active bool) error {
	return s.changeMinistry(ctx, "UPDATE ministries SET active = $2 WHERE key = $1", key, active)
}

func (s *Store) changeMinistry(ctx context.Context, statement string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	result, err := s.db.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	changed, err := result.RowsAffected()
	if err == nil && changed == 0 {
		return ErrNotFound
	}
	return err
}
