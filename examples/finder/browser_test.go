package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/intake"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
	"github.com/ministryfinder/bounded/examples/internal/browser"
)

// views are the ways in which every page must look and work well.
var views = []struct {
	name string
	browser.View
}{
	{"desk-light", browser.Desk},
	{"desk-dark", browser.View{Width: browser.Desk.Width, Height: browser.Desk.Height, Dark: true}},
	{"phone-light", browser.Phone},
	{"phone-dark", browser.View{Width: browser.Phone.Width, Height: browser.Phone.Height, Dark: true}},
}

// TestInABrowser is all that needs one: its tests share it.
func TestInABrowser(t *testing.T) {
	b := browser.Start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *browser.Browser)
	}{
		{"quiz", testQuiz},
		{"quiz-with-the-keyboard", testQuizWithKeyboard},
		{"six-wrong-passwords", testSixWrongPasswords},
		{"a-changed-ministry", testChangedMinistry},
		{"submissions", testSubmissions},
		{"live-dashboard", testLiveDashboard},
		{"alerts", testAlerts},
		{"dashboard-without-script", testDashboardWithoutScript},
		{"every-page-in-every-view", testEveryPage},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, b) })
	}
}

// seeded returns a database with submissions of the last 30 days, the same each time but for the days. None is
// of the first of them: it may be midnight before somebody looks.
func seeded(t *testing.T, n int) (path string) {
	t.Helper()
	ministries, err := catalog.BuiltIn()
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "finder.db")
	db, err := store.Open(t.Context(), store.Config{Path: path, BuiltIn: ministries})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		form := url.Values{}
		for _, q := range catalog.Questions() {
			for range 1 + random.IntN(2) {
				if form.Has(q.Name) && !q.Several {
					break
				}
				form.Add(q.Name, q.Options[min(random.IntN(len(q.Options)), random.IntN(len(q.Options)))].Value)
			}
		}
		answers, err := quiz.ParseForm(form)
		require.NoError(t, err)
		var keys []string
		for _, s := range quiz.Suggest(ministries, answers) {
			keys = append(keys, s.Key)
		}
		age := time.Duration(random.Int64N(int64(28*24*time.Hour))) / time.Duration(1+i%2) // more of them lately
		_, err = db.SaveSubmission(t.Context(), store.Submission{
			ID: intake.NewID(), Created: time.Now().Add(-age), Answers: answers, Ministries: keys,
		})
		require.NoError(t, err)
	}
	return path
}

// good checks what every page must be, in every view, and leaves pictures of it.
func good(p *browser.Page, t *testing.T, name string) {
	t.Helper()
	require.Equal(t, 1, p.Count("h1"), name)
	require.Equal(t, 1, p.Count("main"), name)
	for _, view := range views {
		p.Show(view.View)
		p.Until("document.documentElement.scrollWidth <= innerWidth") // a chart follows the window a little later
		p.Screenshot(name + "-" + view.name)
		require.LessOrEqual(t, p.Overflow(), 0, "%s, %s: something sticks out", name, view.name)
		if view.Dark {
			p.Accessible("color-contrast", "link-in-text-block") // nothing else depends on the colours
		} else {
			p.Accessible()
		}
	}
}

func testQuiz(t *testing.T, b *browser.Browser) {
	v := start(t)
	for _, view := range []browser.View{{}, {NoScript: true}} {
		t.Run(fmt.Sprintf("script=%t", !view.NoScript), func(t *testing.T) {
			p := b.Open(t, view)
			require.Equal(t, http.StatusOK, p.Go(v.base+"/"))
			for _, answer := range []string{"age][value=adult", "gender][value=female", "interest][value=music", "interest][value=prayer"} {
				p.Click("[name=" + answer + "]")
			}
			require.Equal(t, http.StatusOK, p.Follow("main [type=submit]"))
			require.Contains(t, p.Path(), "/results?age=adult&gender=female&interest=")
			require.Contains(t, p.Text("main"), "Cantors and organists")
			require.NotZero(t, p.Count("article"))

			more := p.Count("details article")
			require.NotZero(t, more)
			require.False(t, browser.Eval[bool](p, "document.querySelector('details article').checkVisibility()"))
			p.Click("summary")
			require.True(t, browser.Eval[bool](p, "document.querySelector('details article').checkVisibility()"))

			p.Follow("main a.button")
			require.Equal(t, 4, p.Count("input:checked"), "the answers are still there")
		})
	}
}

