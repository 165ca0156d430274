// Package browser runs a real, headless Chromium for tests, so that a page is tested as a person meets it.
//
// If Chromium is not installed, the script install of this folder installs it, which takes Debian and root.
//
// It is driven by chromedp. The other well-known driver for Go, rod, brings a browser of its own and had its
// last release in July 2024; chromedp follows the protocol of today's Chromium, talks to it through a pipe, so
// that no port is open, and needs two modules besides itself.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Screenshots is the variable that names the directory for screenshots. Without it none are taken: they would
// go with the test, and take time.
const Screenshots = "BROWSER_SCREENSHOTS"

// They are generous: machines that test are busy.
const (
	startTimeout = time.Minute
	stopTimeout  = 20 * time.Second
)

// A Browser is a running Chromium with a profile of its own. Its methods may be called at the same time.
type Browser struct {
	ctx  context.Context
	kill context.CancelFunc // returns when no process is left
	dir  string             // of what it leaves lying about
}

// Start starts a browser that the end of the test stops. Where it cannot be had, the test fails if the variable CI is
// set, and is skipped otherwise: not everybody can install it.
func Start(t testing.TB) *Browser {
	t.Helper()
	b, err := New()
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// New starts a browser. Close must be called. It takes about a second.
func New() (*Browser, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "browser-")
	if err != nil {
		return nil, err
	}
	ctx, kill := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path),
		chromedp.Env("TMPDIR="+dir),
		chromedp.Headless,
		chromedp.NoSandbox, // it does not work for root, and no page but this project's is opened
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-breakpad", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-dev-shm-usage", true), // it is small in a container
		// A page that nobody looks at goes on as one that somebody does.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("hide-scrollbars", true),
	)
	silent := func(string, ...any) {}
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithErrorf(silent), chromedp.WithLogf(silent))
	b := &Browser{ctx, func() { cancel(); kill() }, dir}

	// The browser lives as long as the context of the first call, so that cannot have a deadline.
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(ctx) }()
	select {
	case err = <-started:
	case <-time.After(startTimeout):
		err = fmt.Errorf("not ready after %v", startTimeout)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("browser: starting %s: %w", path, err), b.Close())
	}
	return b, nil
}

// Close ends the browser and removes all that it has written.
func (b *Browser) Close() error {
	ctx, cancel := context.WithTimeout(b.ctx, stopTimeout)
	defer cancel()
	_ = chromedp.Cancel(ctx) // a browser that does not end in good order is killed
	b.kill()
	return remove(b.dir)
}

// remove removes a directory, again and again until it succeeds: helpers of Chromium that have been killed may
// take a moment to end, and write there meanwhile.
func remove(dir string) error {
	for deadline := time.Now().Add(stopTimeout); ; time.Sleep(pollInterval) {
		if err := os.RemoveAll(dir); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// A View is how a visitor looks at pages. The zero View is that of a desk: 1440 by 900 pixels, light, with
// JavaScript.
type View struct {
	Width, Height int
	Dark          bool // the visitor prefers dark colours
	NoScript      bool // JavaScript is off
}

// Desk and Phone are the two sizes that pages must look good at.
var (
	Desk  = View{Width: 1440, Height: 900}
	Phone = View{Width: 375, Height: 812}
)

// Open opens an empty page that knows nothing of others: no cookie, no cache. The end of the test closes it,
// and fails if one of the documents that it showed has complained.
func (b *Browser) Open(t testing.TB, view View) *Page {
	t.Helper()
	p := &Page{t: t, dir: os.Getenv(Screenshots)}
	if p.dir != "" {
		if err := os.MkdirAll(p.dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.hear))
	p.ctx = ctx
	t.Cleanup(func() {
		cancel()
		for _, complaint := range p.Complaints() {
			t.Error(complaint)
		}
	})
	if err := chromedp.Do(ctx); err != nil { // opens the tab; a deadline would close it again
		t.Fatal(err)
	}
	p.Do(call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: view.NoScript}))
	p.Show(view)
	return p
}
