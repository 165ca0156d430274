package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

func TestANewDatabaseBeginsWithTheBuiltInMinistries(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		s := up(t, c)
		got, err := s.Ministries(t.Context())
		require.NoError(t, err)
		require.ElementsMatch(t, c.BuiltIn, got, "a ministry comes back as it went in")

		require.NoError(t, s.SetMinistryActive(t.Context(), "rosary", false))
		again := up(t, c)
		rosary, err := again.Ministry(t.Context(), "rosary")
		require.NoError(t, err)
		require.False(t, rosary.Active, "what a parish has changed stays")
	})
}

func TestMinistryChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		s, ctx := up(t, c), t.Context()
		rosary, err := s.Ministry(ctx, "rosary")
		require.NoError(t, err)
		rosary.Name, rosary.Details, rosary.Gender = "Rosary at dawn", "It's earlier; \"quoted\" — and ünïcode.", []string{"male"}
		require.NoError(t, s.UpdateMinistry(ctx, rosary))
		got, err := s.Ministry(ctx, "rosary")
		require.NoError(t, err)
		require.Equal(t, rosary, got)

		require.NoError(t, s.SetMinistryActive(ctx, "rosary", false))
		active, err := s.ActiveMinistries(ctx)
		require.NoError(t, err)
		require.Len(t, active, len(c.BuiltIn)-1)
		for i, m := range active {
			require.NotEqual(t, "rosary", m.Key)
			require.True(t, i == 0 || active[i-1].Name <= m.Name, "in the same order everywhere")
		}
		require.Equal(t, store.FromDatabase, s.Status().Ministries)

		for _, key := range []string{"no-such", "", "No key", "\x00", "\xff"} { // which no database need be asked for
			_, err = s.Ministry(ctx, key)
			require.ErrorIs(t, err, store.ErrNotFound, "%q", key)
			require.ErrorIs(t, s.SetMinistryActive(ctx, key, true), store.ErrNotFound, "%q", key)
		}
		require.ErrorIs(t, s.UpdateMinistry(ctx, catalog.Ministry{Key: "no-such"}), store.ErrNotFound)
	})
}

func TestASubmissionWithTheSameIDIsReplaced(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		s, now := up(t, c), time.UnixMilli(1_900_000_000_000)
		first := submission("ONE", now)
		save(t, s, first)
		second := submission("ONE", now.Add(time.Second))
		second.Answers.Age, second.Answers.Interest = "senior", []string{"teaching"}
		save(t, s, second)
		save(t, s, first) // which was on its way for long

		got, err := s.Submissions(t.Context(), store.Filter{})
		require.NoError(t, err)
		second.Created = now
		require.Equal(t, []store.Submission{second}, got)
		require.Equal(t, 1, count(t, s, store.Filter{Age: "senior", Interest: "teaching"}))
		require.Zero(t, count(t, s, store.Filter{Interest: "music"}), "its old answers are forgotten")
	})
}

func TestWritersWaitForOneAnother(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		s := up(t, c)
		var wg sync.WaitGroup
		errs := make(chan error, 40)
		for i := range cap(errs) {
			wg.Go(func() {
				_, err := s.SaveSubmission(context.Background(), submission(fmt.Sprint(i), time.Now()))
				errs <- err
			})
		}
		wg.Wait()
		for range cap(errs) {
			require.NoError(t, <-errs)
		}
		sweepUntil(t, s, recovered) // a machine that is very busy made some wait
		require.Equal(t, cap(errs), count(t, s, store.Filter{}))
	})
}

func TestInstancesThatStartTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		type result struct {
			s   *store.Store
			err error
		}
		results := make(chan result)
		const n = 3
		for range n {
			go func() {
				s, err := store.Open(context.Background(), c)
				results <- result{s, err}
			}()
		}
		for range n {
			r := <-results
			require.NoError(t, r.err)
			t.Cleanup(func() { require.NoError(t, r.s.Close()) })
			require.True(t, r.s.Status().Up, r.s.Status().LastError)
			ministries, err := r.s.Ministries(t.Context())
			require.NoError(t, err)
			require.ElementsMatch(t, c.BuiltIn, ministries)
		}
	})
}

