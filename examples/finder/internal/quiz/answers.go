// Package quiz turns a visitor's answers into suggestions.
//
// [Suggest] is the matcher: a pure function of the ministries and the answers. [Matcher] puts the two
// caches in front of it, and is what the page and the API share.
package quiz

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
)

// Answers are what a visitor chose, in the words of the catalogue. Those made by [ParseForm], [Decode] and
// [Answers.Normalize] are valid and in their one normal form: however the same answers are given, they are equal.
type Answers struct {
	Age       string   `json:"age"`
	Gender    string   `json:"gender"`
	State     []string `json:"state"`
	Situation []string `json:"situation"`
	Interest  []string `json:"interest"`
}

// ParseForm returns the answers of a submitted form. What it refuses, it refuses with a [*catalog.Error].
func ParseForm(form url.Values) (Answers, error) {
	for _, q := range catalog.Questions() {
		if given := form[q.Name]; !q.Several && len(given) > 1 {
			return Answers{}, &catalog.Error{Field: q.Name, Value: strings.Join(given, ", "), Want: "one answer"}
		}
	}
	return Answers{
		Age: form.Get(catalog.Age), Gender: form.Get(catalog.Gender),
		State: form[catalog.State], Situation: form[catalog.Situation], Interest: form[catalog.Interest],
	}.Normalize()
}

// Decode reads one JSON object into v, and refuses unknown fields, values of another type and whatever follows
// with a [*catalog.Error] that names the field.
func Decode(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return explain(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &catalog.Error{Field: "body", Value: "more than one JSON value", Want: "one JSON object"}
	}
	return nil
}

// explain names the field that a decoding error is about.
func explain(err error) error {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrongType):
		field := wrongType.Field
		if field == "" {
			field = "body"
		}
		return &catalog.Error{Field: field, Value: wrongType.Value, Want: "a JSON " + jsonKind(wrongType.Type.Kind().String())}
	case errors.As(err, &syntax), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &catalog.Error{Field: "body", Value: err.Error(), Want: "one JSON object"}
	}
	// encoding/json has no type for this one: json: unknown field "x".
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &catalog.Error{Field: strings.Trim(name, `"`), Value: "an unknown field", Want: "only known fields"}
	}
	return err // reading failed
}

func jsonKind(kind string) string {
	switch kind {
	case "slice":
		return "array of strings"
	case "struct":
		return "object"
	}
	return kind
}

// Normalize returns the answers in their normal form, or the first that is wrong as a [*catalog.Error].
func (a Answers) Normalize() (Answers, error) {
	a.State, a.Situation, a.Interest = catalog.Normalize(a.State), catalog.Normalize(a.Situation), catalog.Normalize(a.Interest)
	for _, q := range catalog.Questions() {
		for _, value := range a.List(q.Name) {
			if _, known := q.Option(value); !known {
				return Answers{}, &catalog.Error{Field: q.Name, Value: value, Want: "one of " + q.Values()}
			}
		}
	}
	return a, nil
}

// List returns the answers to the question of that name; to one that takes a single answer, a list of one.
func (a Answers) List(question string) []string {
	switch question {
	case catalog.Age:
		return []string{a.Age}
	case catalog.Gender:
		return []string{a.Gender}
	case catalog.State:
		return a.State
	case catalog.Situation:
		return a.Situation
	case catalog.Interest:
		return a.Interest
	}
	panic("quiz: no question is named " + question)
}

// Has reports whether value is among the answers to a question.
func (a Answers) Has(question, value string) bool {
	for _, given := range a.List(question) {
		if given == value {
			return true
		}
	}
	return false
}

// String is one text for the same normalized answers, and another for others: half of a cache key.
func (a Answers) String() string {
	return fmt.Sprintf("%s/%s/%s/%s/%s", a.Age, a.Gender,
		strings.Join(a.State, "+"), strings.Join(a.Situation, "+"), strings.Join(a.Interest, "+"))
}
