package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
)

type ministriesView struct {
	Categories []category
	All, Shown int
	Changed    *catalog.Ministry // just now; nil: none
}

// A category is some ministries with one heading.
type category struct {
	Name       string
	Ministries []catalog.Ministry
}

func (s *Site) ministriesPage(w http.ResponseWriter, r *http.Request) error {
	ministries, err := s.Store.Ministries(r.Context()) // by category
	if err != nil {
		return err
	}
	v := ministriesView{All: len(ministries)}
	changed := r.URL.Query().Get("changed")
	for i, m := range ministries {
		if last := len(v.Categories) - 1; last < 0 || v.Categories[last].Name != m.Category {
			v.Categories = append(v.Categories, category{Name: m.Category})
		}
		of := &v.Categories[len(v.Categories)-1].Ministries
		*of = append(*of, m)
		if m.Active {
			v.Shown++
		}
		if m.Key == changed {
			v.Changed = &ministries[i]
		}
	}
	return s.render(w, http.StatusOK, "ministries", view{Title: "Ministries", Admin: true, Here: "/admin/ministries", Data: v})
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
	if err := parseForm(r); err != nil {
		return err
	}
	m, err := s.Store.Ministry(r.Context(), r.PathValue("key"))
	if err != nil {
		return err
	}
	form := r.PostForm
	m.Name, m.Category, m.Details = form.Get("name"), form.Get("category"), strings.ReplaceAll(form.Get("details"), "\r\n", "\n") // as it was typed
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
	if err := parseForm(r); err != nil {
		return err
	}
	active := r.PostForm.Get("active")
	if active != "yes" && active != "no" {
		return &catalog.Error{Field: "active", Value: active, Want: "yes or no"}
	}
	if err := s.Store.SetMinistryActive(r.Context(), r.PathValue("key"), active == "yes"); err != nil {
		return err
	}
	return s.changed(w, r)
}

// changed forgets what was cached and depends on the ministry that was changed, and goes back to the list.
func (s *Site) changed(w http.ResponseWriter, r *http.Request) error {
	s.Matcher.Invalidate()
	key := r.PathValue("key")
	http.Redirect(w, r, "/admin/ministries?changed="+url.QueryEscape(key)+"#"+url.PathEscape(key), http.StatusSeeOther)
	return nil
}
