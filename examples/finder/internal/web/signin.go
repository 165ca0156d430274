package web

import (
	"errors"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ministryfinder/bounded/ratelimit"

	"github.com/ministryfinder/bounded/examples/finder/internal/auth"
	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
)

type signInView struct{ User, Error string }

func (s *Site) signInPage(w http.ResponseWriter, r *http.Request) error {
	if s.Auth.SignedIn(r) {
		http.Redirect(w, r, "/admin", http.StatusSeeOther)
		return nil
	}
	return s.render(w, http.StatusOK, "sign-in", view{Title: "Sign in", Data: signInView{}})
}

func (s *Site) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil { // which is no wrong password
		return err
	}
	user := r.PostForm.Get("user")
	err := s.Auth.SignIn(w, r, user, r.PostForm.Get("password"))
	var locked *auth.LockedError
	switch {
	case err == nil:
		http.Redirect(w, r, "/admin", http.StatusSeeOther)
		return nil
	case errors.As(err, &locked):
		s.Monitor.Error("sign-in locked")
		w.Header().Set("Retry-After", strconv.Itoa(locked.Seconds()))
		return s.render(w, http.StatusTooManyRequests, "sign-in", view{Title: "Sign in", Data: signInView{
			User: user, Error: "Too many wrong passwords. Try again in " + minutes(locked.RetryAfter) + ".",
		}})
	case errors.Is(err, auth.ErrWrong):
		s.Monitor.Error("sign-in refused")
		return s.render(w, http.StatusUnauthorized, "sign-in", view{Title: "Sign in", Data: signInView{
			User: user, Error: "The name or the password is wrong.",
		}})
	}
	return err
}

// minutes returns d in words, rounded up.
func minutes(d time.Duration) string {
	if n := int(math.Ceil(d.Minutes())); n > 1 {
		return strconv.Itoa(n) + " minutes"
	}
	return "a minute"
}

func (s *Site) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.Auth.SignOut(r); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// signInsView is the page of those who have failed to sign in.
type signInsView struct {
	ratelimit.Stats
	Suspects []auth.Suspect

	Asked       string // the address that is to be explained, as it was given
	Explanation *ratelimit.Explanation
	Verdict     string // what the explanation comes to
	Problem     string // with what was asked
	Unlocked    string // the prefix that was unlocked just now
}

func (s *Site) signInsPage(w http.ResponseWriter, r *http.Request) error {
	form := r.URL.Query()
	v := signInsView{Stats: s.Auth.Tracker.Stats(), Suspects: s.Auth.Suspects(), Asked: strings.TrimSpace(form.Get("address"))}
	if prefix, err := netip.ParsePrefix(form.Get("unlocked")); err == nil {
		v.Unlocked = prefix.String()
	}
	if v.Asked != "" {
		addr, err := parseAddress(v.Asked)
		var explanation ratelimit.Explanation
		if err == nil {
			explanation, err = s.Auth.Explain(addr)
		}
		if err != nil {
			v.Problem = "This is no address. One looks like 203.0.113.7 or 2001:db8::7."
		} else {
			v.Explanation, v.Verdict = &explanation, verdict(explanation)
		}
	}
	status := http.StatusOK
	if v.Problem != "" {
		status = http.StatusUnprocessableEntity
	}
	return s.render(w, status, "sign-ins", view{Title: "Sign-ins", Admin: true, Here: "/admin/sign-ins", Data: v})
}

// parseAddress reads an address, or a prefix as the list has it, which stands for all of its addresses.
func parseAddress(text string) (netip.Addr, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Addr(), nil
	}
	return netip.ParseAddr(text)
}

// verdict says in a sentence what an explanation comes to.
func verdict(x ratelimit.Explanation) string {
	var locked *ratelimit.LockedError
	var busy *ratelimit.BusyError
	switch {
	case x.Exempt:
		return "It is never locked out."
	case errors.As(x.Err, &locked):
		return "It is locked out for another " + minutes(locked.RetryAfter()) + ", because of too many wrong passwords."
	case errors.As(x.Err, &busy):
		return "It is not locked out, but it has to wait for " + minutes(busy.RetryAfter()) + ": it has " + busy.Reason().String() + "."
	case x.Err != nil:
		return "It is not let in: " + strings.TrimPrefix(x.Err.Error(), "ratelimit: ") + "."
	case len(x.Charges) > 0:
		return "It may try to sign in. Its wrong passwords still count."
	}
	return "It may try to sign in, and nothing is held against it."
}

func (s *Site) unlock(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	prefix, err := netip.ParsePrefix(r.PostForm.Get("address"))
	if err != nil {
		return &catalog.Error{Field: "address", Value: r.PostForm.Get("address"), Want: "an address of the list"}
	}
	s.Auth.Unlock(prefix.Addr())
	http.Redirect(w, r, "/admin/sign-ins?unlocked="+url.QueryEscape(prefix.String()), http.StatusSeeOther)
	return nil
}
