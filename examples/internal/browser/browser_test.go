package browser_test

import (
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ministryfinder/bounded/examples/internal/browser"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves pages by their paths, with a policy against scripts inside of them.
func serve(t *testing.T, pages map[string]string) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			page = "nothing here"
		}
		if cookie, err := r.Cookie("seen"); err == nil {
			page = strings.ReplaceAll(page, "SEEN", cookie.Value)
		}
		page = strings.ReplaceAll(page, "WANTED", r.Header.Get("X-Wanted"))
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "before"})
		w.Header().Set("Content-Security-Policy", "script-src 'self'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/s.js" {
			w.Header().Set("Content-Type", "text/javascript")
		}
		fmt.Fprint(w, page)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

const head = `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Page</title><link rel="icon" href="data:,">`

func TestAPageIsWhatAPersonMeets(t *testing.T) {
	address := serve(t, map[string]string{
		"/": head + `<style>body{color:rgb(1,2,3)} @media (prefers-color-scheme:dark){body{color:rgb(4,5,6)}}</style>
			<main><h1>One</h1><p id="js">no script</p><form action="/two"><label>Name <input id="name" name="name" value="old"></label><button>Go</button></form>
			<script src="/s.js"></script></main>`,
		"/s.js": `document.getElementById("js").textContent = "script"; setTimeout(() => document.body.append("late"), 50)`,
		"/two":  head + "<h1>Two</h1><i>SEEN</i><b>WANTED</b>",
		"/wide": head + `<div style="width:1000px">wide</div>`,
	})
	b := browser.Start(t)

	t.Run("forms", func(t *testing.T) {
		p := b.Open(t, browser.Desk)
		require.Equal(t, http.StatusOK, p.Go(address+"/"))
		require.Equal(t, "script", p.Text("#js"))
		p.Until(`document.body.textContent.includes("late")`)
		p.Fill("#name", "new")
		require.Equal(t, http.StatusOK, p.Follow("button"))
		require.Equal(t, "/two?name=new", p.Path())
		require.Equal(t, 1, p.Count("h1"))
		require.Equal(t, http.StatusNotFound, p.Go(address+"/none"))
		require.Empty(t, p.Complaints(), "a document that is not there is an answer")
	})
	t.Run("keyboard", func(t *testing.T) {
		p := b.Open(t, browser.Desk)
		p.Go(address + "/")
		p.Press(kb.Tab + kb.Tab)
		require.Equal(t, "BUTTON", browser.Eval[string](p, "document.activeElement.tagName"))
	})
	t.Run("without-script", func(t *testing.T) {
		p := b.Open(t, browser.View{NoScript: true})
		p.Go(address + "/")
		require.Equal(t, "no script", p.Text("#js"))
		p.Follow("button")
		require.Equal(t, "/two?name=old", p.Path())
	})
	t.Run("pages-know-nothing-of-each-other", func(t *testing.T) {
		for range 2 {
			p := b.Open(t, browser.Desk)
			p.Go(address + "/two")
			require.Equal(t, "SEEN", p.Text("i"))
			p.Go(address + "/two")
			require.Equal(t, "before", p.Text("i"))
		}
	})
	t.Run("headers", func(t *testing.T) {
		p := b.Open(t, browser.Desk)
		p.Header("X-Wanted", "this")
		p.Go(address + "/two")
		require.Equal(t, "this", p.Text("b"))
	})
	t.Run("sizes-and-colours", func(t *testing.T) {
		dark := browser.Phone
		dark.Dark = true
		for view, want := range map[browser.View]string{browser.Phone: "rgb(1, 2, 3)", dark: "rgb(4, 5, 6)"} {
			p := b.Open(t, view)
			p.Go(address + "/")
			require.Equal(t, 375, browser.Eval[int](p, "innerWidth"))
			require.Equal(t, want, browser.Eval[string](p, "getComputedStyle(document.body).color"))
			require.Zero(t, p.Overflow())
			p.Go(address + "/wide")
			require.Greater(t, p.Overflow(), 500)
			p.Show(browser.Desk)
			require.LessOrEqual(t, p.Overflow(), 0)
		}
	})
	t.Run("screenshot", func(t *testing.T) {
		dir := t.TempDir() + "/new"
		t.Setenv(browser.Screenshots, dir)
		p := b.Open(t, browser.Phone)
		p.Go(address + "/two")
		p.Screenshot("two")
		file, err := os.Open(dir + "/two.png")
		require.NoError(t, err)
		defer file.Close()
		size, err := png.DecodeConfig(file)
		require.NoError(t, err)
		require.Equal(t, 375, size.Width)

		t.Setenv(browser.Screenshots, "")
		p = b.Open(t, browser.Phone)
		p.Screenshot("three") // nowhere
		require.NoFileExists(t, "three.png")
		require.NoFileExists(t, dir+"/three.png")
	})
}

func TestComplaintsAreHeard(t *testing.T) {
	address := serve(t, map[string]string{
		"/policy":    head + `<script>document.title = "inline"</script>`,
		"/missing":   head + `<img src="/none.png" alt="">`,
		"/exception": head + `<script src="/s.js"></script>`,
		"/s.js":      `console.warn("careful", 7); throw new Error("broken")`,
	})
	b := browser.Start(t)
	for path, want := range map[string][]string{
		"/policy": {"Content Security Policy"}, "/missing": {"status 404"}, "/exception": {`"careful" 7`, "broken"},
	} {
		p := b.Open(t, browser.Desk)
		p.Go(address + path)
		complaints := fmt.Sprint(p.Complaints())
		for _, text := range want {
			require.Contains(t, complaints, text)
		}
		p.Forgive()
		require.Empty(t, p.Complaints())
	}
}

func TestFindings(t *testing.T) {
	address := serve(t, map[string]string{
		"/bad":  head + `<main><h1>Bad</h1><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><form><input></form></main>`,
		"/good": head + `<main><h1>Good</h1><form><label>Name <input></label></form></main>`,
	})
	b := browser.Start(t)
	p := b.Open(t, browser.Desk)
	p.Go(address + "/bad")
	rules := map[string]string{}
	for _, f := range p.Findings() {
		rules[f.Rule] = f.Impact
		require.NotEmpty(t, f.Where)
	}
	require.Equal(t, "critical", rules["image-alt"])
	require.Equal(t, "critical", rules["label"])

	only := p.Findings("label")
	require.Len(t, only, 1)
	require.Contains(t, only[0].String(), "critical")

	p.Go(address + "/good")
	require.Empty(t, p.Findings())
	p.Accessible()
}

// A witness is a test that notes how it ends.
type witness struct {
	testing.TB
	ended string
}

func (w *witness) Helper()      {}
func (w *witness) Skip(...any)  { w.ended = "skipped"; runtime.Goexit() }
func (w *witness) Fatal(...any) { w.ended = "failed"; runtime.Goexit() }

func TestWithoutChromiumTestsFailUnderCI(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no browser, and nothing to install one with
	for ci, want := range map[string]string{"": "skipped", "true": "failed"} {
		t.Setenv("CI", ci)
		w := &witness{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			browser.Start(w)
		}()
		<-done
		require.Equal(t, want, w.ended, "CI=%q", ci)
	}
}
