package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/ministryfinder/bounded/cache"
)

const (
	recentEntries = 16
	recentTTL     = 5 * time.Minute
)

// recent remembers for a while which names and passwords were right, as hashes with a key that nobody knows.
type recent struct {
	key   []byte
	right *cache.Cache[[sha256.Size]byte, struct{}]
}

func newRecent() (*recent, error) {
	right, err := cache.New(cache.Config[[sha256.Size]byte, struct{}]{MaxEntries: recentEntries, TTL: recentTTL})
	if err != nil {
		return nil, fmt.Errorf("auth: recent passwords: %w", err)
	}
	return &recent{[]byte(rand.Text()), right}, nil
}

func (r *recent) has(user, password string) bool {
	_, ok := r.right.Get(r.hash(user, password))
	return ok
}

func (r *recent) add(user, password string) { r.right.Set(r.hash(user, password), struct{}{}) }

func (r *recent) hash(user, password string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, r.key)
	fmt.Fprintf(mac, "%d %s%s", len(user), user, password)
	mac.Sum(sum[:0])
	return sum
}
