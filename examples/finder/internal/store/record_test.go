package store_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// all returns all submissions, and how they are counted.
func all(t *testing.T, s *store.Store) ([]store.Submission, store.Analytics) {
	t.Helper()
	subs, err := s.Submissions(t.Context(), store.Filter{Limit: 1000})
	require.NoError(t, err)
	counts, err := s.Analytics(t.Context(), time.Time{})
	require.NoError(t, err)
	return subs, counts
}

// Many that are written together, new ones, changed ones and late ones, leave what they would leave one by one.
func TestManyAtOnceAreAsOneByOne(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		r := rand.New(rand.NewPCG(1, 3))
		pick := func(list ...string) []string { return []string{list[r.IntN(len(list))]} }
		together, apart := up(t, c), up(t, sqlite(t))
		for range 20 {
			chunk := make([]store.Submission, 1+r.IntN(40))
			for i, id := range r.Perm(100)[:len(chunk)] { // each once
				sub := submission(fmt.Sprint(id), time.UnixMilli(1_900_000_000_000+r.Int64N(50)))
				sub.Answers.Interest, sub.Answers.State = pick("music", "prayer", "teaching"), pick("parent", "single")
				sub.Ministries = pick("rosary", "parish-choir", "cantors")[:r.IntN(2)]
				chunk[i] = sub
				save(t, apart, sub)
			}
			require.NoError(t, together.Write(t.Context(), chunk...))
		}
		want, wantCounts := all(t, apart)
		have, haveCounts := all(t, together)
		require.Equal(t, want, have)
		require.Equal(t, wantCounts, haveCounts)
		require.NotEmpty(t, have)
	})
}

// Who takes all back that can be taken back leaves none of it behind.
func TestChoicesThatAreTakenBackAreForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, c store.Config) {
		s := up(t, c)
		save(t, s, submission("ONE", time.UnixMilli(1)))
		save(t, s, store.Submission{ID: "ONE", Created: time.UnixMilli(2)})
		_, counts := all(t, s)
		require.Equal(t, 1, counts.Total)
		require.Empty(t, counts.ByInterest)
		require.Empty(t, counts.ByMinistry)
	})
}

func TestAnIDIsUTF8(t *testing.T) {
	s := up(t, sqlite(t))
	_, err := s.SaveSubmission(t.Context(), submission("A\xff", time.Now()))
	require.EqualError(t, err, `store: Submission.ID is "A\xff", want UTF-8`)
}

// A thousand that have waited take some fifty round trips to the database: a few for each transaction, whatever
// is in it. One that the database will never take costs some more to be found, and holds up none of the others.
func TestAThousandThatWaitedTakeFewRoundTrips(t *testing.T) {
	server, c := fragile(t), postgresql(t)
	trips := countTrips(t, &c)
	s := up(t, c)
	for _, test := range []struct {
		name          string
		bad           int
		written, most uint64
	}{{"all-good", -1, 1000, 100}, {"one-bad", 777, 999, 300}} { // 44 and 135, if one Sweep has the time to write all
		t.Run(test.name, func(t *testing.T) {
			before := s.Status()
			require.NoError(t, server.Kill())
			for i := range 1000 {
				sub := submission(fmt.Sprint(test.name, i), time.Now())
				if i == test.bad {
					sub.ID += "\x00" // PostgreSQL keeps no such text
				}
				queued, err := s.SaveSubmission(t.Context(), sub)
				require.NoError(t, err)
				require.True(t, queued)
			}
			require.NoError(t, server.Restart())
			trips.Store(0)
			sweepUntil(t, s, recovered)
			t.Logf("%d round trips", trips.Load())
			require.Less(t, trips.Load(), test.most)
			require.Equal(t, test.written, s.Status().Written-before.Written)
			require.Equal(t, 1000-test.written, s.Status().Refused-before.Refused)
		})
	}
	require.Equal(t, 1999, count(t, s, store.Filter{}))
}

// countTrips puts itself between the store and its server, and counts how often the store waits for an answer.
func countTrips(t *testing.T, c *store.Config) *atomic.Uint64 {
	address, err := url.Parse(c.URL)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := address.Host
	address.Host, address.RawQuery = listener.Addr().String(), "sslmode=disable" // so that it can be read
	c.URL = address.String()

	var trips atomic.Uint64
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			database, err := net.Dial("tcp", server)
			if err != nil { // it is away
				client.Close()
				continue
			}
			open.Go(func() {
				_ = readMessages(io.TeeReader(client, database), &trips) // until either goes away
				client.Close()
				database.Close()
			})
			open.Go(func() {
				_, _ = io.Copy(client, database)
				client.Close()
				database.Close()
			})
		}
	})
	t.Cleanup(func() { // after the store has closed its connections
		require.NoError(t, listener.Close())
		open.Wait()
	})
	return &trips
}

// readMessages reads what a client of PostgreSQL says and counts after which messages it waits: Sync and Query
// (its manual, 54.7).
func readMessages(client io.Reader, trips *atomic.Uint64) error {
	var header [5]byte
	first := header[1:] // has no type
	for {
		if _, err := io.ReadFull(client, first); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, client, int64(binary.BigEndian.Uint32(header[1:]))-4); err != nil {
			return err
		}
		if len(first) == len(header) && (header[0] == 'S' || header[0] == 'Q') {
			trips.Add(1)
		}
		first = header[:]
	}
}
