// Package auth lets one administrator in, and keeps those out who guess.
package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/alexedwards/scs/v2"
	"golang.org/x/crypto/bcrypt"

	"github.com/ministryfinder/bounded/ratelimit"
)

const (
	// sessionLifetime is when even a session in use ends, in idle timeouts.
	sessionLifetime = 12
	signedInKey     = "signed-in"

	// hashers is how many passwords are hashed at a time: each takes a CPU for some 50 ms, and the others'
	// requests must not wait for whoever sends wrong passwords from a thousand addresses.
	hashers = 2

	maxSuspects = 200
)

// ErrWrong is returned by SignIn for a wrong name or password; which of them, it does not say.
var ErrWrong = errors.New("auth: wrong name or password")

// A LockedError is returned by SignIn to an address that has guessed too often, and to strangers while too many
// of them try the same account.
type LockedError struct{ RetryAfter time.Duration }

// Error says for how long the address is locked.
func (e *LockedError) Error() string {
	return fmt.Sprintf("auth: locked for another %v", e.RetryAfter)
}

// Seconds returns for how many whole seconds, for the header Retry-After.
func (e *LockedError) Seconds() int { return int(max(1, math.Ceil(e.RetryAfter.Seconds()))) }

// A Config sets up an Auth.
type Config struct {
	User, Password string // of the administrator; bcrypt takes at most 72 bytes
	SecretKey      []byte // signs the cookies of known devices
	SecureCookies  bool   // the site is behind TLS
	Cost           int    // of bcrypt; 0: its default

	SessionTimeout time.Duration // unused, a session ends after this
	MaxSessions    int
	SessionBytes   int64 // of all of them

	Guard ratelimit.Config // of the form and of basic auth alike
}

// An Auth decides who is the administrator.
type Auth struct {
	Sessions *Sessions
	Tracker  *Tracker

	user    string
	hash    []byte
	manager *scs.SessionManager
	devices devices
	recent  *recent
	hashing chan struct{}
}

// New returns an Auth where nobody has signed in.
func New(c Config) (*Auth, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(c.Password), c.Cost)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	sessions, err := newSessions(c)
	if err != nil {
		return nil, err
	}
	tracker, err := newTracker(c.Guard)
	if err != nil {
		return nil, err
	}
	recent, err := newRecent()
	if err != nil {
		return nil, err
	}
	// Not scs.New: that starts a goroutine for a store of its own.
	manager := &scs.SessionManager{
		Lifetime: sessionLifetime * c.SessionTimeout, IdleTimeout: c.SessionTimeout,
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
		user: c.User, hash: hash, manager: manager,
		devices: devices{key: c.SecretKey, secure: c.SecureCookies}, recent: recent, hashing: make(chan struct{}, hashers),
	}, nil
}

// SignIn signs the visitor in, or returns [ErrWrong], a [*LockedError], or the error of the request's context.
// The request must have come through Load. On success the browser is given a cookie by which it is known later.
func (a *Auth) SignIn(w http.ResponseWriter, r *http.Request, user, password string) error {
	device := a.devices.of(r)
	if device == "" {
		device = newDevice()
	}
	if err := a.guard(r, user, password, device); err != nil {
		return err
	}
	if err := a.manager.RenewToken(r.Context()); err != nil { // a session that was there before must not become a signed-in one
		return err
	}
	a.manager.Put(r.Context(), signedInKey, true)
	a.devices.remember(w, device)
	return nil
}

// guard looks at a name and a password if the visitor may still try, for the form as well as for basic auth.
//
// The attempt is charged before the password is looked at, so that guesses sent at the same time do not all
// pass. A wrong name takes as long as a wrong password, and has a budget of its own as the right one has.
// Whoever has signed in before, from the same browser or address, is let try even while others use up that of
// the account.
func (a *Auth) guard(r *http.Request, user, password, device string) error {
	addr, err := a.Tracker.ClientIP(r)
	if err != nil {
		return err
	}
	attempt, err := a.Tracker.BeginLogin(ratelimit.Login{Addr: addr, Account: user, Device: device})
	if wait, denied := ratelimit.RetryAfter(err); denied {
		return &LockedError{RetryAfter: wait}
	} else if err != nil {
		return err
	}
	ok, err := a.verify(r.Context(), user, password)
	switch {
	case err != nil:
		attempt.Cancel()
		return err
	case !ok:
		attempt.Fail()
		return ErrWrong
	}
	attempt.Succeed()
	a.Tracker.Succeed(addr) // there is one account: whoever knows its password was not guessing before
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

// Holds reports whether the request comes with the session of somebody who has signed in, and is still there. It
// does not count as a use of the session, and the request need not have come through Load.
func (a *Auth) Holds(r *http.Request) bool {
	cookie, err := r.Cookie(a.manager.Cookie.Name)
	if err != nil {
		return false
	}
	ctx, err := a.manager.Load(context.Background(), cookie.Value)
	return err == nil && a.manager.GetBool(ctx, signedInKey)
}

// Load gives the request to next the visitor's session.
func (a *Auth) Load(next http.Handler) http.Handler { return a.manager.LoadAndSave(next) }

// Require calls next for who has signed in, or sends the name and the password along with the request (basic
// auth), and sends others to the door. It belongs inside of Load.
func (a *Auth) Require(next http.Handler, door string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.SignedIn(r) {
			next.ServeHTTP(w, r)
			return
		}
		user, password, basic := r.BasicAuth()
		if !basic {
			http.Redirect(w, r, door, http.StatusSeeOther)
			return
		}
		err := a.basic(r, user, password)
		var locked *LockedError
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		case errors.As(err, &locked):
			w.Header().Set("Retry-After", strconv.Itoa(locked.Seconds()))
			http.Error(w, "too many wrong passwords", http.StatusTooManyRequests)
		case errors.Is(err, ErrWrong):
			w.Header().Set("WWW-Authenticate", `Basic realm="ministry finder", charset="UTF-8"`)
			http.Error(w, "the name or the password is wrong", http.StatusUnauthorized)
		default:
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		}
	})
}

// basic lets in who knows the password. A program sends it with each request, so one that was right lately is not
// hashed again; but whoever is locked out stays out.
func (a *Auth) basic(r *http.Request, user, password string) error {
	if !a.recent.has(user, password) {
		if err := a.guard(r, user, password, ""); err != nil {
			return err
		}
		a.recent.add(user, password)
		return nil
	}
	addr, err := a.Tracker.ClientIP(r)
	if err != nil {
		return err
	}
	err = a.Tracker.Check(addr)
	if wait, denied := ratelimit.RetryAfter(err); denied {
		return &LockedError{RetryAfter: wait}
	}
	return err
}

// Suspects returns the addresses that have failed lately, the worst first, at most maxSuspects of them.
func (a *Auth) Suspects() []Suspect { return a.Tracker.suspects(time.Now(), maxSuspects) }

// Explain says why an address is locked out, or how far it is from that.
func (a *Auth) Explain(addr netip.Addr) (ratelimit.Explanation, error) {
	return a.Tracker.Explain(addr)
}

// Unlock forgets the failures of an address and reports whether it was locked.
func (a *Auth) Unlock(addr netip.Addr) bool { return a.Tracker.Unlock(addr) }