func TestSubmissionsOfTheFirstVersionCanBeFiltered(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		driver, name, dialect := "sqlite", c.Path, goose.DialectSQLite3
		if c.URL != "" {
			driver, name, dialect = "pgx", c.URL, goose.DialectPostgres
		}
		db, err := sql.Open(driver, name)
		require.NoError(t, err)
		defer db.Close()
		provider, err := goose.NewProvider(dialect, db, os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true))
		require.NoError(t, err)
		_, err = provider.UpTo(t.Context(), 1)
		require.NoError(t, err)
		var rows strings.Builder
		for i := range 1001 { // three pages
			fmt.Fprintf(&rows, "%s('OLD%d', 1, $1, $2)", strings.Repeat(", ", min(i, 1)), i)
		}
		_, err = db.Exec("INSERT INTO submissions (id, created_at, answers, ministries) VALUES "+rows.String(),
			`{"age":"adult","gender":"male","state":[],"situation":[],"interest":["music"]}`, `["rosary"]`)
		require.NoError(t, err)
		require.Equal(t, 1001, count(t, up(t, c), store.Filter{Age: "adult", Interest: "music", Ministry: "rosary"}))
	})
}

func TestFilters(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		s, base := up(t, c), time.UnixMilli(1_900_000_000_000)
		for i := range 4 {
			sub := submission(string(rune('A'+i)), base.Add(time.Duration(i)*time.Hour))
			if i%2 == 1 {
				sub.Answers.Age, sub.Answers.Gender, sub.Ministries = "senior", "male", []string{"ushers"}
				sub.Answers.State, sub.Answers.Situation, sub.Answers.Interest = nil, []string{"grieving"}, nil
			}
			save(t, s, sub)
		}
		for _, test := range []struct {
			name   string
			filter store.Filter
			want   string
			count  int // without limit and offset
		}{
			{"all", store.Filter{}, "DCBA", 4},
			{"from", store.Filter{From: base.Add(time.Hour)}, "DCB", 3},
			{"to", store.Filter{To: base.Add(time.Hour)}, "A", 1},
			{"between", store.Filter{From: base.Add(time.Hour), To: base.Add(3 * time.Hour)}, "CB", 2},
			{"ministry", store.Filter{Ministry: "rosary"}, "CA", 2},
			{"age", store.Filter{Age: "senior"}, "DB", 2},
			{"gender", store.Filter{Gender: "female"}, "CA", 2},
			{"state", store.Filter{State: "parent"}, "CA", 2},
			{"situation", store.Filter{Situation: "grieving"}, "DB", 2},
			{"interest", store.Filter{Interest: "prayer"}, "CA", 2},
			{"all-at-once", store.Filter{From: base.Add(time.Hour), Ministry: "rosary", Age: "adult", Interest: "music"}, "C", 1},
			{"nothing-else", store.Filter{Interest: "music", Age: "senior"}, "", 0},
			{"a-value-of-another-question", store.Filter{Age: "female"}, "", 0},
			{"hostile", store.Filter{Interest: "' OR 1=1 --"}, "", 0},
			{"limit", store.Filter{Limit: 2}, "DC", 4},
			{"offset", store.Filter{Limit: 2, Offset: 3}, "A", 4},
			{"negative", store.Filter{Limit: -2, Offset: -3}, "DCBA", 4},
		} {
			t.Run(test.name, func(t *testing.T) {
				got, err := s.Submissions(t.Context(), test.filter)
				require.NoError(t, err)
				var ids strings.Builder
				for _, sub := range got {
					ids.WriteString(sub.ID)
				}
				require.Equal(t, test.want, ids.String())
				require.Equal(t, test.count, count(t, s, test.filter))
			})
		}
	})
}

func TestEachSubmissionComesOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		s, ctx := up(t, c), t.Context()
		const n = 1201 // three pages, of many with the same time
		var rows strings.Builder
		for i := range n {
			fmt.Fprintf(&rows, "%s('ID%04d', %d, '{}', '[]')", strings.Repeat(", ", min(i, 1)), i, 1000+i/700)
		}
		require.NoError(t, s.Exec(ctx, "INSERT INTO submissions (id, created_at, answers, ministries) VALUES "+rows.String()))

		seen := map[string]bool{}
		var last time.Time
		require.NoError(t, s.EachSubmission(ctx, store.Filter{From: time.UnixMilli(1)}, func(sub store.Submission) error {
			require.False(t, seen[sub.ID])
			require.True(t, len(seen) == 0 || !sub.Created.After(last))
			seen[sub.ID], last = true, sub.Created
			require.Zero(t, s.Status().Pool.InUse, "nobody keeps a connection while this runs")
			return nil
		}))
		require.Len(t, seen, n)

		enough := errors.New("enough")
		calls := 0
		err := s.EachSubmission(ctx, store.Filter{}, func(store.Submission) error { calls++; return enough })
		require.Equal(t, enough, err)
		require.Equal(t, 1, calls)

		many, err := s.Submissions(ctx, store.Filter{Limit: 5000})
		require.NoError(t, err)
		require.Len(t, many, 1000, "a page is bounded")
	})
}

func TestAnalytics(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		s, ctx := up(t, c), t.Context()
		noon := time.Date(2030, 5, 20, 12, 0, 0, 0, time.UTC)
		empty, err := s.Analytics(ctx, noon)
		require.NoError(t, err)
		require.Equal(t, store.Analytics{}, empty)

		for id, created := range map[string]time.Time{"EARLIER": noon.AddDate(0, 0, -1), "A": noon.Add(-12 * time.Hour), "B": noon, "C": noon.AddDate(0, 0, 2)} {
			sub := submission(id, created)
			if id == "C" {
				sub.Answers.Gender, sub.Answers.Interest = "male", []string{"prayer"}
				sub.Answers.State, sub.Answers.Situation = []string{"married", "parent"}, []string{"new-here"}
			}
			save(t, s, sub)
		}
		got, err := s.Analytics(ctx, noon)
		require.NoError(t, err)
		day := noon.Truncate(24 * time.Hour)
		require.Equal(t, store.Analytics{
			Total:       3,
			ByDay:       []store.Day{{Begin: day, N: 2}, {Begin: day.AddDate(0, 0, 1)}, {Begin: day.AddDate(0, 0, 2), N: 1}},
			ByMinistry:  []store.Count{{Value: "parish-choir", N: 3}, {Value: "rosary", N: 3}},
			ByAge:       []store.Count{{Value: "adult", N: 3}},
			ByGender:    []store.Count{{Value: "female", N: 2}, {Value: "male", N: 1}},
			ByState:     []store.Count{{Value: "parent", N: 3}, {Value: "married", N: 1}},
			BySituation: []store.Count{{Value: "new-here", N: 1}},
			ByInterest:  []store.Count{{Value: "prayer", N: 3}, {Value: "music", N: 2}},
		}, got)

		save(t, s, submission("LONG-AGO", time.Unix(0, 0)))
		got, err = s.Analytics(ctx, time.Time{})
		require.NoError(t, err)
		require.Equal(t, 5, got.Total)
		require.Less(t, len(got.ByDay), 5000, "one submission with a wrong date is no reason for all the days since")
	})
}

func TestStatementsEndWithTheirContext(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		s := up(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Ministries(ctx)
		require.ErrorIs(t, err, context.Canceled)
		_, err = s.ActiveMinistries(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, s.Ping(ctx), context.Canceled)
		require.True(t, s.Status().Up, "that says nothing about the database")
		require.NoError(t, s.Ping(t.Context()))
		require.Zero(t, s.Status().Pool.InUse, "connections are given back")
	})
}

