package quiz_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
)

// A source is a list of ministries, which a test may change, and whose reading it may hold up.
type source struct {
	list  atomic.Pointer[[]catalog.Ministry]
	reads atomic.Int32
	gate  func() // called between looking and returning; nil: nothing
}

func newSource(names ...string) *source {
	s := &source{}
	s.set(names...)
	return s
}

func (s *source) set(names ...string) {
	list := []catalog.Ministry{}
	for _, name := range names {
		list = append(list, catalog.Ministry{Key: name, Name: name, Active: true})
	}
	s.list.Store(&list)
}

func (s *source) ActiveMinistries(context.Context) ([]catalog.Ministry, error) {
	s.reads.Add(1)
	list := s.list.Load()
	if s.gate != nil {
		s.gate()
	}
	if list == nil {
		return nil, errors.New("no database")
	}
	return *list, nil
}

func newMatcher(t *testing.T, s quiz.Source) *quiz.Matcher {
	m, err := quiz.NewMatcher(s, quiz.MatcherConfig{MaxEntries: 500, MaxBytes: 50e6, TTL: 5 * time.Minute, MinistryTTL: 10 * time.Minute})
	require.NoError(t, err)
	return m
}

var someone = quiz.Answers{Age: "adult", Gender: "female"}

func names(t *testing.T, m *quiz.Matcher) []string {
	suggestions, err := m.Match(t.Context(), someone)
	require.NoError(t, err)
	var names []string
	for _, s := range suggestions {
		names = append(names, s.Name)
	}
	return names
}

func TestMatcherKeepsMatchesFiveMinutesAndMinistriesTen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource("choir")
		m := newMatcher(t, s)
		require.Equal(t, []string{"choir"}, names(t, m))
		s.set("choir", "readers")

		time.Sleep(5*time.Minute - time.Second)
		require.Equal(t, []string{"choir"}, names(t, m))
		matches, _ := m.Stats()
		require.Equal(t, uint64(1), matches.Hits)

		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"choir"}, names(t, m), "a new match of the ministries that are still kept")
		matches, _ = m.Stats()
		require.Equal(t, uint64(2), matches.Loads)
		require.Equal(t, int32(1), s.reads.Load())

		time.Sleep(5 * time.Minute)
		require.Equal(t, 2, m.Sweep(), "the match and the ministries")
		require.Equal(t, []string{"choir", "readers"}, names(t, m))
	})
}

func TestInvalidateWinsOverAMatchInFlight(t *testing.T) {
	looked, release := make(chan struct{}), make(chan struct{})
	s := newSource("old")
	s.gate = func() { close(looked); <-release }
	m := newMatcher(t, s)

	early := make(chan []string)
	go func() {
		suggestions, _ := m.Match(context.Background(), someone)
		early <- []string{suggestions[0].Name}
	}()
	<-looked // the match has read the old ministries and has not ended
	s.gate = nil
	s.set("new")
	m.Invalidate()
	require.Equal(t, []string{"new"}, names(t, m), "it does not join the match in flight")
	close(release)
	require.Equal(t, []string{"old"}, <-early)
	require.Equal(t, []string{"new"}, names(t, m), "and what that found is not kept")
}

func TestSameAnswersAtTheSameTimeShareOneSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newSource("choir")
		s.gate = func() { <-release }
		m := newMatcher(t, s)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _, _ = m.Match(context.Background(), someone) })
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		require.Equal(t, int32(1), s.reads.Load())
	})
}

func TestErrorsAreNotKept(t *testing.T) {
	s := &source{}
	m := newMatcher(t, s)
	_, err := m.Match(t.Context(), someone)
	require.EqualError(t, err, "no database")
	s.set("choir")
	require.Equal(t, []string{"choir"}, names(t, m))
}

func TestShrinkGivesMatchesBack(t *testing.T) {
	m := newMatcher(t, newSource("choir"))
	names(t, m)
	require.Equal(t, 1, m.Shrink(1))
	matches, ministries := m.Stats()
	require.Zero(t, matches.Entries)
	require.Equal(t, 1, ministries.Entries)
}

func TestMatcherConfigIsChecked(t *testing.T) {
	_, err := quiz.NewMatcher(newSource(), quiz.MatcherConfig{MaxEntries: -1})
	require.ErrorContains(t, err, "MaxEntries is -1")
}
