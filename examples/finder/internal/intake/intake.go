// Package intake takes a visitor's answers: it finds the ministries that fit them, and keeps the submission.
// The pages and the interface for programs share it.
package intake

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// A Keeper keeps submissions, or queues them while it cannot.
type Keeper interface {
	SaveSubmission(context.Context, store.Submission) (queued bool, err error)
}

// A Desk is where answers are handed in. Its fields must be set before it is used.
type Desk struct {
	Matcher *quiz.Matcher
	Keeper  Keeper
	Logger  *slog.Logger
	Count   func(kind string) // counts an error
}

// An Outcome says what became of a submission.
type Outcome int

// The outcomes.
const (
	Stored  Outcome = iota // in the database
	Queued                 // it waits for the database
	Refused                // there was no room to wait
	Failed                 // something else is wrong
)

// A Receipt is what a visitor gets for the answers.
type Receipt struct {
	ID          string
	Suggestions []quiz.Suggestion
	Outcome     Outcome
}

// Submit returns the ministries that fit the answers, and keeps the submission under the id, or under a new one
// if id is none of [NewID]. The visitor gets the suggestions even if the submission cannot be kept: they did
// not come to be counted. The error is that of the match.
func (d *Desk) Submit(ctx context.Context, id string, answers quiz.Answers) (Receipt, error) {
	ctx = context.WithoutCancel(ctx) // as in Keep
	suggestions, err := d.Matcher.Match(ctx, answers)
	if err != nil {
		return Receipt{}, err
	}
	keys := make([]string, len(suggestions))
	for i, s := range suggestions {
		keys[i] = s.Key
	}
	id, outcome := d.Keep(ctx, id, answers, keys)
	return Receipt{ID: id, Suggestions: suggestions, Outcome: outcome}, nil
}

// Keep keeps a submission whose ministries are known already, by their keys.
func (d *Desk) Keep(ctx context.Context, id string, answers quiz.Answers, ministries []string) (string, Outcome) {
	if !validID(id) {
		id = NewID()
	}
	// Answered is answered, wherever the visitor has gone; the store has deadlines of its own.
	queued, err := d.Keeper.SaveSubmission(context.WithoutCancel(ctx), store.Submission{
		ID: id, Created: time.Now(), Answers: answers, Ministries: ministries,
	})
	switch {
	case errors.Is(err, store.ErrQueueFull):
		d.Count("submission refused: the queue is full")
		return id, Refused
	case err != nil:
		d.Count("submission not stored")
		d.Logger.Error("submission not stored", "error", err)
		return id, Failed
	case queued:
		return id, Queued
	}
	return id, Stored
}

// NewID returns a name for a submission that nobody can guess.
func NewID() string { return rand.Text() }

// validID reports whether id looks like one that NewID made.
func validID(id string) bool {
	if len(id) != 26 {
		return false
	}
	for _, c := range []byte(id) {
		if !('A' <= c && c <= 'Z' || '2' <= c && c <= '7') {
			return false
		}
	}
	return true
}
