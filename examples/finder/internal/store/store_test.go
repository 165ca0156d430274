package store_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func seeded(t *testing.T) (*store.Store, []catalog.Ministry) {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "finder.db"))
	ministries, err := catalog.BuiltIn()
	require.NoError(t, err)
	added, err := s.Seed(t.Context(), ministries)
	require.NoError(t, err)
	require.Equal(t, len(ministries), added)
	return s, ministries
}

func TestSeedKeepsWhatAParishHasChanged(t *testing.T) {
	s, ministries := seeded(t)
	got, err := s.Ministries(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, ministries, got, "a ministry comes back as it went in")

	require.NoError(t, s.SetMinistryActive(t.Context(), "rosary", false))
	added, err := s.Seed(t.Context(), ministries)
	require.NoError(t, err)
	require.Zero(t, added)
	rosary, err := s.Ministry(t.Context(), "rosary")
	require.NoError(t, err)
	require.False(t, rosary.Active)
}

func TestMinistryChanges(t *testing.T) {
	s, ministries := seeded(t)
	ctx := t.Context()

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
	require.Len(t, active, len(ministries)-1)
	for _, m := range active {
		require.NotEqual(t, "rosary", m.Key)
	}

	_, err = s.Ministry(ctx, "no-such")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, s.SetMinistryActive(ctx, "no-such", true), store.ErrNotFound)
	require.ErrorIs(t, s.UpdateMinistry(ctx, catalog.Ministry{Key: "no-such"}), store.ErrNotFound)
}

func TestSubmissionWithTheSameIDIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "finder.db")
	s := open(t, path)
	sub := store.Submission{
		ID: "ONE", Created: time.Now(),
		Answers:    quiz.Answers{Age: "adult", Gender: "female", State: []string{"parent"}, Situation: []string{}, Interest: []string{"music"}},
		Ministries: []string{"parish-choir"},
	}
	require.NoError(t, s.SaveSubmission(t.Context(), sub))
	sub.Answers.Age = "senior"
	require.NoError(t, s.SaveSubmission(t.Context(), sub))
	n, err := s.CountSubmissions(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)

	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	var created int64
	var answers, ministries string
	require.NoError(t, db.QueryRow("SELECT created_at, answers, ministries FROM submissions").Scan(&created, &answers, &ministries))
	require.Equal(t, sub.Created.UnixMilli(), created)
	require.JSONEq(t, `{"age":"senior","gender":"female","state":["parent"],"situation":[],"interest":["music"]}`, answers)
	require.JSONEq(t, `["parish-choir"]`, ministries)
}

func TestWritersWaitForOneAnother(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "finder.db"))
	var wg sync.WaitGroup
	errs := make(chan error, 40)
	for i := range cap(errs) {
		wg.Go(func() {
			errs <- s.SaveSubmission(context.Background(), store.Submission{ID: string(rune('A' + i)), Created: time.Now()})
		})
	}
	wg.Wait()
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	n, err := s.CountSubmissions(t.Context())
	require.NoError(t, err)
	require.Equal(t, cap(errs), n)
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()

	t.Run("odd-name", func(t *testing.T) {
		path := filepath.Join(dir, "a?b=c#d %41.db")
		require.NoError(t, open(t, path).Ping(t.Context()))
		require.FileExists(t, path)
	})
	t.Run("settings-hold-for-each-connection", func(t *testing.T) {
		path := filepath.Join(dir, "settings.db")
		open(t, path)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "nobody else may read what visitors answered")
		require.FileExists(t, path+"-wal")
	})
	t.Run("again", func(t *testing.T) {
		path := filepath.Join(dir, "again.db")
		first := open(t, path)
		require.NoError(t, first.SaveSubmission(t.Context(), store.Submission{ID: "ONE", Created: time.Now()}))
		second := open(t, path)
		n, err := second.CountSubmissions(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
	t.Run("no-directory", func(t *testing.T) {
		_, err := store.Open(t.Context(), filepath.Join(dir, "none", "finder.db"))
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("not-a-database", func(t *testing.T) {
		path := filepath.Join(dir, "letter.txt")
		require.NoError(t, os.WriteFile(path, []byte("Dear reader, this is a letter and no database at all."), 0o600))
		_, err := store.Open(t.Context(), path)
		require.ErrorContains(t, err, "not a database")
	})
}

func TestStatementsEndWithTheirContext(t *testing.T) {
	s, _ := seeded(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Ministries(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.Ping(ctx), context.Canceled)
	require.NoError(t, s.Ping(t.Context()), "the connection is given back")
}

func TestSubmissionsAreListedAndCountedByDay(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "finder.db"))
	now := time.Date(2030, 5, 20, 13, 0, 0, 0, time.UTC)
	for id, created := range map[string]time.Time{
		"TODAY": now, "MORNING": now.Add(-13 * time.Hour), "YESTERDAY": now.Add(-14 * time.Hour),
		"LONG-AGO": now.AddDate(0, 0, -3), "TOMORROW": now.AddDate(0, 0, 1),
	} {
		require.NoError(t, s.SaveSubmission(t.Context(), store.Submission{ID: id, Created: created, Ministries: []string{"rosary"}}))
	}
	days, err := s.SubmissionsByDay(t.Context(), now, 3)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2}, days)

	recent, err := s.RecentSubmissions(t.Context(), 2)
	require.NoError(t, err)
	require.Len(t, recent, 2)
	require.Equal(t, "TOMORROW", recent[0].ID)
	require.Equal(t, "TODAY", recent[1].ID)
	require.True(t, now.Equal(recent[1].Created))
	require.Equal(t, []string{"rosary"}, recent[1].Ministries)
}
