package web

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// quizView is the form with what was chosen before, and what is wrong with it.
type quizView struct {
	ID     string
	Given  map[string][]string
	Errors map[string]string
}

func (s *Site) quizPage(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, http.StatusOK, "quiz", view{Title: "Find your ministry", Data: quizView{ID: rand.Text(), Given: r.URL.Query()}})
}

// submitForm stores the submission and sends the browser to its results, which can be reloaded and shared.
func (s *Site) submitForm(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			return err
		}
		return &catalog.Error{Field: "form", Value: err.Error(), Want: "an encoded form"}
	}
	id := r.PostForm.Get("id")
	if !validID(id) {
		id = rand.Text()
	}
	answers, err := quiz.ParseForm(r.PostForm)
	var wrong *catalog.Error
	if errors.As(err, &wrong) {
		return s.render(w, http.StatusUnprocessableEntity, "quiz", view{Title: "One more answer, please", Data: quizView{
			ID: id, Given: r.PostForm, Errors: map[string]string{wrong.Field: explain(wrong)},
		}})
	} else if err != nil {
		return err
	}
	suggestions, err := s.Matcher.Match(r.Context(), answers)
	if err != nil {
		return err
	}
	s.keep(r, id, answers, suggestions)
	http.Redirect(w, r, "/results?"+query(answers).Encode(), http.StatusSeeOther)
	return nil
}

func explain(wrong *catalog.Error) string {
	if wrong.Value == "" {
		return "Please choose one answer."
	}
	return "This answer is not one of those below."
}

// keep stores the submission. If that fails, the visitor still gets the results: they did not come to be counted.
func (s *Site) keep(r *http.Request, id string, answers quiz.Answers, suggestions []quiz.Suggestion) {
	keys := make([]string, len(suggestions))
	for i, suggestion := range suggestions {
		keys[i] = suggestion.Key
	}
	ctx := context.WithoutCancel(r.Context()) // answered is answered, wherever the visitor has gone; the store has a deadline
	_, err := s.Store.SaveSubmission(ctx, store.Submission{ID: id, Created: time.Now(), Answers: answers, Ministries: keys})
	if err != nil {
		s.Monitor.Error("submission not stored")
		s.Logger.Error("submission not stored", "error", err)
	}
}

// validID reports whether id looks like one that rand.Text made.
func validID(id string) bool {
	if len(id) != 26 {
		return false
	}
	for _, c := range []byte(id) {
		if !('A' <= c && c <= 'Z' || '2' <= c && c <= '7') {
			return false
		}
	}
	return true
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
}

// bestCount is how many suggestions are shown in full; the others are shown when asked for.
const bestCount = 6

func (s *Site) resultsPage(w http.ResponseWriter, r *http.Request) error {
	answers, err := quiz.ParseForm(r.URL.Query())
	if err != nil {
		return err
	}
	suggestions, err := s.Matcher.Match(r.Context(), answers)
	if err != nil {
		return err
	}
	n := min(bestCount, len(suggestions))
	return s.render(w, http.StatusOK, "results", view{Title: "Your ministries", Data: resultsView{
		Answers: answers, Again: "/?" + query(answers).Encode(), Best: suggestions[:n], Other: suggestions[n:],
	}})
}

// matchAPI is the quiz for programs: answers in, suggestions out, both as JSON.
func (s *Site) matchAPI(w http.ResponseWriter, r *http.Request) {
	var answers quiz.Answers
	err := quiz.Decode(r.Body, &answers)
	if err == nil {
		answers, err = answers.Normalize()
	}
	var wrong *catalog.Error
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &wrong):
		monitor.WriteJSON(w, http.StatusBadRequest, apiError{wrong.Error(), wrong.Field})
		return
	case errors.As(err, &tooLong):
		monitor.WriteJSON(w, http.StatusRequestEntityTooLarge, apiError{Error: "the body is too long"})
		return
	case err != nil: // the visitor went away in the middle of the body
		monitor.WriteJSON(w, http.StatusBadRequest, apiError{Error: "the body could not be read"})
		return
	}
	suggestions, err := s.Matcher.Match(r.Context(), answers)
	if err != nil {
		s.trouble(r, err)
		monitor.WriteJSON(w, http.StatusServiceUnavailable, apiError{Error: "try again later"})
		return
	}
	s.keep(r, rand.Text(), answers, suggestions)
	monitor.WriteJSON(w, http.StatusOK, struct {
		Count      int               `json:"count"`
		Ministries []quiz.Suggestion `json:"ministries"`
	}{len(suggestions), suggestions})
}

type apiError struct {
	Error string `json:"error"`
	Field string `json:"field,omitempty"`
}
