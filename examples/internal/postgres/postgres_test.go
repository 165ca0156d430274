package postgres

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ask connects, and returns the server's answer to a question of one number.
func ask(url, question string) (n int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	return n, conn.QueryRow(ctx, question).Scan(&n)
}

func TestAServerLivesDiesAndLivesAgain(t *testing.T) {
	s := Start(t)
	url := s.Database(t)
	_, err := ask(url, "CREATE TABLE kept AS SELECT 7 AS n; SELECT 1")
	require.Error(t, err, "one statement at a time")
	conn, err := pgx.Connect(t.Context(), url+"?sslmode=require")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 7 AS n")
	require.NoError(t, err)
	var tls bool
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&tls))
	require.True(t, tls)

	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	_, err = conn.Exec(ctx, "SELECT 1")
	cancel()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	s.Resume()
	n, err := ask(url, "SELECT n FROM kept")
	require.NoError(t, err)
	require.Equal(t, 7, n)
	<-conn.PgConn().CleanupDone()

	for _, end := range []func() error{s.Kill, s.Stop} {
		require.NotEmpty(t, children(s.process.Pid))
		require.NoError(t, end())
		require.NoError(t, end(), "again")
		_, err = ask(url, "SELECT 1")
		require.ErrorContains(t, err, "refused")
		_, err = claimPort(s.port)
		require.Error(t, err, "no other server takes its place")
		require.NoError(t, s.Restart())
		n, err = ask(url, "SELECT n FROM kept")
		require.NoError(t, err)
		require.Equal(t, 7, n)
	}

	const quick = "SELECT 1 / (setting = '77')::int FROM pg_settings WHERE name = 'deadlock_timeout'"
	require.NoError(t, s.RestartWith("-c", "deadlock_timeout=77"))
	_, err = ask(url, quick)
	require.NoError(t, err)
	require.NoError(t, s.Restart())
	_, err = ask(url, quick)
	require.ErrorContains(t, err, "division by zero", "only until the next start")

	s.Pause()
	require.NoError(t, s.Close(), "paused as it is")
	require.NoDirExists(t, s.dir)
	require.Nil(t, s.claim)
}

func TestInstallingAgainDoesNothing(t *testing.T) {
	_, err := programs()
	require.NoError(t, err)
	info, err := os.Stat("install")
	require.NoError(t, err)
	require.NotZero(t, info.Mode().Perm()&0o100, "a person can run it")
}