func TestAPoolInUseAnswersInTime(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		t.Parallel() // it waits for a deadline
		s := up(t, c)
		pool := s.Status().Pool
		require.Positive(t, pool.Max)
		for range pool.Max {
			conn, err := s.Hold(t.Context())
			require.NoError(t, err)
			defer conn.Close()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := s.Ministries(ctx)
		require.ErrorIs(t, err, store.ErrBusy)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = s.Ministries(t.Context()) // which has a deadline all the same
		require.ErrorIs(t, err, store.ErrBusy)
		queued, err := s.SaveSubmission(ctx, submission("ONE", time.Now()))
		require.NoError(t, err)
		require.True(t, queued, "nothing is lost")
		require.True(t, s.Status().Up, "busy is not away")
	})
}

func TestOpenSQLite(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) store.Config {
		return store.Config{Path: filepath.Join(dir, name), Logger: slog.New(slog.DiscardHandler)}
	}

	t.Run("odd-name", func(t *testing.T) {
		c := at("a?b=c#d %41.db")
		require.NoError(t, up(t, c).Ping(t.Context()))
		require.FileExists(t, c.Path)
	})
	t.Run("settings-hold-for-each-connection", func(t *testing.T) {
		c := at("settings.db")
		up(t, c)
		info, err := os.Stat(c.Path)
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "nobody else may read what visitors answered")
		require.FileExists(t, c.Path+"-wal")
	})
	t.Run("no-directory", func(t *testing.T) {
		_, err := store.Open(t.Context(), at("none/finder.db"))
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("not-a-database", func(t *testing.T) {
		c := at("letter.txt")
		require.NoError(t, os.WriteFile(c.Path, []byte("Dear reader, this is a letter and no database at all."), 0o600))
		_, err := store.Open(t.Context(), c)
		require.ErrorContains(t, err, "not a database")
	})
	t.Run("status", func(t *testing.T) {
		status := up(t, at("status.db")).Status()
		require.Equal(t, "sqlite", status.Kind)
		require.Equal(t, 10_000, status.QueueEntries)
		require.Equal(t, int64(10_000_000), status.QueueBytes)
	})
}

func TestConfigValidate(t *testing.T) {
	for _, test := range []struct {
		conf store.Config
		want string
	}{
		{store.Config{}, "store: Config.URL and Config.Path are empty, want one of them"},
		{store.Config{URL: "postgres://me:hush@db/x", MaxConns: 1}, "store: Config.MaxConns is 1, want at least MinConns, 2"},
		{store.Config{Path: "x", MinConns: -1}, "store: Config.MinConns is -1, want zero or more"},
		{store.Config{Path: "x", ConnectTimeout: -1}, "store: Config.ConnectTimeout is -1ns, want zero or more"},
		{store.Config{Path: "x", StatementTimeout: 1}, "store: Config.StatementTimeout is 1ns, want zero or at least 1ms"},
		{store.Config{Path: "x", QueueEntries: -1}, "store: Config.QueueEntries is -1, want zero or more"},
		{store.Config{Path: "x", QueueBytes: -1}, "store: Config.QueueBytes is -1, want zero or more"},
		{store.Config{URL: "mysql://me:hush@db/x"}, `store: Config.URL is "mysql://me:xxxxx@db/x", want postgres://`},
		{store.Config{URL: "postgres://me:hu/sh@db/x?password=hush"}, `store: Config.URL is "postgres://me:xxxxx@db/x", want postgres://`},
		{store.Config{URL: "postgres://me:hush@db:port/x"}, `store: Config.URL is "postgres://me:xxxxx@db:port/x", want postgres://`},
		{store.Config{URL: "postgres://me:hush@db/x?sslmode=maybe"}, `store: Config.URL is "postgres://me:xxxxx@db/x", want postgres://`},
		{store.Config{URL: "host=db password=hush"}, `store: Config.URL is "(hidden)", want postgres://`},
	} {
		_, err := store.Open(t.Context(), test.conf)
		require.ErrorContains(t, err, test.want)
		require.NotContains(t, err.Error(), "hush")
	}
}
