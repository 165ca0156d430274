package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
)

// A Submission is what one anonymous visitor answered and what was suggested to them.
type Submission struct {
	ID         string // random; see SaveSubmission
	Created    time.Time
	Answers    quiz.Answers
	Ministries []string // keys, the best first
}

// SaveSubmission stores the submission. One with the same ID is replaced, unless it was created later: whoever reloads
// the page of their results, or goes back and changes an answer, is one submission.
//
// If the database is away, the submission waits in the queue, and SaveSubmission reports that. It returns
// ErrQueueFull if there is no room.
func (s *Store) SaveSubmission(ctx context.Context, sub Submission) (queued bool, err error) {
	r, err := encode(sub)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	direct := s.outbox.passes(r)
	s.mu.Unlock()
	if direct {
		err := s.do(ctx, queryTimeout, func(ctx context.Context, conn *sql.Conn) error { return insert(ctx, conn, r) })
		if err == nil || judge(err) == refused {
			return false, err
		}
		// It may have been written all the same. Writing it again changes nothing.
	}
	return s.enqueue(r, direct)
}

// A record is a submission as the tables have it.
type record struct {
	id                  string
	created             int64 // milliseconds since 1970
	answers, ministries string
	choices             [][2]string // question and value
}

// ministryChoice is the question, so to speak, to which the suggested ministries are the answers.
const ministryChoice = "ministry"

func encode(sub Submission) (*record, error) {
	answers, err := json.Marshal(sub.Answers)
	if err != nil {
		return nil, err
	}
	ministries, err := json.Marshal(sub.Ministries)
	if err != nil {
		return nil, err
	}
	r := &record{id: sub.ID, created: sub.Created.UnixMilli(), answers: string(answers), ministries: string(ministries)}
	for _, q := range catalog.Questions() {
		for _, value := range sub.Answers.List(q.Name) {
			r.choices = append(r.choices, [2]string{q.Name, value})
		}
	}
	for _, key := range sub.Ministries {
		r.choices = append(r.choices, [2]string{ministryChoice, key})
	}
	return r, nil
}

// bytes returns about how much memory a record takes in the queue.
func (r *record) bytes() int64 {
	const fixed, choice = 400, 32 // structs, list and map; two string headers, whose text is counted below
	n := fixed + 2*len(r.id) + len(r.answers) + len(r.ministries)
	for _, c := range r.choices {
		n += choice + len(c[0]) + len(c[1])
	}
	return int64(n)
}

// insert writes the records in one transaction.
func insert(ctx context.Context, conn *sql.Conn, records ...*record) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	for _, r := range records {
		if err := r.insert(ctx, tx); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// insert writes the record unless a later one with its ID is there. A statement that its client has given up may still
// run, after a later one of another connection.
func (r *record) insert(ctx context.Context, tx *sql.Tx) error {
	result, err := tx.ExecContext(ctx, `INSERT INTO submissions (id, created_at, updated_at, answers, ministries) VALUES ($1, $2, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, answers = excluded.answers, ministries = excluded.ministries
		WHERE excluded.updated_at >= submissions.updated_at`, r.id, r.created, r.answers, r.ministries)
	if err != nil {
		return err
	}
	if changed, err := result.RowsAffected(); err != nil || changed == 0 {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM choices WHERE submission = $1", r.id); err != nil {
		return err
	}
	return r.insertChoices(ctx, tx)
}

func (r *record) insertChoices(ctx context.Context, tx *sql.Tx) error {
	if len(r.choices) == 0 {
		return nil
	}
	var statement strings.Builder
	statement.WriteString("INSERT INTO choices (submission, question, value) VALUES ")
	args := []any{r.id}
	for i, c := range r.choices {
		if i > 0 {
			statement.WriteString(", ")
		}
		n := len(args)
		statement.WriteString("($1, $" + strconv.Itoa(n+1) + ", $" + strconv.Itoa(n+2) + ")")
		args = append(args, c[0], c[1])
	}
	statement.WriteString(" ON CONFLICT DO NOTHING")
	_, err := tx.ExecContext(ctx, statement.String(), args...)
	return err
}
