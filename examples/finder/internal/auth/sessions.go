package auth

import (
	"time"

	"github.com/ministryfinder/bounded/cache"
)

// The bounds of the sessions. Only who has signed in gets one, so a stranger cannot fill them.
const (
	maxSessions     = 100
	maxSessionBytes = 1 << 20
)

// Sessions keeps the sessions of administrators. It is a scs.Store with a bound: of more than 100 sessions, the
// least used end early, and their owners sign in again. A restart ends them all.
type Sessions struct {
	cache *cache.Cache[string, []byte]
}

func newSessions() (*Sessions, error) {
	c, err := cache.New(cache.Config[string, []byte]{MaxEntries: maxSessions, MaxBytes: maxSessionBytes})
	if err != nil {
		return nil, err
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

// Sweep removes the sessions that have expired, Len is how many there are, Cap how many there may be, and Bytes
// the memory they take.
func (s *Sessions) Sweep() int   { return s.cache.Sweep() }
func (s *Sessions) Len() int     { return s.cache.Len() }
func (s *Sessions) Cap() int     { return s.cache.MaxEntries() }
func (s *Sessions) Bytes() int64 { return s.cache.Bytes() }
