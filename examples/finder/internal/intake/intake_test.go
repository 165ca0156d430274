package intake_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/intake"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// A parish has the built-in ministries, and takes submissions as a test says.
type parish struct {
	queued bool
	err    error
	got    []store.Submission
	counts []string
}

func (p *parish) ActiveMinistries(context.Context) ([]catalog.Ministry, error) {
	return catalog.BuiltIn()
}

func (p *parish) SaveSubmission(ctx context.Context, s store.Submission) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	p.got = append(p.got, s)
	return p.queued, p.err
}

func (p *parish) desk(t *testing.T) *intake.Desk {
	t.Helper()
	m, err := quiz.NewMatcher(p, quiz.MatcherConfig{MaxEntries: 10, TTL: time.Minute, MinistryTTL: time.Minute})
	require.NoError(t, err)
	return &intake.Desk{
		Matcher: m, Keeper: p, Logger: slog.New(slog.DiscardHandler),
		Count: func(kind string) { p.counts = append(p.counts, kind) },
	}
}

var answers = quiz.Answers{Age: "adult", Gender: "female", Interest: []string{"music"}}

func TestWhatIsSuggestedIsKept(t *testing.T) {
	p := &parish{}
	r, err := p.desk(t).Submit(t.Context(), "", answers)
	require.NoError(t, err)
	require.Equal(t, intake.Stored, r.Outcome)
	require.NotEmpty(t, r.Suggestions)
	require.Len(t, p.got, 1)
	require.Equal(t, r.ID, p.got[0].ID)
	require.Equal(t, answers, p.got[0].Answers)
	require.WithinDuration(t, time.Now(), p.got[0].Created, time.Minute)
	require.Len(t, p.got[0].Ministries, len(r.Suggestions))
	for i, s := range r.Suggestions {
		require.Equal(t, s.Key, p.got[0].Ministries[i])
	}
}

func TestOutcomes(t *testing.T) {
	for _, test := range []struct {
		queued  bool
		err     error
		outcome intake.Outcome
		counts  []string
	}{
		{false, nil, intake.Stored, nil},
		{true, nil, intake.Queued, nil},
		{false, fmt.Errorf("wrapped: %w", store.ErrQueueFull), intake.Refused, []string{"submission refused: the queue is full"}},
		{false, errors.New("no luck"), intake.Failed, []string{"submission not stored"}},
	} {
		p := &parish{queued: test.queued, err: test.err}
		r, err := p.desk(t).Submit(t.Context(), "", answers)
		require.NoError(t, err, "the visitor gets the suggestions all the same")
		require.NotEmpty(t, r.Suggestions)
		require.Equal(t, test.outcome, r.Outcome)
		require.Equal(t, test.counts, p.counts)
	}
}

func TestAVisitorWhoGoesAwayHasAnsweredAllTheSame(t *testing.T) {
	p := &parish{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, outcome := p.desk(t).Keep(ctx, "", answers, []string{"rosary"})
	require.Equal(t, intake.Stored, outcome)
	require.Equal(t, []string{"rosary"}, p.got[0].Ministries)
	r, err := p.desk(t).Submit(ctx, "", answers)
	require.NoError(t, err)
	require.Equal(t, intake.Stored, r.Outcome)
	require.Len(t, p.got, 2)
}

func TestOnlyNamesOfThisProgramNameASubmission(t *testing.T) {
	p := &parish{}
	d := p.desk(t)
	own := intake.NewID()
	id, _ := d.Keep(t.Context(), own, answers, nil)
	require.Equal(t, own, id)
	for _, bad := range []string{"", "1", strings.ToLower(own), own + "A", own[1:], strings.Repeat("1", 26), strings.Repeat("é", 13)} {
		id, _ := d.Keep(t.Context(), bad, answers, nil)
		require.NotEqual(t, bad, id)
		require.Len(t, id, 26)
	}
}
