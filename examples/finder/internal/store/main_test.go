package store_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
	"github.com/ministryfinder/bounded/examples/internal/postgres"
)

// shared is the server of all tests, started by the first that needs it.
var shared = sync.OnceValues(postgres.New)

type suite struct{ *testing.M }

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// Run runs the tests and stops the server.
func (s suite) Run() int {
	code := s.M.Run()
	if server, err := shared(); err == nil {
		if err := server.Close(); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	return code
}

// server returns the shared server, which a test may kill and pause: it runs again at the end.
func server(t *testing.T) *postgres.Server {
	t.Helper()
	s, err := shared()
	require.NoError(t, err)
	return s
}

// onBoth runs the test with an empty database of each kind.
func onBoth(t *testing.T, test func(t *testing.T, c store.Config)) {
	t.Run("sqlite", func(t *testing.T) { test(t, sqlite(t)) })
	t.Run("postgresql", func(t *testing.T) { test(t, postgresql(t)) })
}

func sqlite(t *testing.T) store.Config {
	return store.Config{Path: filepath.Join(t.TempDir(), "finder.db"), BuiltIn: builtIn(t), Logger: slog.New(slog.DiscardHandler)}
}

func postgresql(t *testing.T) store.Config {
	return store.Config{URL: server(t).Database(t), BuiltIn: builtIn(t), Logger: slog.New(slog.DiscardHandler)}
}

func builtIn(t *testing.T) []catalog.Ministry {
	t.Helper()
	ministries, err := catalog.BuiltIn()
	require.NoError(t, err)
	return ministries
}

// open opens a store that the end of the test closes.
func open(t *testing.T, c store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() {
		for deadline := time.Now().Add(10 * time.Second); s.Status().Pool.InUse > 0; time.Sleep(time.Millisecond) { // a broken one takes a moment
			require.True(t, time.Now().Before(deadline), "a connection was not given back")
		}
		require.NoError(t, s.Close())
	})
	return s
}

// up opens a store whose database answers.
func up(t *testing.T, c store.Config) *store.Store {
	t.Helper()
	s := open(t, c)
	require.True(t, s.Status().Up, s.Status().LastError)
	return s
}

// sweepUntil sweeps, as a janitor would, until what is wanted is seen.
func sweepUntil(t *testing.T, s *store.Store, wanted func(store.Status) bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !wanted(s.Status()); s.Sweep() {
		require.True(t, time.Now().Before(deadline), "%+v", s.Status())
	}
}

func recovered(status store.Status) bool { return status.Up && status.Queued == 0 }

// submission returns one that gives an answer to each question.
func submission(id string, created time.Time) store.Submission {
	return store.Submission{
		ID: id, Created: created,
		Answers:    quiz.Answers{Age: "adult", Gender: "female", State: []string{"parent"}, Situation: []string{}, Interest: []string{"music", "prayer"}},
		Ministries: []string{"parish-choir", "rosary"},
	}
}

// save saves what must be stored at once.
func save(t *testing.T, s *store.Store, sub store.Submission) {
	t.Helper()
	queued, err := s.SaveSubmission(t.Context(), sub)
	require.NoError(t, err)
	require.False(t, queued)
}

func count(t *testing.T, s *store.Store, f store.Filter) int {
	t.Helper()
	n, err := s.CountSubmissions(t.Context(), f)
	require.NoError(t, err)
	return n
}
