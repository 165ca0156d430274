package browser

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	// patience is how long a step may take: much more than it does, for machines that test are busy.
	patience = 30 * time.Second
	// pollInterval is how often Until asks.
	pollInterval = 20 * time.Millisecond
)

// A Page is a tab with a test behind it: what cannot be done fails the test. Its methods must be called on the test's
// goroutine, one at a time.
type Page struct {
	t   testing.TB
	ctx context.Context
	dir string // of the screenshots; empty: none are taken

	mu         sync.Mutex // guards complaints
	complaints []string
}

// call is an action that sends one command of the protocol.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// run is chromedp.Run with patience.
func run[T any](p *Page, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		p.fail(what, err)
	}
	return value
}

// fail ends the test and leaves a picture of what there was to see.
func (p *Page) fail(what string, err error) {
	p.t.Helper()
	if p.dir != "" {
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		defer cancel()
		path := filepath.Join(p.dir, "failure-"+strings.ReplaceAll(p.t.Name(), "/", "-")+".png")
		if picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err == nil && os.WriteFile(path, picture, 0o644) == nil {
			p.t.Logf("what there was to see: %s", path)
		}
	}
	p.t.Fatalf("browser: %s: %v", what, err)
}

// Do carries out actions of chromedp, one after the other.
func (p *Page) Do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	run(p, "doing", chromedp.Steps(actions...))
}

// Show shows the page in another size or in other colours. That JavaScript is off stays as it is.
func (p *Page) Show(view View) {
	p.t.Helper()
	if view.Width == 0 {
		view.Width, view.Height = Desk.Width, Desk.Height
	}
	scheme := "light"
	if view.Dark {
		scheme = "dark"
	}
	p.Do(
		chromedp.EmulateViewport(int64(view.Width), int64(view.Height)),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}}),
	)
}

// Header adds a header to all requests from now on, in place of the one before.
func (p *Page) Header(name, value string) {
	p.t.Helper()
	p.Do(call(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{name: value}}))
}

// Go goes to an address, waits until the document with all its parts is there, and returns its status.
func (p *Page) Go(address string) (status int) {
	p.t.Helper()
	return statusOf(run(p, "going to "+address, chromedp.NavigateResponse(address)))
}

// Follow clicks on the first element that matches a CSS selector, waits for the document to which that leads,
// and returns its status.
func (p *Page) Follow(selector string) (status int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
	if err != nil {
		p.fail("following "+selector, err)
	}
	return statusOf(response)
}

func statusOf(response *network.Response) int {
	if response == nil {
		return 0 // about:blank, or another place in the same document
	}
	return int(response.Status)
}

// Click clicks on the first element that matches, and waits for nothing.
func (p *Page) Click(selector string) { p.t.Helper(); p.Do(chromedp.Click(chromedp.CSS(selector))) }

// Fill replaces the text of a field by typing another.
func (p *Page) Fill(selector, text string) {
	p.t.Helper()
	p.Do(chromedp.Focus(chromedp.CSS(selector)))
	Eval[any](p, "document.activeElement.select()")
	p.Press(kb.Backspace + text)
}

// Press sends keys to whatever has the focus; package kb of chromedp names those without a character.
func (p *Page) Press(keys string) { p.t.Helper(); p.Do(chromedp.KeyEvent(keys)) }

// Text returns the visible text of the first element that matches. It is looked at in one step, so that a script that
// replaces the element meanwhile does no harm.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	text := Eval[*string](p, fmt.Sprintf("document.querySelector(%q)?.innerText ?? null", selector))
	if text == nil {
		p.fail("text of "+selector, errors.New("there is no such element"))
	}
	return *text
}

// Count returns how many elements match.
func (p *Page) Count(selector string) int {
	p.t.Helper()
	return Eval[int](p, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
}

// Path returns the address of the page without scheme and host.
func (p *Page) Path() string {
	p.t.Helper()
	return Eval[string](p, "location.pathname + location.search")
}

// Eval returns the value of an expression, or of the promise that it is. It works with JavaScript off, which is
// off for the page only.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	return run(p, expression, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Until waits until an expression is true.
func (p *Page) Until(expression string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for !Eval[bool](p, "!!("+expression+")") {
		if time.Now().After(deadline) {
			p.fail("waiting until "+expression, fmt.Errorf("not true after %v", patience))
		}
		time.Sleep(pollInterval) // another process is waited for, which tells nobody
	}
}

// Screenshot writes a picture of the whole document, NAME.png, into the directory that the variable
// [Screenshots] names.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	if p.dir == "" {
		return
	}
	picture := run(p, "screenshot", chromedp.FullScreenshot(100)) // of 100 percent: PNG
	if err := os.WriteFile(filepath.Join(p.dir, name+".png"), picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// Overflow returns by how many pixels the document is wider than the window.
func (p *Page) Overflow() int {
	p.t.Helper()
	return Eval[int](p, "document.documentElement.scrollWidth - innerWidth")
}

// Complaints returns what the documents have complained about so far: exceptions that nobody caught, what was
// written to the console as an error or a warning, breaches of the content security policy, and parts of a
// document that could not be had. Whoever expects some can [Page.Forgive] them.
func (p *Page) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.complaints)
}

// Forgive forgets the complaints so far.
func (p *Page) Forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = nil
}

// hear notes the complaints.
func (p *Page) hear(event any) {
	var complaint string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		complaint = "exception: " + e.ExceptionDetails.Text
		if thrown := e.ExceptionDetails.Exception; thrown != nil {
			complaint += " " + thrown.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.ConsoleAPICalledTypeError && e.Type != runtime.ConsoleAPICalledTypeWarning && e.Type != runtime.ConsoleAPICalledTypeAssert {
			return
		}
		complaint = "console:"
		for _, arg := range e.Args {
			complaint += " " + cmp.Or(arg.Description, string(arg.Value))
		}
	case *log.EventEntryAdded:
		// What the network says is told by the events below, which know a document from its parts.
		if e.Entry.Source == log.EntrySourceNetwork || e.Entry.Level != log.EntryLevelError && e.Entry.Level != log.EntryLevelWarning {
			return
		}
		complaint = fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument || e.Response.Status < 400 {
			return
		}
		complaint = fmt.Sprintf("status %d of %s", e.Response.Status, e.Response.URL)
	case *network.EventLoadingFailed:
		if e.Type == network.ResourceTypeDocument || e.Canceled {
			return
		}
		complaint = fmt.Sprintf("a part of type %s could not be had: %s %s", e.Type, e.ErrorText, e.BlockedReason)
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = append(p.complaints, complaint)
}
