package quiz_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
)

func list(values ...string) []string { return values }

func TestSuggest(t *testing.T) {
	ministries := []catalog.Ministry{
		{Key: "choir", Name: "Choir", Audience: catalog.Audience{Age: list("high-school", "young-adult", "adult", "senior"), Situation: list("looking-for-friends"), Interest: list("music", "liturgy")}},
		{Key: "fathers", Name: "Fathers", Audience: catalog.Audience{Gender: list("male"), State: list("parent"), Interest: list("fellowship")}},
		{Key: "grief", Name: "Grief", Audience: catalog.Audience{Situation: list("grieving")}},
		{Key: "seniors", Name: "Seniors", Audience: catalog.Audience{Age: list("senior")}},
		{Key: "rosary", Name: "Rosary", Audience: catalog.Audience{Situation: list("grieving"), Interest: list("prayer")}},
		{Key: "all", Name: "All", Audience: catalog.Audience{}},
	}
	type result struct {
		key     string
		score   int
		reasons []string
	}
	for name, test := range map[string]struct {
		answers quiz.Answers
		want    []result
	}{
		"an-interest-leads": {
			quiz.Answers{Age: "adult", Gender: "female", Interest: list("music")},
			[]result{{"choir", 2, list("You enjoy music")}},
		},
		"each-thing-shared-is-a-reason-wishes-first": {
			quiz.Answers{Age: "adult", Gender: "female", Situation: list("looking-for-friends"), Interest: list("liturgy", "music")},
			[]result{{"choir", 6, list("You would like to help at Mass", "You enjoy music", "You would like to make friends")}},
		},
		"other-ages-are-kept-away": {
			quiz.Answers{Age: "child", Gender: "female", Interest: list("music", "prayer")},
			[]result{{"rosary", 2, list("You enjoy prayer")}},
		},
		"the-other-gender-is-kept-away": {
			quiz.Answers{Age: "adult", Gender: "female", State: list("parent"), Interest: list("fellowship", "prayer")},
			[]result{{"rosary", 2, list("You enjoy prayer")}},
		},
		"another-state-of-life-is-kept-away": {
			quiz.Answers{Age: "adult", Gender: "male", State: list("single"), Interest: list("fellowship", "prayer")},
			[]result{{"rosary", 2, list("You enjoy prayer")}},
		},
		"what-is-left-open-excludes-nothing": {
			quiz.Answers{Age: "adult", Gender: catalog.Unspecified, Interest: list("fellowship")},
			[]result{{"fathers", 2, list("You enjoy good company")}},
		},
		"an-audience-counts-too": {
			quiz.Answers{Age: "senior", Gender: "male", State: list("parent")},
			[]result{{"fathers", 2, list("For parents", "For men")}, {"seniors", 1, list("Made for seniors")}},
		},
		"among-equals-the-particular-first": {
			quiz.Answers{Age: "adult", Gender: "female", Situation: list("grieving")},
			[]result{{"grief", 2, list("You are grieving")}, {"rosary", 2, list("You are grieving")}},
		},
		"nothing-shared-is-not-nothing": {
			quiz.Answers{Age: "adult", Gender: "female", Interest: list("sports")},
			[]result{{"all", 0, list()}, {"grief", 0, list()}, {"rosary", 0, list()}, {"choir", 0, list()}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []result
			for _, s := range quiz.Suggest(ministries, test.answers) {
				require.NotNil(t, s.Reasons)
				got = append(got, result{s.Key, s.Score, append(list(), s.Reasons...)})
			}
			for i := range test.want {
				test.want[i].reasons = append(list(), test.want[i].reasons...)
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestSuggestIsDeterministic(t *testing.T) {
	ministries, err := catalog.BuiltIn()
	require.NoError(t, err)
	before := slices.Clone(ministries)
	r := rand.New(rand.NewPCG(1, 2))

	for range 200 {
		a := randomAnswers(r)
		want := quiz.Suggest(ministries, a)
		require.NotEmpty(t, want, "%s: nobody leaves with nothing", a)
		require.Equal(t, before, ministries, "the catalogue stays as it is")
		shuffled := slices.Clone(ministries)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		require.Equal(t, want, quiz.Suggest(shuffled, a))
		for _, s := range want {
			require.Equal(t, s.Score > 0, len(s.Reasons) > 0, "what counts is explained")
			require.NotContains(t, s.Reasons, "")
		}
	}
}

// Everybody finds something, and every ministry can be found.
func TestSuggestReachesTheWholeCatalogue(t *testing.T) {
	ministries, err := catalog.BuiltIn()
	require.NoError(t, err)
	found := map[string]bool{}
	questions := catalog.Questions()
	for _, age := range questions[0].Options {
		for _, gender := range questions[1].Options {
			for _, q := range questions[2:] {
				for _, o := range q.Options {
					a := quiz.Answers{Age: age.Value, Gender: gender.Value}
					switch q.Name {
					case catalog.State:
						a.State = list(o.Value)
					case catalog.Situation:
						a.Situation = list(o.Value)
					case catalog.Interest:
						a.Interest = list(o.Value)
					}
					suggestions := quiz.Suggest(ministries, a)
					require.NotEmpty(t, suggestions, a)
					for _, s := range suggestions {
						if s.Score > 0 {
							found[s.Key] = true
						}
					}
				}
			}
		}
	}
	require.Len(t, found, len(ministries))
}

func randomAnswers(r *rand.Rand) quiz.Answers {
	some := func(q catalog.Question) []string {
		var values []string
		for _, o := range q.Options {
			if r.IntN(4) == 0 {
				values = append(values, o.Value)
			}
		}
		return values
	}
	q := catalog.Questions()
	return quiz.Answers{
		Age:    q[0].Options[r.IntN(len(q[0].Options))].Value,
		Gender: q[1].Options[r.IntN(len(q[1].Options))].Value,
		State:  some(q[2]), Situation: some(q[3]), Interest: some(q[4]),
	}
}
