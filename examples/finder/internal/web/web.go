// Package web is what a browser and curl see: the quiz, its API, and the rooms of the administrator.
//
// All pages work without JavaScript. No page has a script or a style inside it, so the content security policy
// allows none.
package web

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/auth"
	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/httpcache"
	"github.com/ministryfinder/bounded/examples/finder/internal/intake"
	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// maxBody is how long the body of a request may be, in bytes: several times the longest form of a ministry.
const maxBody = 64 << 10

// A Store keeps ministries and submissions.
type Store interface {
	Ministries(context.Context) ([]catalog.Ministry, error)
	Ministry(ctx context.Context, key string) (catalog.Ministry, error)
	UpdateMinistry(context.Context, catalog.Ministry) error
	SetMinistryActive(ctx context.Context, key string, active bool) error

	CountSubmissions(context.Context, store.Filter) (int, error)
	Submissions(context.Context, store.Filter) ([]store.Submission, error)
	EachSubmission(context.Context, store.Filter, func(store.Submission) error) error
	Analytics(ctx context.Context, from time.Time) (store.Analytics, error)
}

// A Site answers requests. Its fields must be set before Handler is called, and not changed afterwards.
type Site struct {
	Store   Store
	Matcher *quiz.Matcher
	Desk    *intake.Desk
	Monitor *monitor.Monitor
	Auth    *auth.Auth
	Answers *httpcache.Cache // of what anybody may have
	Logger  *slog.Logger
	Secure  bool // browsers come by TLS
}

//go:embed static
var static embed.FS

// A route is a pattern of the mux with its handler.
type route struct {
	pattern string
	handler func(*Site) http.Handler
}

func page(h func(*Site, http.ResponseWriter, *http.Request) error) func(*Site) http.Handler {
	return func(s *Site) http.Handler { return s.page(h) }
}

// program is for what programs read, which is JSON.
func program(h func(*Site, http.ResponseWriter, *http.Request)) func(*Site) http.Handler {
	return func(s *Site) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(s, w, r) })
	}
}

// privateProgram is program for who has signed in.
func privateProgram(h func(*Site, http.ResponseWriter, *http.Request)) func(*Site) http.Handler {
	return func(s *Site) http.Handler { return s.Auth.Load(s.Auth.Require(program(h)(s), "/admin/sign-in")) }
}

// private is page for who has signed in; others are sent to the door.
func private(h func(*Site, http.ResponseWriter, *http.Request) error) func(*Site) http.Handler {
	return func(s *Site) http.Handler { return s.Auth.Load(s.Auth.Require(s.page(h), "/admin/sign-in")) }
}

// door is page for who may or may not have signed in.
func door(h func(*Site, http.ResponseWriter, *http.Request) error) func(*Site) http.Handler {
	return func(s *Site) http.Handler { return s.Auth.Load(s.page(h)) }
}

var routes = []route{
	{"GET /{$}", page((*Site).quizPage)},
	{"POST /results", page((*Site).submitForm)},
	{"GET /results", page((*Site).resultsPage)},

	{"POST /api/match", program((*Site).matchAPI)},
	{"POST /api/get-ministries", program((*Site).ministriesAPI)},
	{"POST /api/submit", program((*Site).submitAPI)},
	{"GET /api/health", func(s *Site) http.Handler { return http.HandlerFunc(s.Monitor.Health) }},
	{"GET /api/memory-status", func(s *Site) http.Handler { return http.HandlerFunc(s.Monitor.MemoryStatus) }},
	{"GET /api/metrics", func(s *Site) http.Handler { return http.HandlerFunc(s.Monitor.Metrics) }},
	{"GET /metrics", func(s *Site) http.Handler { return s.Monitor.Prometheus() }},

	{"GET /admin/sign-in", door((*Site).signInPage)},
	{"POST /admin/sign-in", door((*Site).signIn)},
	{"POST /admin/sign-out", door((*Site).signOut)},
	{"GET /admin", private((*Site).dashboard)},
	{"GET /admin/ministries", private((*Site).ministriesPage)},
	{"GET /admin/ministries/{key}", private((*Site).ministryPage)},
	{"POST /admin/ministries/{key}", private((*Site).saveMinistry)},
	{"POST /admin/ministries/{key}/active", private((*Site).activateMinistry)},
	{"GET /admin/submissions", private((*Site).submissionsPage)},
	{"GET /admin/submissions.csv", private((*Site).exportSubmissions)},
	{"GET /admin/analytics", private((*Site).analyticsPage)},
	{"GET /admin/sign-ins", private((*Site).signInsPage)},
	{"POST /admin/unlock", private((*Site).unlock)},
	{"GET /admin/live/samples", privateProgram((*Site).samples)},
	{"GET /admin/live/alerts", privateProgram((*Site).alerts)},
	{"POST /admin/sweep", private((*Site).sweepNow)},
	{"POST /admin/profiles", private((*Site).writeProfile)},
	{"GET /admin/profiles/{name}", private((*Site).profile)},

	{"GET /static/", func(s *Site) http.Handler { return s.Answers.Middleware(staticFiles()) }},
}

// noOther and noPage are the patterns of what is no route: below /api/, and elsewhere.
const (
	noOther = "/api/"
	noPage  = "/"
)

// Routes returns the patterns of all routes, for the metrics.
func Routes() []string {
	patterns := make([]string, len(routes))
	for i, r := range routes {
		patterns[i] = r.pattern
	}
	return append(patterns, noOther)
}

// Handler returns the whole site.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.pattern, r.handler(s))
	}
	mux.Handle(noOther, http.HandlerFunc(noSuchAPI))
	mux.Handle(noPage, s.noSuchPage(mux))
	counted := http.NewServeMux()
	counted.Handle("/", s.Monitor.Middleware(mux))
	counted.HandleFunc("GET /admin/live/events", s.events)
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const message = "This was sent from another site, so it was not used."
		if strings.HasPrefix(r.URL.Path, "/api/") {
			monitor.WriteJSON(w, http.StatusForbidden, apiError{Error: message})
			return
		}
		s.fail(w, r, http.StatusForbidden, message)
	}))
	return s.headers(limitBody(protection.Handler(counted)))
}

// headers sets what every answer carries.
func (s *Site) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		if s.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// noSuchPage answers requests that no other route takes, or only with another method.
func (s *Site) noSuchPage(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = "" // no route: it is counted as unmatched
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			if _, pattern := mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != noPage {
				allowed = append(allowed, method)
			}
		}
		if allowed == nil {
			s.fail(w, r, http.StatusNotFound, "There is no such page.")
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		s.fail(w, r, http.StatusMethodNotAllowed, "This page cannot be used like that.")
	})
}

// staticFiles answers with files. It does not list folders.
func staticFiles() http.Handler {
	dir, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // the name is a constant
	}
	files := http.StripPrefix("/static/", http.FileServerFS(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=300")
		files.ServeHTTP(w, r)
	})
}
