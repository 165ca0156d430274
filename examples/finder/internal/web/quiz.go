package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/intake"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
)

// quizView is the form with what was chosen before, and what is wrong with it.
type quizView struct {
	ID     string
	Given  map[string][]string
	Errors map[string]string
}

func (s *Site) quizPage(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, http.StatusOK, "quiz", view{Title: "Find your ministry", Data: quizView{ID: intake.NewID(), Given: r.URL.Query()}})
}

// notKept is the field of the results' address that says that the answers could not be kept.
const notKept = "not-kept"

// submitForm stores the submission and sends the browser to its results, which can be reloaded and shared.
func (s *Site) submitForm(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	id := r.PostForm.Get("id")
	answers, err := quiz.ParseForm(r.PostForm)
	var wrong *catalog.Error
	if errors.As(err, &wrong) {
		return s.askAgain(w, id, r.PostForm, wrong)
	} else if err != nil {
		return err
	}
	receipt, err := s.Desk.Submit(r.Context(), id, answers)
	if err != nil {
		return err
	}
	results := query(answers)
	if receipt.Outcome == intake.Refused || receipt.Outcome == intake.Failed {
		results.Set(notKept, "yes")
	}
	http.Redirect(w, r, "/results?"+results.Encode(), http.StatusSeeOther)
	return nil
}

// askAgain answers with the questions, what was given, and what is wrong with it.
func (s *Site) askAgain(w http.ResponseWriter, id string, given url.Values, wrong *catalog.Error) error {
	return s.render(w, http.StatusUnprocessableEntity, "quiz", view{Title: "One more answer, please", Data: quizView{
		ID: id, Given: given, Errors: map[string]string{wrong.Field: explain(wrong)},
	}})
}

func explain(wrong *catalog.Error) string {
	if wrong.Value == "" {
		return "Please choose one answer."
	}
	return "This answer is not one of those below."
}

// query returns the answers as a form, the one that ParseForm reads.
func query(a quiz.Answers) url.Values {
	values := url.Values{}
	for _, q := range catalog.Questions() {
		if given := a.List(q.Name); len(given) > 0 {
			values[q.Name] = given
		}
	}
	return values
}

type resultsView struct {
	Answers     quiz.Answers
	Again       string // the address of the quiz with these answers
	Best, Other []quiz.Suggestion
	NotKept     bool // the answers
}

// bestCount is how many suggestions are shown in full; the others are shown when asked for.
const bestCount = 6

func (s *Site) resultsPage(w http.ResponseWriter, r *http.Request) error {
	answers, err := quiz.ParseForm(r.URL.Query())
	var wrong *catalog.Error
	if errors.As(err, &wrong) {
		return s.askAgain(w, intake.NewID(), r.URL.Query(), wrong)
	} else if err != nil {
		return err
	}
	suggestions, err := s.Matcher.Match(r.Context(), answers)
	if err != nil {
		return err
	}
	n := min(bestCount, len(suggestions))
	return s.render(w, http.StatusOK, "results", view{Title: "Your ministries", Data: resultsView{
		Answers: answers, Again: "/?" + query(answers).Encode(), Best: suggestions[:n], Other: suggestions[n:],
		NotKept: r.URL.Query().Has(notKept),
	}})
}
