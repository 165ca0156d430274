package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
)

const selectMinistry = `SELECT key, name, category, details, meets, place, commitment, contact, audience, active FROM ministries`

// ActiveMinistries returns the ministries that may be suggested, by name. If the database cannot be read, these
// are those of the last time, or the built-in ones; [Status] says which. The caller must not change them.
func (s *Store) ActiveMinistries(ctx context.Context) ([]catalog.Ministry, error) {
	ministries, err := s.ministries(ctx, selectMinistry+" WHERE active")
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil, err // nobody is waiting
	}
	slices.SortFunc(ministries, func(a, b catalog.Ministry) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Key, b.Key))
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.lastKnown, s.served = ministries, FromDatabase
	case s.lastKnown != nil:
		ministries, s.served = s.lastKnown, FromLastKnown
	default:
		ministries, s.served = s.builtIn, FromBuiltIn
	}
	return ministries, nil
}

// Ministries returns all ministries, by category and name.
func (s *Store) Ministries(ctx context.Context) ([]catalog.Ministry, error) {
	ministries, err := s.ministries(ctx, selectMinistry)
	slices.SortFunc(ministries, func(a, b catalog.Ministry) int { return cmp.Or(strings.Compare(a.Category, b.Category), byName(a, b)) })
	return ministries, err
}

// byName is the order of ministries. It is not left to the databases, which do not agree on an order of texts.
func byName(a, b catalog.Ministry) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Key, b.Key))
}

func (s *Store) ministries(ctx context.Context, query string, args ...any) (ministries []catalog.Ministry, err error) {
	err = s.do(ctx, queryTimeout, func(ctx context.Context, conn *sql.Conn) error {
		rows, err := conn.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		ministries = []catalog.Ministry{}
		for rows.Next() {
			m, err := scanMinistry(rows)
			if err != nil {
				return err
			}
			ministries = append(ministries, m)
		}
		return rows.Err()
	})
	return ministries, err
}

// Ministry returns the ministry with that key, or [ErrNotFound].
func (s *Store) Ministry(ctx context.Context, key string) (catalog.Ministry, error) {
	if !catalog.ValidKey(key) { // not all databases would take it for a text
		return catalog.Ministry{}, ErrNotFound
	}
	found, err := s.ministries(ctx, selectMinistry+" WHERE key = $1", key)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return catalog.Ministry{}, err
	}
	return found[0], nil
}

func scanMinistry(row *sql.Rows) (catalog.Ministry, error) {
	var m catalog.Ministry
	var audience string
	if err := row.Scan(&m.Key, &m.Name, &m.Category, &m.Details, &m.Meets, &m.Place, &m.Commitment, &m.Contact, &audience, &m.Active); err != nil {
		return catalog.Ministry{}, err
	}
	if err := json.Unmarshal([]byte(audience), &m.Audience); err != nil {
		return catalog.Ministry{}, fmt.Errorf("%w: audience of ministry %q: %w", errCorrupt, m.Key, err)
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
	if !catalog.ValidKey(key) {
		return ErrNotFound
	}
	return s.changeMinistry(ctx, "UPDATE ministries SET active = $2 WHERE key = $1", key, active)
}

func (s *Store) changeMinistry(ctx context.Context, statement string, args ...any) error {
	err := s.do(ctx, queryTimeout, func(ctx context.Context, conn *sql.Conn) error {
		result, err := conn.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		changed, err := result.RowsAffected()
		if err == nil && changed == 0 {
			return ErrNotFound
		}
		return err
	})
	if err == nil {
		// So that, should the database go away now, the ministries that are last known have the change.
		_, _ = s.ActiveMinistries(ctx)
	}
	return err
}
