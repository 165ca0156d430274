package store_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/store"
	"github.com/ministryfinder/bounded/examples/internal/postgres"
)

// fragile returns the server, which runs again when the test has ended, whatever the test has done to it.
func fragile(t *testing.T) *postgres.Server {
	s := server(t)
	t.Cleanup(func() { require.NoError(t, s.Restart()) })
	return s
}

func TestAServerThatIsKilledIsNotMissed(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	s, ctx := up(t, c), t.Context()
	require.NoError(t, s.SetMinistryActive(ctx, "rosary", false))
	save(t, s, submission("BEFORE", time.Now()))

	require.NoError(t, server.Kill())
	queued, err := s.SaveSubmission(ctx, submission("DURING", time.Now()))
	require.NoError(t, err)
	require.True(t, queued)
	status := s.Status()
	require.False(t, status.Up)
	require.NotEmpty(t, status.LastError)
	require.NotContains(t, status.LastError, server.Password())
	require.Equal(t, 1, status.Queued)

	known, err := s.ActiveMinistries(ctx)
	require.NoError(t, err)
	require.Len(t, known, len(c.BuiltIn)-1, "with what a parish has changed")
	require.Equal(t, store.FromLastKnown, s.Status().Ministries)
	_, err = s.Ministries(ctx)
	require.ErrorIs(t, err, store.ErrDown)
	require.ErrorIs(t, s.SetMinistryActive(ctx, "rosary", true), store.ErrDown)
	_, err = s.Analytics(ctx, time.Time{})
	require.ErrorIs(t, err, store.ErrDown)
	require.Zero(t, s.Sweep(), "nothing to be done yet")
	require.False(t, s.Status().Up)

	require.NoError(t, server.Restart())
	sweepUntil(t, s, recovered)
	require.Empty(t, s.Status().LastError)
	require.Equal(t, uint64(1), s.Status().Written)
	save(t, s, submission("AFTER", time.Now()))
	require.Equal(t, 3, count(t, s, store.Filter{}))
	_, err = s.ActiveMinistries(ctx)
	require.NoError(t, err)
	require.Equal(t, store.FromDatabase, s.Status().Ministries)
}

