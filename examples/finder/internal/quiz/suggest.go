package quiz

import (
	"cmp"
	"slices"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
)

// A Suggestion is a ministry that fits the answers, and why.
type Suggestion struct {
	catalog.Ministry
	Score   int      `json:"score"`
	Reasons []string `json:"reasons"` // each is one sentence to the visitor
}

// What a shared answer counts. What a visitor says of wishes and needs counts more than whom a ministry is made for.
const (
	interestScore  = 2
	situationScore = 2
	audienceScore  = 1
)

// narrowAges is the number of age groups up to which a ministry counts as made for them.
const narrowAges = 2

// Suggest returns the ministries that fit the answers, the best first.
//
// A ministry that is for other ages, for the other gender, or for other states of life than those given never
// fits; what the visitor left open excludes nothing. Of the rest, those fit that share an interest, a situation
// or a particular audience with the visitor, and each thing shared is a reason. Where nothing is shared with any
// of them, all are returned without a reason, rather than none.
//
// Among equal scores the more particular ministry, which attracts for fewer reasons, comes first, then the name
// decides. The same input always gives the same output. Suggest keeps nothing and changes nothing.
func Suggest(ministries []catalog.Ministry, a Answers) []Suggestion {
	var fitting, open []Suggestion
	for _, m := range ministries {
		if !admits(m.Audience, a) {
			continue
		}
		s := Suggestion{Ministry: m, Reasons: []string{}}
		s.explain(a)
		if s.Score > 0 {
			fitting = append(fitting, s)
		} else {
			open = append(open, s)
		}
	}
	if len(fitting) == 0 {
		fitting = open
	}
	slices.SortFunc(fitting, func(s, t Suggestion) int {
		return cmp.Or(
			cmp.Compare(t.Score, s.Score),
			cmp.Compare(s.attractions(), t.attractions()),
			cmp.Compare(s.Name, t.Name),
			cmp.Compare(s.Key, t.Key),
		)
	})
	return fitting
}

// admits reports whether nothing about the visitor keeps them from the ministry.
func admits(audience catalog.Audience, a Answers) bool {
	fits := func(wanted, given []string) bool {
		return len(wanted) == 0 || len(given) == 0 || shared(wanted, given) != nil
	}
	return fits(audience.Age, []string{a.Age}) &&
		(a.Gender == catalog.Unspecified || fits(audience.Gender, []string{a.Gender})) &&
		fits(audience.State, a.State)
}

// explain adds up what the ministry and the visitor share.
func (s *Suggestion) explain(a Answers) {
	for _, q := range slices.Backward(catalog.Questions()) { // wishes first, audiences last
		wanted := *s.List(q.Name)
		if q.Name == catalog.Age && len(wanted) > narrowAges {
			continue
		}
		score := audienceScore
		switch q.Name {
		case catalog.Interest:
			score = interestScore
		case catalog.Situation:
			score = situationScore
		}
		for _, value := range shared(a.List(q.Name), wanted) {
			option, _ := q.Option(value)
			s.Score += score
			s.Reasons = append(s.Reasons, option.Reason)
		}
	}
}

// attractions is the number of answers that would lead to the ministry.
func (s *Suggestion) attractions() int { return len(s.Interest) + len(s.Situation) }

// shared returns the values of a that are in b, in the order of a.
func shared(a, b []string) []string {
	var both []string
	for _, value := range a {
		if slices.Contains(b, value) {
			both = append(both, value)
		}
	}
	return both
}