func testQuizWithKeyboard(t *testing.T, b *browser.Browser) {
	v := start(t)
	p := b.Open(t, browser.View{})
	p.Go(v.base + "/")
	p.Press(kb.Tab)
	require.Equal(t, "#main", browser.Eval[string](p, "document.activeElement.getAttribute('href')"), "first a way past the heading")
	p.Press(kb.Enter + kb.Tab)
	require.Equal(t, "age", browser.Eval[string](p, "document.activeElement.name"))
	p.Press(" " + kb.Tab + " ") // a radio button of each group
	for p.Count("button:focus") == 0 {
		p.Press(kb.Tab)
	}
	p.Press(kb.Enter)
	p.Until("location.pathname === '/results' && document.readyState === 'complete'")
	require.NotZero(t, p.Count("article"))
}

// signIn signs in by the form.
func signIn(p *browser.Page, v *visitor, with string) (status int) {
	p.Go(v.base + "/admin/sign-in")
	p.Fill("[name=user]", "admin")
	p.Fill("[name=password]", with)
	return p.Follow("main button")
}

func testSixWrongPasswords(t *testing.T, b *browser.Browser) {
	t.Setenv("TRUSTED_PROXIES", "127.0.0.1/32") // so that the two of them have different addresses
	v := start(t)
	office, p := b.Open(t, browser.View{}), b.Open(t, browser.View{})
	office.Header("X-Forwarded-For", "198.51.100.1")
	p.Header("X-Forwarded-For", "203.0.113.7")
	require.Equal(t, http.StatusOK, signIn(office, v, password))
	for range 5 {
		require.Equal(t, http.StatusUnauthorized, signIn(p, v, "a guess"))
		require.Equal(t, "The name or the password is wrong.", p.Text("[role=alert]"))
	}
	for _, guess := range []string{"a guess", password} {
		require.Equal(t, http.StatusTooManyRequests, signIn(p, v, guess))
		require.Regexp(t, `Try again in (60|5\d) minutes\.`, p.Text("[role=alert]")) // a slow browser takes some of them
	}
	p.Accessible()
	p.Go(v.base + "/admin")
	require.Equal(t, "/admin/sign-in", p.Path())

	// Others are let in, see why, and can help.
	require.Equal(t, http.StatusOK, office.Go(v.base+"/admin/sign-ins"))
	require.Contains(t, office.Text("tbody"), "203.0.113.7")
	office.Follow("tbody a")
	require.Regexp(t, `It is locked out for another (60|5\d) minutes, because of too many wrong passwords\.`, office.Text("#explain [role=status]"))
	office.Accessible()
	office.Follow("tbody button")
	require.Contains(t, office.Text("[role=status]"), "203.0.113.7/32 may try again")
	office.Fill("#address", "203.0.113.x")
	require.Equal(t, http.StatusUnprocessableEntity, office.Follow("#explain button"))
	require.Contains(t, office.Text("#address-error"), "This is no address.")
	require.Equal(t, http.StatusOK, signIn(p, v, password))
	require.Equal(t, "/admin", p.Path())
}

func testChangedMinistry(t *testing.T, b *browser.Browser) {
	v := start(t)
	visitor, office := b.Open(t, browser.View{}), b.Open(t, browser.View{})
	shown := func() string {
		visitor.Go(v.base + "/results?age=adult&gender=female&interest=music")
		return visitor.Text("main")
	}
	require.Contains(t, shown(), "Cantors and organists")

	signIn(office, v, password)
	office.Follow(`nav [href="/admin/ministries"]`)
	office.Follow("#cantors a")
	office.Fill("#name", "Voices & pipes")
	office.Follow("main .actions button")
	require.Equal(t, "Saved. Voices & pipes is on the quiz.", office.Text("[role=status]"))
	require.Contains(t, shown(), "Voices & pipes", "at once")
	require.NotContains(t, shown(), "Cantors and organists")

	office.Follow("#cantors button")
	require.Equal(t, "Saved. Voices & pipes is not on the quiz.", office.Text("[role=status]"))
	require.NotContains(t, shown(), "Voices & pipes")
	office.Follow("#cantors button")
	require.Contains(t, shown(), "Voices & pipes")

	// What the browser would not send, the server refuses and says so.
	office.Follow("#cantors a")
	office.Fill("#place", " ")
	require.Equal(t, http.StatusUnprocessableEntity, office.Follow("main .actions button"))
	require.NotEmpty(t, office.Text("#place-error"))
	office.Accessible()
}

