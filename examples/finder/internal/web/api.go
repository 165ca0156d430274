package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/intake"
	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
)

// retryAfter is when a program should try again for which there was no room, in seconds.
const retryAfter = 30

// An apiError is the answer to a request for programs that could not be used.
type apiError struct {
	Error string `json:"error"`
	Field string `json:"field,omitempty"` // of the body, which is wrong
}

// badBody returns what is wrong with a body that could not be read.
func badBody(err error) (status int, answer apiError) {
	var wrong *catalog.Error
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &wrong):
		return http.StatusBadRequest, apiError{wrong.Error(), wrong.Field}
	case errors.As(err, &tooLong):
		return http.StatusRequestEntityTooLarge, apiError{Error: "the body is longer than " + strconv.FormatInt(tooLong.Limit, 10) + " bytes"}
	}
	return http.StatusBadRequest, apiError{Error: "the body could not be read"} // the visitor went away in the middle of it
}

// matchAPI is the quiz for programs: answers in, suggestions out, both as JSON.
func (s *Site) matchAPI(w http.ResponseWriter, r *http.Request) {
	var answers quiz.Answers
	err := quiz.Decode(r.Body, &answers)
	if err == nil {
		answers, err = answers.Normalize()
	}
	if err != nil {
		status, answer := badBody(err)
		monitor.WriteJSON(w, status, answer)
		return
	}
	receipt, err := s.Desk.Submit(r.Context(), "", answers)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	monitor.WriteJSON(w, http.StatusOK, struct {
		Count      int               `json:"count"`
		Ministries []quiz.Suggestion `json:"ministries"`
	}{len(receipt.Suggestions), receipt.Suggestions})
}

// ministriesAPI answers with the ministries that may be suggested, by key.
func (s *Site) ministriesAPI(w http.ResponseWriter, r *http.Request) {
	ministries, err := s.Matcher.Ministries(r.Context())
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	byKey := make(map[string]catalog.Ministry, len(ministries))
	for _, m := range ministries {
		byKey[m.Key] = m
	}
	monitor.WriteJSON(w, http.StatusOK, byKey)
}

func (s *Site) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if gone(r, err) {
		return
	}
	s.trouble(r, err)
	w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	monitor.WriteJSON(w, http.StatusServiceUnavailable, apiError{Error: "this does not work just now, try again later"})
}

// maxRecommendations is how many ministries a submission may name: more than a parish has.
const maxRecommendations = 200

// A submission is the body of a request to keep one. It holds nothing about the visitor but the answers: other
// fields are refused.
type submission struct {
	Answers         quiz.Answers `json:"answers"`
	Recommendations []string     `json:"recommendations"` // keys of ministries; null: those that fit the answers
	ID              string       `json:"submission_id"`   // of an earlier one, which this one replaces; empty: none
}

func (b *submission) normalize() (err error) {
	if b.Answers, err = b.Answers.Normalize(); err != nil {
		return err
	}
	if len(b.Recommendations) > maxRecommendations {
		return &catalog.Error{Field: "recommendations", Value: strconv.Itoa(len(b.Recommendations)) + " keys", Want: "at most " + strconv.Itoa(maxRecommendations)}
	}
	for _, key := range b.Recommendations {
		if !catalog.ValidKey(key) {
			return &catalog.Error{Field: "recommendations", Value: key, Want: "keys of ministries"}
		}
	}
	return nil
}

// A submitted says what became of a submission.
type submitted struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
	ID      string `json:"submission_id"`   // empty: it is not kept
	Field   string `json:"field,omitempty"` // of the body, which is wrong
}

// submitAPI keeps what a visitor answered, and what was recommended to them.
func (s *Site) submitAPI(w http.ResponseWriter, r *http.Request) {
	var body submission
	err := quiz.Decode(r.Body, &body)
	if err == nil {
		err = body.normalize()
	}
	if err != nil {
		status, wrong := badBody(err)
		monitor.WriteJSON(w, status, submitted{Message: wrong.Error, Field: wrong.Field})
		return
	}
	var receipt intake.Receipt
	if body.Recommendations == nil {
		receipt, err = s.Desk.Submit(r.Context(), body.ID, body.Answers)
	} else {
		receipt.ID, receipt.Outcome = s.Desk.Keep(r.Context(), body.ID, body.Answers, body.Recommendations)
	}
	if err != nil {
		s.trouble(r, err)
		receipt.Outcome = intake.Failed
	}
	answer, status := submitted{Success: true, ID: receipt.ID}, http.StatusOK
	switch receipt.Outcome {
	case intake.Stored:
		answer.Message = "Your answers are kept, without your name."
	case intake.Queued:
		answer.Message = "Your answers are kept, without your name. They wait for the database, which is away just now."
	case intake.Refused:
		answer, status = submitted{Message: "Your answers could not be kept: the database is away, and no more can wait for it. Please send them again later."}, http.StatusServiceUnavailable
	default:
		answer, status = submitted{Message: "Your answers could not be kept. Please send them again later."}, http.StatusServiceUnavailable
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	monitor.WriteJSON(w, status, answer)
}

// noSuchAPI answers requests that no other route below /api/ takes.
func noSuchAPI(w http.ResponseWriter, r *http.Request) {
	for _, route := range routes {
		if method, path, _ := strings.Cut(route.pattern, " "); path == r.URL.Path {
			w.Header().Add("Allow", method)
		}
	}
	if allowed := w.Header().Values("Allow"); allowed != nil {
		monitor.WriteJSON(w, http.StatusMethodNotAllowed, apiError{Error: r.URL.Path + " takes " + strings.Join(allowed, ", ") + " only"})
		return
	}
	monitor.WriteJSON(w, http.StatusNotFound, apiError{Error: "there is nothing here"})
}
