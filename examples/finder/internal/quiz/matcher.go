package quiz

import (
	"context"
	"fmt"
	"time"

	"github.com/ministryfinder/bounded/cache"
	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
)

// A Source has the ministries that may be suggested.
type Source interface {
	ActiveMinistries(context.Context) ([]catalog.Ministry, error)
}

// A MatcherConfig bounds a Matcher's caches.
type MatcherConfig struct {
	MaxEntries  int   // sets of answers whose suggestions are kept
	MaxBytes    int64 // which those suggestions take at most
	TTL         time.Duration
	MinistryTTL time.Duration
	MaxLoads    int // searches at a time; 0: 1,000
}

// A Matcher answers from its caches what [Suggest] would answer. The page and the API share one.
// What it returns is shared too: nobody may change it.
//
// Suggestions depend on the ministries, so both are forgotten together: see [Matcher.Invalidate].
type Matcher struct {
	source     Source
	matches    *cache.Cache[string, []Suggestion] // by Answers.String
	dependent  cache.Group[string, []Suggestion]  // the matches that depend on the ministries: all of them so far
	ministries *cache.Cache[string, []catalog.Ministry]
}

// allActive is the one key of Matcher.ministries.
const allActive = "active"

// NewMatcher returns a matcher that knows nothing yet.
func NewMatcher(source Source, c MatcherConfig) (*Matcher, error) {
	matches, err := cache.New(cache.Config[string, []Suggestion]{MaxEntries: c.MaxEntries, MaxBytes: c.MaxBytes, TTL: c.TTL, MaxLoads: c.MaxLoads, Groups: true})
	if err != nil {
		return nil, fmt.Errorf("quiz: cache of matches: %w", err)
	}
	ministries, err := cache.New(cache.Config[string, []catalog.Ministry]{MaxEntries: 1, TTL: c.MinistryTTL})
	if err != nil {
		return nil, fmt.Errorf("quiz: cache of ministries: %w", err)
	}
	return &Matcher{source: source, matches: matches, dependent: matches.Group("ministries"), ministries: ministries}, nil
}

// Match returns the suggestions for normalized answers. Visitors with the same answers at the same time share
// one search.
func (m *Matcher) Match(ctx context.Context, a Answers) ([]Suggestion, error) {
	return m.dependent.GetOrLoad(ctx, a.String(), func(ctx context.Context, _ string) ([]Suggestion, error) {
		ministries, err := m.Ministries(ctx)
		if err != nil {
			return nil, err
		}
		return Suggest(ministries, a), nil
	})
}

// Ministries returns the ministries that may be suggested.
func (m *Matcher) Ministries(ctx context.Context) ([]catalog.Ministry, error) {
	return m.ministries.GetOrLoad(ctx, allActive, func(ctx context.Context, _ string) ([]catalog.Ministry, error) {
		return m.source.ActiveMinistries(ctx)
	})
}

// Invalidate forgets all that was known. It is called after a change of a ministry is stored: whoever asks after it
// has returned sees the change, even if a match that began before the change ends later.
//
// The order matters. Both cut off the loads in flight; were the matches dropped first, a new match could
// still find the old ministries, and keep them.
func (m *Matcher) Invalidate() {
	m.ministries.Clear()
	m.dependent.Invalidate()
}

// Shrink gives back this fraction of the matches' memory and returns how many it dropped.
func (m *Matcher) Shrink(fraction float64) int { return m.matches.Shrink(fraction) }

// Sweep removes what has expired and returns how many entries that were.
func (m *Matcher) Sweep() int { return m.matches.Sweep() + m.ministries.Sweep() }

// Stats returns the figures of the two caches.
func (m *Matcher) Stats() (matches, ministries cache.Stats) {
	return m.matches.Stats(), m.ministries.Stats()
}
