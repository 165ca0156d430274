package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// markPrefix begins the marks of submissions.
const markPrefix = "shot-"

// Promises are the submissions of which the finder has said that it keeps them, by ID, with the mark that came with
// each; those of the page have none.
type promises map[string][]string

func (p promises) add(id, mark string) { p[id] = append(p[id], mark) }

// A stored submission is one that the database has.
type stored struct {
	id         string
	ministries []string
}

// readStored returns all submissions of a database.
func readStored(ctx context.Context, url string) ([]stored, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read from
	rows, err := conn.Query(ctx, "SELECT id, ministries FROM submissions")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s stored, err error) {
		var list string
		if err = row.Scan(&s.id, &list); err == nil {
			err = json.Unmarshal([]byte(list), &s.ministries)
		}
		return s, err
	})
}

// compare returns what is wrong with what the database has: promises that were broken, and submissions that
// were never sent or came twice. Programs sent marks up to the last one.
func (p promises) compare(have []stored, last uint64) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	byID := make(map[string]stored, len(have))
	idOf := make(map[string]string) // by mark
	for _, s := range have {
		if _, twice := byID[s.id]; twice {
			say("submission %s is there twice", s.id)
		}
		byID[s.id] = s
		mark := s.mark()
		if mark == "" {
			continue
		}
		if other, twice := idOf[mark]; twice {
			say("submission %s is there again as %s", other, s.id)
		}
		idOf[mark] = s.id
		var n uint64
		if _, err := fmt.Sscanf(mark, markPrefix+"%d", &n); err != nil || n < 1 || n > last {
			say("submission %s bears %s, which nobody sent", s.id, mark)
		}
	}
	for id, marks := range p {
		s, there := byID[id]
		switch {
		case len(marks) > 1:
			say("%d answers bear the name %s", len(marks), id)
		case !there:
			say("submission %s is lost, though it was answered with success", id)
		case s.mark() != marks[0]:
			say("submission %s bears the mark %q, and %q was sent", id, s.mark(), marks[0])
		}
	}
	return wrong
}

// mark returns the mark of a submission that a program sent, and "" of others.
func (s stored) mark() string {
	if len(s.ministries) == 1 && strings.HasPrefix(s.ministries[0], markPrefix) {
		return s.ministries[0]
	}
	return ""
}
