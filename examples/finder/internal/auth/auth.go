// Package auth lets one administrator in, and keeps those out who guess.
package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/alexedwards/scs/v2"
	"golang.org/x/crypto/bcrypt"

	"github.com/ministryfinder/bounded/ratelimit"
)

const (
	sessionLifetime = 12 * time.Hour
	sessionIdle     = time.Hour
	signedInKey     = "signed-in"

	// hashers is how many passwords are hashed at a time: each takes a CPU for some 50 ms, and the others'
	// requests must not wait for whoever sends wrong passwords from a thousand addresses.
	hashers = 2

	maxSuspects = 50
)

// ErrWrong is returned by SignIn for a wrong name or password; which of them, it does not say.
var ErrWrong = errors.New("auth: wrong name or password")

// A LockedError is returned by SignIn to an address that has guessed too often.
type LockedError struct{ RetryAfter time.Duration }

// Error says for how long the address is locked.
func (e *LockedError) Error() string {
	return fmt.Sprintf("auth: locked for another %v", e.RetryAfter)
}

// A Config sets up an Auth.
type Config struct {
	User, Password string         // of the administrator; bcrypt takes at most 72 bytes
	SecureCookies  bool           // the site is behind TLS
	Addresses      int            // how many addresses with failures are remembered
	Trusted        []netip.Prefix // proxies whose X-Forwarded-For is believed
	Cost           int            // of bcrypt; 0: its default
}

// An Auth decides who is the administrator.
type Auth struct {
	Sessions *Sessions
	Tracker  *Tracker

	user    string
	hash    []byte
	trusted []netip.Prefix
	manager *scs.SessionManager
	hashing chan struct{}
}

// New returns an Auth where nobody has signed in.
func New(c Config) (*Auth, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(c.Password), c.Cost)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	sessions, err := newSessions()
	if err != nil {
		return nil, err
	}
	tracker, err := newTracker(c.Addresses)
	if err != nil {
		return nil, err
	}
	// Not scs.New: that starts a goroutine for a store of its own.
	manager := &scs.SessionManager{
		Lifetime: sessionLifetime, IdleTimeout: sessionIdle,
		Store: sessions, HashTokenInStore: true, Codec: scs.GobCodec{},
		ErrorFunc: func(w http.ResponseWriter, _ *http.Request, err error) {
			slog.Error("session", "error", err)
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		},
		Cookie: scs.SessionCookie{
			Name: "finder", Path: "/admin", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.SecureCookies, Persist: true,
		},
	}
	return &Auth{
		Sessions: sessions, Tracker: tracker,
		user: c.User, hash: hash, trusted: c.Trusted, manager: manager, hashing: make(chan struct{}, hashers),
	}, nil
}

// SignIn signs the visitor in, or returns [ErrWrong], a [*LockedError], or the error of the request's context.
// The request must have come through Load.
//
// The attempt is charged before the password is looked at, so that guesses sent at the same time do not all pass.
// A wrong name takes as long as a wrong password.
func (a *Auth) SignIn(r *http.Request, user, password string) error {
	addr, err := ratelimit.ClientIP(r, a.trusted)
	if err != nil {
		return err
	}
	attempt, err := a.Tracker.Begin(addr)
	if wait, denied := ratelimit.RetryAfter(err); denied {
		return &LockedError{RetryAfter: wait}
	} else if err != nil {
		return err
	}
	ok, err := a.verify(r.Context(), user, password)
	if err != nil {
		attempt.Cancel()
		return err
	}
	if !ok {
		attempt.Fail()
		return ErrWrong
	}
	attempt.Succeed()
	a.Tracker.Succeed(addr)                                   // there is one account: whoever knows its password was not guessing before
	if err := a.manager.RenewToken(r.Context()); err != nil { // a session that was there before must not become a signed-in one
		return err
	}
	a.manager.Put(r.Context(), signedInKey, true)
	return nil
}

func (a *Auth) verify(ctx context.Context, user, password string) (bool, error) {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	right := bcrypt.CompareHashAndPassword(a.hash, []byte(password)) == nil
	return right && subtle.ConstantTimeCompare([]byte(user), []byte(a.user)) == 1, nil
}

// SignOut ends the visitor's session. The request must have come through Load.
func (a *Auth) SignOut(r *http.Request) error { return a.manager.Destroy(r.Context()) }

// SignedIn reports whether the visitor has signed in. The request must have come through Load.
func (a *Auth) SignedIn(r *http.Request) bool { return a.manager.GetBool(r.Context(), signedInKey) }

// Load gives the request to next the visitor's session.
func (a *Auth) Load(next http.Handler) http.Handler { return a.manager.LoadAndSave(next) }

// Require calls next for who has signed in and sends others to the door. It belongs inside of Load.
func (a *Auth) Require(next http.Handler, door string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.SignedIn(r) {
			http.Redirect(w, r, door, http.StatusSeeOther)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Suspects returns the addresses that have failed lately, the worst first, at most maxSuspects of them.
func (a *Auth) Suspects() []Suspect { return a.Tracker.suspects(time.Now(), maxSuspects) }

// Unlock forgets the failures of an address and reports whether it was locked.
func (a *Auth) Unlock(addr netip.Addr) bool { return a.Tracker.Unlock(addr) }
