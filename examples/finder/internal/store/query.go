package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
)

// A Filter says which submissions are wanted. What is empty sets no limit.
type Filter struct {
	From, To time.Time // created at From or later, and before To
	Ministry string    // which was suggested
	// What was answered, among other things if the question takes several answers.
	Age, Gender, State, Situation, Interest string

	// Limit and Offset are for [Store.Submissions] alone. Limit is at most 1,000; zero means 50.
	Limit, Offset int
}

// where returns the condition, and its arguments.
func (f Filter) where() (condition string, args []any) {
	var all []string
	arg := func(value any) string {
		args = append(args, value)
		return "$" + strconv.Itoa(len(args))
	}
	if !f.From.IsZero() {
		all = append(all, "created_at >= "+arg(f.From.UnixMilli()))
	}
	if !f.To.IsZero() {
		all = append(all, "created_at < "+arg(f.To.UnixMilli()))
	}
	for _, c := range [][2]string{
		{ministryChoice, f.Ministry}, {catalog.Age, f.Age}, {catalog.Gender, f.Gender},
		{catalog.State, f.State}, {catalog.Situation, f.Situation}, {catalog.Interest, f.Interest},
	} {
		if c[1] != "" {
			all = append(all, "EXISTS (SELECT 1 FROM choices WHERE submission = id AND question = "+arg(c[0])+" AND value = "+arg(c[1])+")")
		}
	}
	if len(all) == 0 {
		return "1 = 1", nil
	}
	return strings.Join(all, " AND "), args
}

// Submissions returns the submissions that pass the filter, the latest first.
func (s *Store) Submissions(ctx context.Context, f Filter) ([]Submission, error) {
	where, args := f.where()
	n := len(args)
	args = append(args, min(cmp.Or(max(f.Limit, 0), 50), 1000), max(f.Offset, 0))
	return s.submissions(ctx, fmt.Sprintf(" WHERE %s ORDER BY created_at DESC, id LIMIT $%d OFFSET $%d", where, n+1, n+2), args)
}

// CountSubmissions returns how many submissions pass the filter.
func (s *Store) CountSubmissions(ctx context.Context, f Filter) (n int, err error) {
	where, args := f.where()
	err = s.do(ctx, queryTimeout, func(ctx context.Context, conn *sql.Conn) error {
		return conn.QueryRowContext(ctx, "SELECT count(*) FROM submissions WHERE "+where, args...).Scan(&n)
	})
	return n, err
}

// eachPage is how many submissions EachSubmission holds at a time.
const eachPage = 500

// EachSubmission calls yield with each submission that passes the filter, the latest first, until yield returns
// an error, which it returns. It reads page by page: however slow yield is, it keeps no connection waiting and
// little memory. So it does not show one moment: what is stored meanwhile may be missing.
func (s *Store) EachSubmission(ctx context.Context, f Filter, yield func(Submission) error) error {
	where, args := f.where()
	n := len(args)
	query := fmt.Sprintf(" WHERE %s ORDER BY created_at DESC, id LIMIT $%d", where, n+1)
	pageArgs := append(slices.Clone(args), eachPage)
	for {
		page, err := s.submissions(ctx, query, pageArgs)
		if err != nil {
			return err
		}
		for _, sub := range page {
			if err := yield(sub); err != nil {
				return err
			}
		}
		if len(page) < eachPage {
			return nil
		}
		last := page[len(page)-1]
		query = fmt.Sprintf(" WHERE %s AND (created_at < $%d OR created_at = $%d AND id > $%d) ORDER BY created_at DESC, id LIMIT $%d", where, n+1, n+1, n+2, n+3)
		pageArgs = append(slices.Clone(args), last.Created.UnixMilli(), last.ID, eachPage)
	}
}

const selectSubmission = "SELECT id, created_at, answers, ministries FROM submissions"

