package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
)

// A Submission is what one anonymous visitor answered and what was suggested to them.
type Submission struct {
	ID         string // random; see SaveSubmission
	Created    time.Time
	Answers    quiz.Answers
	Ministries []string // keys, the best first
}

// SaveSubmission stores the submission. One with the same ID is replaced: whoever reloads the page of their
// results, or goes back and changes an answer, is one submission.
func (s *Store) SaveSubmission(ctx context.Context, sub Submission) error {
	answers, err := json.Marshal(sub.Answers)
	if err != nil {
		return err
	}
	ministries, err := json.Marshal(sub.Ministries)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	_, err = s.db.ExecContext(ctx, `INSERT INTO submissions (id, created_at, answers, ministries) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET answers = excluded.answers, ministries = excluded.ministries`,
		sub.ID, sub.Created.UnixMilli(), string(answers), string(ministries))
	return err
}

// CountSubmissions returns the number of submissions.
func (s *Store) CountSubmissions(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	err = s.db.QueryRowContext(ctx, "SELECT count(*) FROM submissions").Scan(&n)
	return n, err
}
