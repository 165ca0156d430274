package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// RecentSubmissions returns the latest submissions, at most limit of them, the latest first.
func (s *Store) RecentSubmissions(ctx context.Context, limit int) ([]Submission, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, "SELECT id, created_at, answers, ministries FROM submissions ORDER BY created_at DESC, id LIMIT $1", limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()

	var recent []Submission
	for rows.Next() {
		var sub Submission
		var created int64
		var answers, ministries string
		if err := rows.Scan(&sub.ID, &created, &answers, &ministries); err != nil {
			return nil, err
		}
		sub.Created = time.UnixMilli(created)
		if err := errors.Join(json.Unmarshal([]byte(answers), &sub.Answers), json.Unmarshal([]byte(ministries), &sub.Ministries)); err != nil {
			return nil, fmt.Errorf("store: submission %q: %w", sub.ID, err)
		}
		recent = append(recent, sub)
	}
	return recent, rows.Err()
}

// SubmissionsByDay returns how many submissions there were on each of the last days, the oldest first and
// today last. A day is one of UTC.
func (s *Store) SubmissionsByDay(ctx context.Context, now time.Time, days int) ([]int, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	const day = 24 * time.Hour / time.Millisecond
	first := now.UnixMilli()/int64(day) - int64(days) + 1
	rows, err := s.db.QueryContext(ctx,
		"SELECT created_at / 86400000, count(*) FROM submissions WHERE created_at >= $1 GROUP BY created_at / 86400000", first*int64(day))
	if err != nil {
		return nil, err
	}
	defer rows.Close()

	counts := make([]int, days)
	for rows.Next() {
		var number int64
		var n int
		if err := rows.Scan(&number, &n); err != nil {
			return nil, err
		}
		if i := number - first; 0 <= i && i < int64(days) { // a clock that went back leaves days to come
			counts[i] = n
		}
	}
	return counts, rows.Err()
}
