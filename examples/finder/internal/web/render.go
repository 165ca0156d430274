package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/scratch"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

//go:embed templates
var templateFiles embed.FS

// Each page is the layout with one template of its own.
var pages = parsePages("quiz", "results", "message", "sign-in", "dashboard", "ministries", "ministry", "submissions", "analytics", "sign-ins")

func parsePages(names ...string) map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"questions": catalog.Questions,
		"add":       func(a, b int) int { return a + b },
		"has":       slices.Contains[[]string],
		"bytes":     func(n int64) string { return humanize.Bytes(uint64(max(n, 0))) },
		"brief":     brief,
		"comma":     func(n int) string { return humanize.Comma(int64(n)) },
		"label":     label,
		"nameOf":    nameOf,
		"bar":       bar,
		"columns":   columns,
		"deref":     func(n *int) int { return *n },
		"int":       func(n uint64) int { return int(n) },
		"percent":   func(share float64) float64 { return 100 * share },
		"pairs":     pairs,
		"short":     func(question string) string { return shortNames[question] },
		"words":     words,
		"long":      long,
		"until":     until,
		"day":       func(t time.Time) string { return t.UTC().Format("2 Jan 2006") },
		"minute":    func(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04") },
		"moment":    func(t time.Time) string { return t.UTC().Format("2 Jan 15:04:05") },
		"iso":       func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}).ParseFS(templateFiles, "templates/layout.html", "templates/charts.html"))
	pages := make(map[string]*template.Template, len(names))
	for _, name := range names {
		clone := template.Must(layout.Clone())
		pages[name] = template.Must(clone.ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return pages
}

// label returns the words that the page has for an answer.
func label(question, value string) string {
	for _, q := range catalog.Questions() {
		if o, ok := q.Option(value); ok && q.Name == question {
			return o.Label
		}
	}
	return value
}

// brief returns d with three digits or four, and without zeros at the end: 2.27ms, 13.8µs, 1m.
func brief(d time.Duration) string {
	unit := time.Nanosecond
	for d >= 1000*unit {
		unit *= 10
	}
	s := d.Round(unit).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// long returns d to the second, or to the hour if it is days, for whoever does not count milliseconds: 5s,
// 1h30m, 3d4h.
func long(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 0 {
		return fmt.Sprintf("%dd%dh", days, d%(24*time.Hour)/time.Hour)
	}
	if d < time.Second {
		return brief(d)
	}
	return brief(d.Round(time.Second))
}

// until says how long it is until t.
func until(t time.Time) string {
	if d := time.Until(t).Round(time.Second); d > 0 {
		return "in " + long(d)
	}
	return "now"
}

// shortNames are the questions in a word.
var shortNames = map[string]string{
	catalog.Age: "Age", catalog.Gender: "Gender", catalog.State: "Life", catalog.Situation: "Just now", catalog.Interest: "Interest",
}

// words returns the words that the page has for answers.
func words(question string, values []string) []string {
	labels := make([]string, len(values))
	for i, value := range values {
		labels[i] = label(question, value)
	}
	return labels
}

// pairs iterates over names and values that follow each other.
func pairs(items ...string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := 0; i+1 < len(items); i += 2 {
			if !yield(items[i], items[i+1]) {
				return
			}
		}
	}
}

// A view is what the layout needs besides the page's own data.
type view struct {
	Title string
	Admin bool   // show the administrator's navigation
	Here  string // the path that the navigation marks
	Data  any
}

// render answers with a page. It is made as a whole before the first byte goes out, so that an error is not
// half a page.
func (s *Site) render(w http.ResponseWriter, status int, name string, v view) error {
	body := scratch.Get()
	defer scratch.Put(body)
	if err := pages[name].ExecuteTemplate(body, "layout.html", v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // whoever went away misses nothing
	return nil
}

// parseForm reads the form of a request. Nothing may be used of one that could not be read as a whole.
func parseForm(r *http.Request) error {
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxBody)
	}
	var tooLong *http.MaxBytesError
	if err == nil || errors.Is(err, http.ErrNotMultipart) {
		return nil
	} else if errors.As(err, &tooLong) {
		return err
	}
	return &catalog.Error{Field: "form", Value: err.Error(), Want: "an encoded form"}
}

// page turns an error of h into a page that says what went wrong, and counts it.
func (s *Site) page(h func(*Site, http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h(s, w, r)
		var wrong *catalog.Error
		var tooLong *http.MaxBytesError
		switch {
		case err == nil:
		case errors.As(err, &wrong):
			s.fail(w, r, http.StatusBadRequest, "That could not be used: "+wrong.Error()+".")
		case errors.As(err, &tooLong):
			s.fail(w, r, http.StatusRequestEntityTooLarge, "That was too long.")
		case errors.Is(err, store.ErrNotFound):
			s.fail(w, r, http.StatusNotFound, "There is no such ministry.")
		case errors.Is(err, store.ErrDown):
			s.fail(w, r, http.StatusServiceUnavailable, "The database is away just now. The quiz goes on without it, and what visitors send waits. Please try again in a minute.")
		case gone(r, err):
		default:
			s.trouble(r, err)
			s.fail(w, r, http.StatusServiceUnavailable, "Something is not working just now. Please try again in a minute.")
		}
	})
}

// gone reports whether err is that the visitor went away: nobody reads an answer.
func gone(r *http.Request, err error) bool {
	return errors.Is(err, context.Canceled) && r.Context().Err() != nil
}

// trouble counts and logs an error that is not the visitor's.
func (s *Site) trouble(r *http.Request, err error) {
	kind := "internal"
	if errors.Is(err, context.DeadlineExceeded) {
		kind = "timeout"
	}
	s.Monitor.Error(kind)
	s.Logger.Error("request failed", "route", r.Pattern, "kind", kind, "error", err)
}

type messageView struct {
	Text   string
	Office bool // it leads back there
}

// fail answers with a page that is a message.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, status int, message string) {
	data := messageView{message, strings.HasPrefix(r.URL.Path+"/", "/admin/")}
	if err := s.render(w, status, "message", view{Title: http.StatusText(status), Data: data}); err != nil {
		s.Logger.Error("rendering failed", "route", r.Pattern, "error", err)
		http.Error(w, message, status)
	}
}
