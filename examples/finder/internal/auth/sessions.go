package auth

import (
	"fmt"
	"time"

	"github.com/ministryfinder/bounded/cache"
)

// Sessions keeps the sessions of administrators. It is a scs.Store with a bound: of more sessions than there
// may be, the least used end early, and their owners sign in again. Only who has signed in gets one, so a
// stranger cannot fill it. A restart ends them all.
type Sessions struct {
	cache *cache.Cache[string, []byte]
}

func newSessions(conf Config) (*Sessions, error) {
	c, err := cache.New(cache.Config[string, []byte]{MaxEntries: conf.MaxSessions, MaxBytes: conf.SessionBytes})
	if err != nil {
		return nil, fmt.Errorf("auth: sessions: %w", err)
	}
	return &Sessions{c}, nil
}

// Find returns the data of a session that has not expired. It never fails.
func (s *Sessions) Find(token string) ([]byte, bool, error) {
	data, ok := s.cache.Get(token)
	return data, ok, nil
}

// Commit stores the data of a session until it expires. It never fails.
func (s *Sessions) Commit(token string, data []byte, expires time.Time) error {
	if ttl := time.Until(expires); ttl > 0 {
		s.cache.SetTTL(token, data, ttl)
	} else {
		s.cache.Delete(token)
	}
	return nil
}

// Delete ends a session. It never fails.
func (s *Sessions) Delete(token string) error {
	s.cache.Delete(token)
	return nil
}

// Sweep removes the sessions that have expired, Len is how many there are, and Stats counts.
func (s *Sessions) Sweep() int         { return s.cache.Sweep() }
func (s *Sessions) Len() int           { return s.cache.Len() }
func (s *Sessions) Stats() cache.Stats { return s.cache.Stats() }