func testSubmissions(t *testing.T, b *browser.Browser) {
	const n = 120
	v := startWith(t, seeded(t, n))
	p := b.Open(t, browser.View{})
	signIn(p, v, password)
	p.Follow(`nav [href="/admin/submissions"]`)
	require.Contains(t, p.Text(".bar p"), "1–50 of 120")
	p.Follow("[rel=next]")
	p.Follow("[rel=next]")
	require.Contains(t, p.Text(".bar p"), "101–120 of 120")
	require.Zero(t, p.Count("[rel=next]"))
	p.Follow("[rel=prev]")
	require.Equal(t, 50, p.Count("tbody tr"))

	browser.Eval[any](p, "document.getElementById('age').value = 'senior'")
	p.Follow(".filter button")
	seniors := p.Count("tbody tr")
	require.Equal(t, seniors, browser.Eval[int](p, "[...document.querySelectorAll('tbody tr')].filter(r => r.cells[1].textContent === '65 or older').length"))
	require.NotZero(t, seniors)
	require.Less(t, seniors, n)
	rows := browser.Eval[string](p, "fetch(document.querySelector('[download]').href).then(r => r.text())")
	require.Equal(t, seniors, browser.Eval[int](p, fmt.Sprintf("%q.split('\\n').filter(line => line.includes('65 or older')).length", rows)))
	require.NotContains(t, rows, "30 to 64", "what is downloaded is what the filter shows")

	p.Follow(`nav [href="/admin/analytics"]`)
	require.Contains(t, p.Text("#days"), "120 submissions in 30 days")
	require.Equal(t, 30, p.Count(".days rect"))
	require.Equal(t, 6, p.Count(".counts section"), "ministries and five questions")
	p.Follow(`[href="/admin/analytics?days=90"]`)
	require.Equal(t, 90, p.Count(".days rect"))
}

