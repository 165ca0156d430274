// Package alert keeps the last alerts for the dashboard, writes each to the log, and tells a webhook of them.
//
// Raising one never waits and never fails: it goes into a ring of bounded size, and a job of the janitor
// sends what the ring holds.
package alert

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A State says how far an alert has come.
type State string

// The states of an alert.
const (
	Kept    State = "kept"     // there is no webhook
	Waiting State = "waiting"  // to be sent
	Sent    State = "sent"     // the webhook has taken it
	GivenUp State = "given up" // the webhook has refused it, or too often not answered
)

// An Alert is something that needs a person.
type Alert struct {
	Number uint64 // counts from 1
	At     time.Time
	Kind   string // a word: memory, growth, errors, ...
	Level  slog.Level
	Text   string // a sentence

	State    State
	Attempts int // to send it
}

// A Config sets up a Board.
type Config struct {
	Keep       int           // how many alerts are kept
	WebhookURL string        // empty: alerts are not sent
	Attempts   int           // how often one is sent before it is given up
	Timeout    time.Duration // for one attempt; 0: 10 s
	Logger     *slog.Logger  // nil: slog.Default
}

// Stats count alerts.
type Stats struct {
	Kept    int    // on the board
	MaxKept int    // of which there may be so many
	Waiting int    // of those on the board, not sent yet
	Raised  uint64 // ever
	Sent    uint64
	GivenUp uint64
	Lost    uint64 // that had to leave the board before they could be sent
	Retries uint64 // attempts after an attempt that failed
}

// A Board holds the last alerts. Its methods are safe for concurrent use.
type Board struct {
	config Config
	client *http.Client

	deliver sync.Mutex // held while one Deliver goes on

	mu      sync.Mutex // guards what follows
	alerts  []Alert    // at most Keep, the oldest first
	stats   Stats
	pause   *backoff.ExponentialBackOff // between attempts while the webhook fails
	resume  time.Time                   // no attempt before
	changed func()
}

// New returns an empty board.
func New(c Config) *Board {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.Multiplier, pause.MaxInterval = 5*time.Second, 2, 10*time.Minute
	return &Board{config: c, client: &http.Client{Timeout: c.Timeout}, pause: pause, changed: func() {}}
}

// OnRaise has f called after each alert, with no lock held: to ask for a Deliver at once. It is set before the first.
func (b *Board) OnRaise(f func()) { b.changed = f }

// Raise puts an alert on the board, where the oldest makes room, and into the log. It does not wait for the webhook.
func (b *Board) Raise(level slog.Level, kind, text string) {
	b.config.Logger.Log(context.Background(), level, "alert", "kind", kind, "text", text)
	b.put(Alert{At: time.Now(), Kind: kind, Level: level, Text: text})
	b.changed()
}

func (b *Board) put(a Alert) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Raised++
	a.Number, a.State = b.stats.Raised, Kept
	if b.config.WebhookURL != "" {
		a.State = Waiting
	}
	if len(b.alerts) == b.config.Keep {
		if b.alerts[0].State == Waiting {
			b.stats.Lost++
		}
		b.alerts = append(b.alerts[:0], b.alerts[1:]...)
	}
	b.alerts = append(b.alerts, a)
}

// List returns the alerts, the newest first.
func (b *Board) List() []Alert {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Alert, len(b.alerts))
	for i, a := range b.alerts {
		list[len(list)-1-i] = a
	}
	return list
}

// Stats returns the counts.
func (b *Board) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Kept, s.MaxKept = len(b.alerts), b.config.Keep
	for _, a := range b.alerts {
		if a.State == Waiting {
			s.Waiting++
		}
	}
	return s
}

// String returns the alert as a line.
func (a Alert) String() string {
	return fmt.Sprintf("%s %s: %s", a.At.Format(time.DateTime), a.Kind, a.Text)
}