// TestNothingIsLostOrDoubled kills the server while visitors come, each of which changes their answers once.
func TestNothingIsLostOrDoubled(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	s := up(t, c)
	base := time.UnixMilli(1_900_000_000_000)
	const visitors, each = 4, 100
	var saved atomic.Int64
	var unsaved atomic.Value
	var wg sync.WaitGroup
	for v := range visitors {
		wg.Go(func() {
			for i := range each {
				for version := range 2 {
					sub := submission(fmt.Sprintf("%d/%d", v, i), base.Add(time.Duration(version)*time.Second))
					if version == 1 {
						sub.Answers.Age = "senior"
					}
					if _, err := s.SaveSubmission(context.Background(), sub); err != nil {
						unsaved.Store(err)
					}
					saved.Add(1)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	for kills := 0; kills < 2; { // each when some have come since the last
		before := saved.Load()
		for saved.Load() < before+20 && saved.Load() < 2*visitors*each {
			s.Sweep()
		}
		require.NoError(t, server.Kill())
		require.NoError(t, server.Restart())
		kills++
	}
	for done := false; !done; {
		select {
		case <-ended:
			done = true
		default:
			s.Sweep()
		}
	}
	require.Nil(t, unsaved.Load())
	sweepUntil(t, s, recovered)
	require.Equal(t, visitors*each, count(t, s, store.Filter{}))
	require.Equal(t, visitors*each, count(t, s, store.Filter{Age: "senior"}), "the last answers of each")
	require.Zero(t, s.Status().Refused)
}

// TestWhoComesAfterAnOutageWritesAtOnce: if all who come joined the queue as long as there is one, those who come at
// full speed would keep it full for ever, and be refused by a store that has its database.
func TestWhoComesAfterAnOutageWritesAtOnce(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	c.QueueEntries = 200
	s := up(t, c)
	require.NoError(t, server.Kill())
	for i := range c.QueueEntries {
		queued, err := s.SaveSubmission(t.Context(), submission(fmt.Sprint("waits-", i), time.Now()))
		require.NoError(t, err)
		require.True(t, queued)
	}
	require.NoError(t, server.Restart())
	var over atomic.Bool
	var wg sync.WaitGroup
	for v := range 8 {
		wg.Go(func() {
			for i := 0; !over.Load(); i++ {
				_, _ = s.SaveSubmission(context.Background(), submission(fmt.Sprintf("%d/%d", v, i), time.Now()))
			}
		})
	}
	defer wg.Wait()
	defer over.Store(true)
	for range 3 {
		s.Sweep()
	}
	require.True(t, s.Status().Up)
	require.Less(t, s.Status().Queued, 8, "at most what was on its way")
	refused, outages := s.Status().Refused, 0
	for range 100 {
		_, err := s.SaveSubmission(t.Context(), submission("late", time.Now()))
		if err != nil && outages < 2 { // on a slow machine the database may be slower than is waited for, which is an outage
			outages++
			for range 3 {
				s.Sweep()
			}
			require.True(t, s.Status().Up)
			require.Less(t, s.Status().Queued, 8, "at most what was on its way")
			refused = s.Status().Refused
			continue
		}
		require.NoError(t, err)
	}
	require.Equal(t, refused, s.Status().Refused)
}

func TestAServerThatHangsHoldsNobodyUp(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	s := up(t, c)
	_, err := s.ActiveMinistries(t.Context())
	require.NoError(t, err)
	server.Pause()

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	queued, err := s.SaveSubmission(ctx, submission("ONE", time.Now()))
	require.NoError(t, err)
	require.True(t, queued)
	require.ErrorIs(t, s.Ping(ctx), context.DeadlineExceeded)
	ministries, err := s.ActiveMinistries(ctx)
	require.NoError(t, err, "the quiz goes on")
	require.Len(t, ministries, len(c.BuiltIn))

	_, err = s.Ministries(t.Context()) // that has a deadline all the same, and is told apart from a slow statement
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.False(t, s.Status().Up)

	server.Resume()
	sweepUntil(t, s, recovered)
	require.Equal(t, 1, count(t, s, store.Filter{}), "written once, though it was sent twice")
}

func TestAServerThatIsDownAtTheStart(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	require.NoError(t, server.Stop())
	var log bytes.Buffer
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	c.BuiltIn[0].Active = false
	s := open(t, c)
	status := s.Status()
	require.Equal(t, "postgresql", status.Kind)
	require.False(t, status.Up)
	require.Contains(t, status.LastError, "refused")
	require.Contains(t, log.String(), "the database is away")
	require.NotContains(t, status.LastError+log.String(), server.Password())

	ministries, err := s.ActiveMinistries(t.Context())
	require.NoError(t, err)
	require.Len(t, ministries, len(c.BuiltIn)-1)
	require.Equal(t, store.FromBuiltIn, s.Status().Ministries)
	queued, err := s.SaveSubmission(t.Context(), submission("ONE", time.Now()))
	require.NoError(t, err)
	require.True(t, queued)

	require.NoError(t, server.Restart())
	sweepUntil(t, s, recovered) // tables and ministries too
	require.Equal(t, 1, count(t, s, store.Filter{}))
	all, err := s.Ministries(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, c.BuiltIn, all)
	require.Contains(t, log.String(), "the database is back")
}

// A port that is open, behind which nobody answers: what a database looks like that has just begun to hang.
func TestTheStartWaitsForAConnectionForTheTimeoutOnly(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	server.Pause()
	c.ConnectTimeout = 300 * time.Millisecond
	began := time.Now()
	s := open(t, c)
	require.Less(t, time.Since(began), 5*time.Second)
	require.False(t, s.Status().Up)
	queued, err := s.SaveSubmission(t.Context(), submission("ONE", time.Now()))
	require.NoError(t, err)
	require.True(t, queued)

	server.Resume()
	sweepUntil(t, s, recovered)
	require.Equal(t, 1, count(t, s, store.Filter{}))
}

// The server runs, and lets nobody in: it has no connections left, or somebody is at work on the database.
func TestADatabaseThatRefusesConnections(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	s := up(t, c)
	name := c.URL[strings.LastIndexByte(c.URL, '/')+1:]
	server.Exec(t, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
	server.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")

	_, err := s.Ministries(t.Context())
	require.ErrorIs(t, err, store.ErrDown, "who meets it first is told, too")
	queued, err := s.SaveSubmission(t.Context(), submission("ONE", time.Now()))
	require.NoError(t, err)
	require.True(t, queued)
	s.Sweep()
	require.False(t, s.Status().Up)
	require.Contains(t, s.Status().LastError, "not currently accepting connections")
	ministries, err := s.ActiveMinistries(t.Context())
	require.NoError(t, err)
	require.Len(t, ministries, len(c.BuiltIn))

	server.Exec(t, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
	sweepUntil(t, s, recovered)
	require.Equal(t, 1, count(t, s, store.Filter{}))
}

// An administrator, a failover or a proxy ends connections that nobody uses. That is no outage.
func TestConnectionsThatTheServerEndedAreReplaced(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	s := up(t, c)
	name := c.URL[strings.LastIndexByte(c.URL, '/')+1:]
	for i := range 3 {
		sweepUntil(t, s, func(status store.Status) bool { return status.Pool.Open >= 2 })
		server.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
		queued, err := s.SaveSubmission(t.Context(), submission(fmt.Sprint(i), time.Now()))
		require.NoError(t, err)
		require.True(t, s.Status().Up)
		_, err = s.Ministries(t.Context())
		require.NoError(t, err, "only one caller meets them")
		if queued {
			require.Equal(t, 1, s.Sweep())
		}
		require.Equal(t, i+1, count(t, s, store.Filter{}))
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	require.NoError(t, server.Stop())
	for _, test := range []struct {
		name string
		conf func(*store.Config)
	}{
		{"entries", func(c *store.Config) { c.QueueEntries = 2 }},
		{"bytes", func(c *store.Config) { c.QueueBytes = 2500 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.conf(&c)
			s, err := store.Open(t.Context(), c)
			require.NoError(t, err)
			fitted := 0
			for ; ; fitted++ {
				queued, err := s.SaveSubmission(t.Context(), submission(fmt.Sprint(fitted), time.Now()))
				if err != nil {
					require.ErrorIs(t, err, store.ErrQueueFull)
					require.False(t, queued)
					break
				}
			}
			status := s.Status()
			require.Equal(t, 2, status.Queued)
			require.Equal(t, fitted, status.Queued)
			require.LessOrEqual(t, status.QueuedBytes, status.QueueBytes)
			require.True(t, status.QueueFull)
			require.Equal(t, uint64(1), status.Refused)

			queued, err := s.SaveSubmission(t.Context(), submission("0", time.Now())) // changed answers fit
			require.NoError(t, err)
			require.True(t, queued)
			require.Equal(t, 2, s.Status().Queued)
			require.False(t, s.Status().QueueFull)

			require.ErrorContains(t, s.Close(), "store: 2 submissions are lost: ", "never silently")
			require.NoError(t, s.Close(), "again")
			_, err = s.SaveSubmission(t.Context(), submission("LATE", time.Now()))
			require.ErrorIs(t, err, store.ErrClosed)
		})
	}
}

func TestCloseWritesWhatWaits(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	require.NoError(t, server.Stop())
	s, err := store.Open(t.Context(), c)
	require.NoError(t, err)
	for i := range 250 { // three transactions
		_, err := s.SaveSubmission(t.Context(), submission(fmt.Sprint(i), time.Now()))
		require.NoError(t, err)
	}
	require.NoError(t, server.Restart())
	require.NoError(t, s.Close())
	require.Equal(t, 250, count(t, up(t, c), store.Filter{}))
}

func TestWhatADatabaseRefusesHoldsNothingUp(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	s := up(t, c)
	bad := submission("B\x00D", time.Now()) // PostgreSQL keeps no such text
	queued, err := s.SaveSubmission(t.Context(), bad)
	require.ErrorContains(t, err, "22P05")
	require.False(t, queued, "it would never be written")
	require.True(t, s.Status().Up)

	require.NoError(t, server.Kill())
	for _, sub := range []store.Submission{submission("A", time.Now()), bad, submission("C", time.Now())} {
		queued, err := s.SaveSubmission(t.Context(), sub)
		require.NoError(t, err)
		require.True(t, queued)
	}
	require.NoError(t, server.Restart())
	sweepUntil(t, s, recovered)
	require.Equal(t, 2, count(t, s, store.Filter{}))
	require.Equal(t, uint64(2), s.Status().Written)
	require.Equal(t, uint64(1), s.Status().Refused)
}

func TestTheServerEndsLongStatements(t *testing.T) {
	c := postgresql(t)
	c.StatementTimeout = 200 * time.Millisecond
	s := up(t, c)
	err := s.Exec(t.Context(), "SELECT pg_sleep(60)")
	require.ErrorContains(t, err, "57014")
	require.ErrorContains(t, err, "statement timeout")
	require.True(t, s.Status().Up, "that says nothing about the database")
	require.Zero(t, s.Status().Pool.InUse)
}

func TestTheServerKnowsTheDefaultTimeout(t *testing.T) {
	s := up(t, postgresql(t))
	require.NoError(t, s.Exec(t.Context(), "SELECT 1 / (setting = '30000' AND unit = 'ms')::int FROM pg_settings WHERE name = 'statement_timeout'"))
}

func TestTLSIsRequiredUnlessTheURLSaysOtherwise(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	s := up(t, c)
	require.NoError(t, s.Exec(t.Context(), "SELECT 1 / (SELECT count(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl)"))

	require.NoError(t, server.RestartWith("-c", "ssl=off"))
	strict := open(t, c)
	require.False(t, strict.Status().Up)
	require.Contains(t, strict.Status().LastError, "TLS")
	c.URL += "?sslmode=disable"
	up(t, c)
}

func TestThePoolKeepsTwoConnectionsAndAtMostTen(t *testing.T) {
	s := up(t, postgresql(t))
	require.Equal(t, 10, s.Status().Pool.Max)
	sweepUntil(t, s, func(status store.Status) bool { return status.Pool.Open >= 2 })
}
