// Package httpcache keeps answers to GET requests, within a bound in bytes, as a shared cache may by RFC 9111: only
// those that say for how long they are good for anybody, and never those that are of one person.
package httpcache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ministryfinder/bounded/cache"
)

// A Config bounds a Cache.
type Config struct {
	MaxBytes int64    // of all answers, with what keeps them
	MaxBody  int      // of one: a longer one is passed on and not kept. Zero: a sixteenth of MaxBytes
	Vary     []string // headers that answers may vary by: each of their values has answers of its own
}

// A Cache keeps answers. Its methods may be called from any goroutine.
type Cache struct {
	answers *cache.Cache[string, *answer]
	group   cache.Group[string, *answer]
	maxBody int
	vary    []string
}

// passFor is for how long it is remembered that the answers for a key are not kept, so that those who ask need not
// wait for each other.
const passFor = 10 * time.Second

// New returns an empty cache.
func New(config Config) (*Cache, error) {
	if config.MaxBody < 0 {
		return nil, fmt.Errorf("httpcache: Config.MaxBody is %d, want zero or more", config.MaxBody)
	}
	answers, err := cache.New(cache.Config[string, *answer]{MaxBytes: config.MaxBytes, Groups: true})
	if err != nil {
		return nil, fmt.Errorf("httpcache: %w", err)
	}
	c := &Cache{answers: answers, group: answers.Group("all"), maxBody: config.MaxBody}
	if c.maxBody == 0 {
		c.maxBody = int(config.MaxBytes / 16)
	}
	for _, name := range config.Vary {
		c.vary = append(c.vary, http.CanonicalHeaderKey(name))
	}
	return c, nil
}

// Invalidate forgets all answers, those included that are being made.
func (c *Cache) Invalidate() { c.group.Invalidate() }

// Sweep removes what has expired and returns how many answers that were.
func (c *Cache) Sweep() int { return c.answers.Sweep() }

// Stats returns the figures of the cache.
func (c *Cache) Stats() cache.Stats { return c.answers.Stats() }

// Middleware answers GET and HEAD from the cache. What next answers to a GET is kept if that is allowed:
//
//   - The status is 200, and Cache-Control has an s-maxage or max-age above zero, but none of no-store, private and
//     no-cache.
//   - It sets no cookie, and varies by nothing but what the Config names.
//   - If the request was authorized, or came with a cookie, Cache-Control says public.
//
// An answer that is kept gets an ETag if it has none; who names it in If-None-Match gets 304. A request is
// answered anew if it says no-cache, or by max-age or min-fresh that what is kept is too old for it, or if it
// is for a Range; one with no-store leaves no trace. A request of another method that succeeds drops what was
// kept for its URL. What is stale is never sent, and Expires is not looked at.
//
// Those who ask for the same at the same time wait for one call of next. Its answer is whole before anybody
// gets it: do not put the cache before what streams.
func (c *Cache) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := directives(r.Header)
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			c.unsafe(w, r, next)
		case asked.has("no-store"), r.Header.Get("Range") != "":
			next.ServeHTTP(w, r)
		case asked.has("only-if-cached"):
			if a, ok := c.answers.Get(c.key(r)); ok && a.kept && a.suits(asked, r.Header) {
				a.write(w, r, false)
			} else {
				http.Error(w, "not in the cache", http.StatusGatewayTimeout)
			}
		default:
			if a, ok := c.answers.Peek(c.key(r)); ok && !a.suits(asked, r.Header) {
				c.answers.Delete(c.key(r))
			}
			c.serve(w, r, next)
		}
	})
}

// unsafe passes on a request that may change what GET answers.
func (c *Cache) unsafe(w http.ResponseWriter, r *http.Request, next http.Handler) {
	s := &status{ResponseWriter: w, code: http.StatusOK}
	defer func() {
		if s.code < 400 {
			prefix := location(r)
			c.answers.DeleteFunc(func(key string, _ *answer) bool { return strings.HasPrefix(key, prefix) })
		}
	}()
	next.ServeHTTP(s, r)
}

// serve answers a GET or HEAD from the cache, or lets next make an answer to GET.
func (c *Cache) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if r.Method == http.MethodHead {
		if a, ok := c.answers.Get(c.key(r)); ok && a.kept {
			a.write(w, r, false)
		} else {
			next.ServeHTTP(w, r)
		}
		return
	}
	defer func() { // what next panicked with, as if it had been called here
		if v := recover(); v != nil {
			if p, ok := v.(*cache.LoadPanic); ok {
				v = p.Value
			}
			panic(v)
		}
	}()
	var mine *answer // what next answered to this very request
	a, err := c.group.GetOrLoadTTL(r.Context(), c.key(r), func(ctx context.Context, _ string) (*answer, time.Duration, error) {
		made, life := c.make(ctx, r, next)
		mine = made
		if life == 0 {
			return &answer{}, passFor, nil
		}
		return made, life, nil
	})
	switch {
	case errors.Is(err, cache.ErrLoaderExited):
		panic(http.ErrAbortHandler)
	case err != nil: // the request is over
	case a.kept:
		a.write(w, r, a == mine)
	case mine != nil && !mine.cut:
		mine.write(w, r, true)
	default:
		next.ServeHTTP(w, r)
	}
}

// make lets next answer r, and says for how long the answer is to be kept: zero is not at all.
func (c *Cache) make(ctx context.Context, r *http.Request, next http.Handler) (*answer, time.Duration) {
	rec := &recorder{header: make(http.Header), limit: c.maxBody}
	next.ServeHTTP(rec, unconditional(r.WithContext(ctx)))
	rec.WriteHeader(http.StatusOK) // unless it did
	life := max(lifetime(r, rec, c.vary), 0)
	if rec.cut {
		life = 0
	}
	a := &answer{status: rec.status, header: rec.header, body: rec.body.Bytes(), made: time.Now().Add(-ageOf(rec.header)), kept: life > 0, cut: rec.cut}
	a.ends = time.Now().Add(life)
	if a.kept {
		a.strip()
		a.tag()
	}
	return a, life
}

// key returns what answers to r are kept by. It begins with the location.
func (c *Cache) key(r *http.Request) string {
	var b strings.Builder
	b.WriteString(location(r))
	for _, name := range c.vary {
		fmt.Fprintf(&b, "%q", r.Header.Values(name))
	}
	return b.String()
}

// location returns the scheme, host and URL of r, ended by a byte that no URL has.
func location(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + r.URL.RequestURI() + "\n"
}