func testLiveDashboard(t *testing.T, b *browser.Browser) {
	v := start(t)
	p := b.Open(t, browser.View{})
	signIn(p, v, password)
	p.Until("document.getElementById('live').textContent.startsWith('Live')")
	charts := []string{"memory", "cache", "hits", "latency"}
	points := make(map[string]int)
	pictures := make(map[string]string)
	picture := func(chart string) string {
		return browser.Eval[string](p, "document.querySelector('#chart-"+chart+" canvas').toDataURL()")
	}
	for _, chart := range charts {
		p.Until("document.querySelector('#chart-" + chart + " canvas')")
		points[chart] = browser.Eval[int](p, "Number(document.getElementById('chart-"+chart+"').dataset.points)")
		require.NotZero(t, points[chart])
		pictures[chart] = picture(chart)
	}
	require.NotContains(t, p.Text("#traffic"), "POST /api/match")

	// Something happens, and shows without a reload, and without taking the focus from whoever uses the keyboard.
	browser.Eval[any](p, "document.querySelector('#alerts').tabIndex = 0, document.querySelector('#alerts').focus()")
	for _, age := range []string{"adult", "senior", "adult"} {
		response, _ := v.get("/results?age=" + age + "&gender=female&interest=music")
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	for _, chart := range charts {
		p.Until(fmt.Sprintf("Number(document.getElementById('chart-%s').dataset.points) >= %d", chart, points[chart]+2))
		require.NotEqual(t, pictures[chart], picture(chart), "the chart %s is drawn anew", chart)
	}
	p.Until("document.querySelector('#now').textContent.includes('hits 1, misses 2')")
	p.Until("document.querySelector('#traffic').textContent.includes('GET /results')")
	require.Equal(t, "/admin", p.Path())
	require.Equal(t, "alerts", browser.Eval[string](p, "document.activeElement.id"))

	p.Follow(`[action="/admin/sweep"] button`)
	require.Contains(t, p.Text(".notice"), "Swept:")
	p.Follow(`[action="/admin/profiles"] button`)
	require.Contains(t, p.Text(".notice"), "A heap profile of")
	require.Equal(t, 1, p.Count("#profiles tbody tr"))
	// A profile of pprof is gzip.
	require.Equal(t, "31,139", browser.Eval[string](p, "fetch(document.querySelector('#profiles tbody a').href).then(r => r.bytes()).then(b => b.slice(0, 2).join())"))

	// Whoever signs out sees no more.
	other := b.Open(t, browser.View{})
	other.Go(v.base + "/admin")
	require.Equal(t, "/admin/sign-in", other.Path())
	p.Follow(`[action="/admin/sign-out"] button`)
	p.Go(v.base + "/admin")
	require.Equal(t, "/admin/sign-in", p.Path())
}

func testAlerts(t *testing.T, b *browser.Browser) {
	for name, value := range map[string]string{"MEMORY_LIMIT": "20MB", "WATCH_MEMORY": "1s", "ERROR_MIN": "1", "ERROR_RATE": "0.01"} {
		t.Setenv(name, value)
	}
	v := start(t)
	p := b.Open(t, browser.View{})
	signIn(p, v, password)
	p.Until("document.querySelector('#now').dataset.condition === 'unhealthy'")
	require.Contains(t, p.Text("#now .condition"), "memory is short")
	p.Until("document.getElementById('live').textContent.startsWith('Live')")
	require.Contains(t, p.Text("#alerts tbody"), "memory critical")

	// One that comes while somebody looks is said, too.
	response, _ := v.get("/api/health")
	require.Equal(t, http.StatusInternalServerError, response.StatusCode)
	p.Until("document.getElementById('live').textContent.startsWith('Alert: ')")
	require.Equal(t, "status", browser.Eval[string](p, "document.getElementById('live').getAttribute('role')"))
	require.Equal(t, 2, p.Count("#alerts tbody tr"))
	p.Screenshot("alerts")
	p.Accessible()
}

func testDashboardWithoutScript(t *testing.T, b *browser.Browser) {
	v := start(t)
	p := b.Open(t, browser.View{NoScript: true})
	require.Equal(t, http.StatusOK, signIn(p, v, password))
	require.Equal(t, 4, p.Count(".chart .plot svg"))
	require.Contains(t, p.Text("#live"), "As it was when the page was loaded.")
	p.Click("#chart-memory summary")
	require.Contains(t, p.Text("#chart-memory table"), "MB")
	for _, job := range []string{"cache", "tracker", "memory watch"} {
		require.Contains(t, p.Text("#janitor tbody"), job)
	}
	p.Screenshot("dashboard-without-script")
	p.Follow(`[action="/admin/sweep"] button`)
	require.Contains(t, p.Text(".notice"), "Swept:")
}

func testEveryPage(t *testing.T, b *browser.Browser) {
	t.Setenv("MEMORY_LIMIT", "128MB")
	t.Setenv("TRUSTED_PROXIES", "127.0.0.1/32")
	v := startWith(t, seeded(t, 200))
	const answers = "?age=adult&gender=female&interest=music"
	p := b.Open(t, browser.View{})
	for _, address := range []string{"203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.7", "2001:db8::7"} {
		p.Header("X-Forwarded-For", address)
		require.Equal(t, http.StatusUnauthorized, signIn(p, v, "a guess"))
	}
	p.Header("X-Forwarded-For", "198.51.100.1")
	for _, page := range []struct{ name, path string }{
		{"quiz", "/"}, {"quiz-answered", "/" + answers}, {"results", "/results" + answers}, {"quiz-wrong", "/results?age=17"}, {"sign-in", "/admin/sign-in"}, {"error", "/none"},
	} {
		p.Go(v.base + page.path)
		good(p, t, page.name)
	}
	require.Equal(t, http.StatusOK, signIn(p, v, password))
	for _, page := range []struct{ name, path string }{
		{"ministries", "/admin/ministries"}, {"ministry", "/admin/ministries/rosary"}, {"submissions", "/admin/submissions"},
		{"analytics", "/admin/analytics"}, {"sign-ins", "/admin/sign-ins?address=203.0.113.7"}, {"dashboard", "/admin"},
	} {
		require.Equal(t, http.StatusOK, p.Go(v.base+page.path))
		if page.name == "dashboard" {
			p.Until("document.querySelector('canvas')")
		}
		good(p, t, page.name)
	}
}
