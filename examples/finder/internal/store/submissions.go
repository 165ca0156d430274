package store

import (
	"context"
	"database/sql"
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

// SaveSubmission stores the submission. One with the same ID that was created earlier is replaced: whoever reloads
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
		err := s.do(ctx, queryTimeout, func(ctx context.Context, conn *sql.Conn) error { return s.write(ctx, conn, r) })
		if err == nil || judge(err) == refused {
			return false, err
		}
		// It may have been written all the same. Writing it again changes nothing.
	}
	return s.enqueue(r, direct)
}
