package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/scratch"
)

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
	if !utf8.ValidString(sub.ID) { // JSON would make another of it
		return nil, fmt.Errorf("store: Submission.ID is %q, want UTF-8", sub.ID)
	}
	answers, err := json.Marshal(sub.Answers)
	if err != nil {
		return nil, err
	}
	ministries, err := json.Marshal(sub.Ministries)
	if err != nil {
		return nil, err
	}
	r := &record{id: sub.ID, created: sub.Created.UnixMilli(), answers: string(answers), ministries: string(ministries)}
	n := len(sub.Ministries)
	for _, q := range catalog.Questions() {
		n += len(sub.Answers.List(q.Name))
	}
	r.choices = make([][2]string, 0, n)
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

// A writing is the statements that write records. Rows come as one argument, a JSON array, so that many records
// take as many statements as one, and a connection keeps these prepared instead of one for each number of rows.
type writing struct{ submissions, choices string }

var (
	postgresWriting = newWriting("json_to_recordset($1::json) AS r (id text, created bigint, answers text, ministries text, question text, value text)")
	sqliteWriting   = newWriting(`(SELECT value->>'id' AS id, value->>'created' AS created, value->>'answers' AS answers, value->>'ministries' AS ministries,
		value->>'question' AS question, value->>'value' AS value FROM json_each($1)) AS r`)
)

// newWriting returns the statements for a database that reads rows so. Neither looks anything up but by a
// unique key: a plan that PostgreSQL has made for an empty table and kept is good for a large one.
func newWriting(rows string) writing {
	return writing{
		// SQLite takes ON for that of a join if there is no WHERE.
		submissions: `INSERT INTO submissions (id, created_at, updated_at, answers, ministries)
			SELECT id, created, created, answers, ministries FROM ` + rows + ` WHERE true
			ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, answers = excluded.answers, ministries = excluded.ministries
			WHERE excluded.updated_at > submissions.updated_at RETURNING id, created_at <> updated_at`,
		choices: `INSERT INTO choices (submission, question, value)
			SELECT id, question, value FROM ` + rows + ` WHERE true ON CONFLICT DO NOTHING`,
	}
}

// A submissionRow and a choiceRow are rows for a writing.
type (
	submissionRow struct {
		ID         string `json:"id"`
		Created    int64  `json:"created"`
		Answers    string `json:"answers"`
		Ministries string `json:"ministries"`
	}
	choiceRow struct {
		ID       string `json:"id"`
		Question string `json:"question"`
		Value    string `json:"value"`
	}
)

func (s *Store) writing() *writing {
	if s.pool == nil {
		return &sqliteWriting
	}
	return &postgresWriting
}

// write writes the records, all with other IDs, in one transaction. Of those that are there already, earlier
// ones are replaced and others stay: a statement that its client has given up may still run, after a later one
// of another connection.
func (s *Store) write(ctx context.Context, conn *sql.Conn, records ...*record) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	written, replaced, err := s.writing().upsert(ctx, tx, records)
	if err != nil {
		return err
	}
	for _, id := range replaced {
		if _, err := tx.ExecContext(ctx, "DELETE FROM choices WHERE submission = $1", id); err != nil {
			return err
		}
	}
	if err := s.writing().choose(ctx, tx, written); err != nil {
		return err
	}
	return tx.Commit()
}

// upsert writes the records without their choices. It returns those that were written, and the IDs of those
// that had others before.
func (w *writing) upsert(ctx context.Context, tx *sql.Tx, records []*record) (written []*record, replaced []string, err error) {
	rows := make([]submissionRow, len(records))
	byID := make(map[string]*record, len(records))
	for i, r := range records {
		rows[i] = submissionRow{r.id, r.created, r.answers, r.ministries}
		byID[r.id] = r
	}
	argument, err := rowsOf(rows)
	if err != nil {
		return nil, nil, err
	}
	changed, err := tx.QueryContext(ctx, w.submissions, argument)
	if err != nil {
		return nil, nil, err
	}
	defer changed.Close()
	for changed.Next() {
		var id string
		var again bool
		if err := changed.Scan(&id, &again); err != nil {
			return nil, nil, err
		}
		written = append(written, byID[id])
		if again {
			replaced = append(replaced, id)
		}
	}
	return written, replaced, changed.Err()
}

// choose writes the choices of the records, whose submissions are there.
func (w *writing) choose(ctx context.Context, tx *sql.Tx, records []*record) error {
	n := 0
	for _, r := range records {
		n += len(r.choices)
	}
	if n == 0 {
		return nil
	}
	rows := make([]choiceRow, 0, n)
	for _, r := range records {
		for _, c := range r.choices {
			rows = append(rows, choiceRow{r.id, c[0], c[1]})
		}
	}
	argument, err := rowsOf(rows)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, w.choices, argument)
	return err
}

// rowsOf returns rows as a writing takes them.
func rowsOf(rows any) (string, error) {
	b := scratch.Get()
	defer scratch.Put(b)
	if err := json.NewEncoder(b).Encode(rows); err != nil {
		return "", err
	}
	return b.String(), nil
}
