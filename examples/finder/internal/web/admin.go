package web

import (
	"errors"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/auth"
	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
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
	user := r.PostFormValue("user")
	err := s.Auth.SignIn(w, r, user, r.PostFormValue("password"))
	var locked *auth.LockedError
	switch {
	case err == nil:
		http.Redirect(w, r, "/admin", http.StatusSeeOther)
		return nil
	case errors.As(err, &locked):
		s.Monitor.Error("sign-in locked")
		w.Header().Set("Retry-After", strconv.Itoa(locked.Seconds()))
		return s.render(w, http.StatusTooManyRequests, "sign-in", view{Title: "Sign in", Data: signInView{
			User: user, Error: "Too many wrong passwords from your address. Try again in " + minutes(locked.RetryAfter) + ".",
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

type dashboardView struct {
	monitor.Report
	Samples     []monitor.Sample
	Submissions int
	Locked      []auth.Suspect
}

func (s *Site) dashboard(w http.ResponseWriter, r *http.Request) error {
	n, err := s.Store.CountSubmissions(r.Context(), store.Filter{})
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "dashboard", view{Title: "Dashboard", Admin: true, Here: "/admin", Data: dashboardView{
		Report: s.Monitor.Report(), Samples: s.Monitor.Samples(), Submissions: n, Locked: s.Auth.Suspects(),
	}})
}

func (s *Site) unlock(w http.ResponseWriter, r *http.Request) error {
	prefix, err := netip.ParsePrefix(r.PostFormValue("address"))
	if err != nil {
		return &catalog.Error{Field: "address", Value: r.PostFormValue("address"), Want: "an address of the list"}
	}
	s.Auth.Unlock(prefix.Addr())
	http.Redirect(w, r, "/admin", http.StatusSeeOther)
	return nil
}

func (s *Site) ministriesPage(w http.ResponseWriter, r *http.Request) error {
	ministries, err := s.Store.Ministries(r.Context())
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "ministries", view{Title: "Ministries", Admin: true, Here: "/admin/ministries", Data: ministries})
}

type ministryView struct {
	catalog.Ministry
	Errors map[string]string
}

// A field is one text of the ministry's form.
type field struct {
	Name, Label, Value string
	Long               bool
}

// Fields returns the texts of the form, in its order.
func (v ministryView) Fields() []field {
	return []field{
		{"name", "Name", v.Name, false},
		{"category", "Category", v.Category, false},
		{"details", "Details", v.Details, true},
		{"meets", "When it meets", v.Meets, false},
		{"place", "Where", v.Place, false},
		{"commitment", "How much time it takes", v.Commitment, false},
		{"contact", "How to begin", v.Contact, false},
	}
}

// Chosen returns whom the ministry is for, as far as that question goes.
func (v ministryView) Chosen(question string) []string { return *v.List(question) }

func (s *Site) ministryPage(w http.ResponseWriter, r *http.Request) error {
	m, err := s.Store.Ministry(r.Context(), r.PathValue("key"))
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "ministry", view{Title: m.Name, Admin: true, Here: "/admin/ministries", Data: ministryView{Ministry: m}})
}

func (s *Site) saveMinistry(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	m, err := s.Store.Ministry(r.Context(), r.PathValue("key"))
	if err != nil {
		return err
	}
	form := r.PostForm
	m.Name, m.Category, m.Details = form.Get("name"), form.Get("category"), form.Get("details")
	m.Meets, m.Place, m.Commitment, m.Contact = form.Get("meets"), form.Get("place"), form.Get("commitment"), form.Get("contact")
	m.Active = form.Get("active") == "yes"
	for _, q := range catalog.Questions() {
		*m.List(q.Name) = catalog.Normalize(form[q.Name])
	}
	var wrong *catalog.Error
	if err := m.Validate(); errors.As(err, &wrong) {
		return s.render(w, http.StatusUnprocessableEntity, "ministry", view{Title: m.Key, Admin: true, Here: "/admin/ministries", Data: ministryView{
			Ministry: m, Errors: map[string]string{wrong.Field: "Please give " + wrong.Want + "."},
		}})
	} else if err != nil {
		return err
	}
	if err := s.Store.UpdateMinistry(r.Context(), m); err != nil {
		return err
	}
	return s.changed(w, r)
}

func (s *Site) activateMinistry(w http.ResponseWriter, r *http.Request) error {
	if err := s.Store.SetMinistryActive(r.Context(), r.PathValue("key"), r.PostFormValue("active") == "yes"); err != nil {
		return err
	}
	return s.changed(w, r)
}

// changed forgets what depends on the ministry that was changed, and goes back to the list.
func (s *Site) changed(w http.ResponseWriter, r *http.Request) error {
	s.Matcher.Invalidate()
	http.Redirect(w, r, "/admin/ministries#"+r.PathValue("key"), http.StatusSeeOther)
	return nil
}

type submissionsView struct {
	Total  int
	Days   []int
	Recent []store.Submission
}

func (s *Site) submissionsPage(w http.ResponseWriter, r *http.Request) error {
	var v submissionsView
	var err error
	if v.Total, err = s.Store.CountSubmissions(r.Context(), store.Filter{}); err != nil {
		return err
	}
	if v.Days, err = s.Store.SubmissionsByDay(r.Context(), time.Now(), 30); err != nil {
		return err
	}
	if v.Recent, err = s.Store.Submissions(r.Context(), store.Filter{Limit: 50}); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "submissions", view{Title: "Submissions", Admin: true, Here: "/admin/submissions", Data: v})
}