func (s *Store) submissions(ctx context.Context, rest string, args []any) (subs []Submission, err error) {
	err = s.do(ctx, queryTimeout, func(ctx context.Context, conn *sql.Conn) error {
		rows, err := conn.QueryContext(ctx, selectSubmission+rest, args...)
		if err != nil {
			return err
		}
		subs, err = scanSubmissions(rows)
		return err
	})
	return subs, err
}

// errCorrupt is what is wrong with a row that this program cannot have written.
var errCorrupt = errors.New("store: a row that cannot be read")

// scanSubmissions reads and closes the rows.
func scanSubmissions(rows *sql.Rows) (subs []Submission, err error) {
	defer rows.Close()
	for rows.Next() {
		var sub Submission
		var created int64
		var answers, ministries string
		if err := rows.Scan(&sub.ID, &created, &answers, &ministries); err != nil {
			return nil, err
		}
		sub.Created = time.UnixMilli(created)
		if err := errors.Join(json.Unmarshal([]byte(answers), &sub.Answers), json.Unmarshal([]byte(ministries), &sub.Ministries)); err != nil {
			return nil, fmt.Errorf("%w: submission %q: %w", errCorrupt, sub.ID, err)
		}
		subs = append(subs, sub)
	}
	return subs, rows.Err()
}

// Analytics are submissions, counted. A submission counts once for each of its answers and suggestions.
type Analytics struct {
	Total                    int
	ByDay                    []Day   // from the first day with a submission to the last, in order
	ByMinistry               []Count // the most frequent first, as of the answers
	ByAge, ByGender, ByState []Count
	BySituation, ByInterest  []Count
}

// A Day is the number of submissions on one day of UTC.
type Day struct {
	Begin time.Time
	N     int
}

// A Count says how many submissions have a value.
type Count struct {
	Value string
	N     int
}

const day = 24 * time.Hour

// Analytics counts the submissions since from, which is rounded down to a day of UTC. It may take as long as the
// database allows a statement to.
func (s *Store) Analytics(ctx context.Context, from time.Time) (a Analytics, err error) {
	since := from.UTC().Truncate(day).UnixMilli()
	err = s.do(ctx, s.conf.StatementTimeout, func(ctx context.Context, conn *sql.Conn) error {
		a = Analytics{}
		err := each(ctx, conn, func(number int64, n int) { a.addDay(number, n) },
			"SELECT created_at / 86400000 AS day, count(*) FROM submissions WHERE created_at >= $1 GROUP BY created_at / 86400000 ORDER BY day", since)
		if err != nil {
			return err
		}
		for _, c := range []struct {
			question string
			counts   *[]Count
		}{{ministryChoice, &a.ByMinistry}, {catalog.Age, &a.ByAge}, {catalog.Gender, &a.ByGender},
			{catalog.State, &a.ByState}, {catalog.Situation, &a.BySituation}, {catalog.Interest, &a.ByInterest}} {
			err := each(ctx, conn, func(value string, n int) { *c.counts = append(*c.counts, Count{value, n}) },
				`SELECT value, count(*) AS n FROM choices JOIN submissions ON id = submission
				WHERE question = $1 AND created_at >= $2 GROUP BY value ORDER BY n DESC, value`, c.question, since)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return a, err
}

// maxDays bounds the days without a submission that addDay adds: one with a date of long ago is no reason to
// add more.
const maxDays = 3660

// addDay adds a day that is later than those before it.
func (a *Analytics) addDay(number int64, n int) {
	begin := time.UnixMilli(number * day.Milliseconds()).UTC()
	for len(a.ByDay) > 0 && len(a.ByDay) < maxDays {
		next := a.ByDay[len(a.ByDay)-1].Begin.Add(day)
		if !next.Before(begin) {
			break
		}
		a.ByDay = append(a.ByDay, Day{Begin: next})
	}
	a.ByDay = append(a.ByDay, Day{begin, n})
	a.Total += n
}

// each calls add with each row of two columns.
func each[K any](ctx context.Context, conn *sql.Conn, add func(K, int), query string, args ...any) error {
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key K
		var n int
		if err := rows.Scan(&key, &n); err != nil {
			return err
		}
		add(key, n)
	}
	return rows.Err()
}
