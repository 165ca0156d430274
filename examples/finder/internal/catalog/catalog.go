// Package catalog holds what the finder knows about a parish: its ministries, the five questions that
// lead to them, and the closed list of answers to each.
//
// The words of the lists are the only ones that a ministry or a visitor may use, so that the two can be
// compared without guessing. The built-in ministries were written for this program; they describe no real parish.
package catalog

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Ministry is one thing that a person can join.
type Ministry struct {
	Key        string `json:"key"` // names it in addresses and in the database: lower case, digits and dashes
	Name       string `json:"name"`
	Category   string `json:"category"`
	Details    string `json:"details"`
	Meets      string `json:"meets"`      // when
	Place      string `json:"place"`      // where
	Commitment string `json:"commitment"` // how much time it takes
	Contact    string `json:"contact"`    // how to begin

	Audience
	Active bool `json:"active"` // an inactive ministry is kept, and suggested to nobody
}

// An Audience says whom a ministry is for, in the words of the five questions.
// An empty list sets no limit and attracts nobody in particular.
type Audience struct {
	Age       []string `json:"age"`
	Gender    []string `json:"gender"`
	State     []string `json:"state"`
	Situation []string `json:"situation"`
	Interest  []string `json:"interest"`
}

// List returns the list that belongs to the question of that name.
func (a *Audience) List(question string) *[]string {
	switch question {
	case Age:
		return &a.Age
	case Gender:
		return &a.Gender
	case State:
		return &a.State
	case Situation:
		return &a.Situation
	case Interest:
		return &a.Interest
	}
	panic("catalog: no question is named " + question)
}

// The longest texts a ministry may have, in characters of any script. They bound a page of fifty ministries,
// and a cached one.
const (
	maxKey     = 64
	maxLine    = 200
	maxDetails = 2000
)

// Validate reports the first thing that is wrong with the ministry, as an [*Error].
func (m Ministry) Validate() error {
	if !ValidKey(m.Key) {
		return &Error{Field: "key", Value: m.Key, Want: fmt.Sprintf("1 to %d lower-case letters, digits and dashes", maxKey)}
	}
	for _, text := range []struct {
		field, value string
		max          int
	}{
		{"name", m.Name, maxLine}, {"category", m.Category, maxLine}, {"details", m.Details, maxDetails},
		{"meets", m.Meets, maxLine}, {"place", m.Place, maxLine}, {"commitment", m.Commitment, maxLine}, {"contact", m.Contact, maxLine},
	} {
		if strings.TrimSpace(text.value) == "" || utf8.RuneCountInString(text.value) > text.max || !storable(text.value) {
			return &Error{Field: text.field, Value: text.value, Want: fmt.Sprintf("a text of 1 to %d characters", text.max)}
		}
	}
	for _, q := range Questions() {
		for _, value := range *m.List(q.Name) {
			if value == Unspecified {
				return &Error{Field: q.Name, Value: value, Want: "an empty list for everybody"}
			}
			if _, known := q.Option(value); !known {
				return &Error{Field: q.Name, Value: value, Want: "one of " + q.Values()}
			}
		}
	}
	return nil
}

// storable reports whether every database keeps the text as it is.
func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// ValidKey reports whether key has the form of a ministry's key.
func ValidKey(key string) bool {
	if key == "" || len(key) > maxKey {
		return false
	}
	return !strings.ContainsFunc(key, func(r rune) bool {
		return !(r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z')
	})
}

//go:embed ministries.json
var builtIn []byte

// BuiltIn returns the ministries that a new database begins with, all of them active.
// It makes new ones at each call.
func BuiltIn() ([]Ministry, error) {
	var ministries []Ministry
	if err := json.Unmarshal(builtIn, &ministries); err != nil {
		return nil, fmt.Errorf("catalog: built-in ministries: %w", err)
	}
	for i := range ministries {
		ministries[i].Active = true
		if err := ministries[i].Validate(); err != nil {
			return nil, fmt.Errorf("catalog: built-in ministry %q: %w", ministries[i].Key, err)
		}
	}
	return ministries, nil
}

// An Error says that a field holds a value that nobody can use, and what was wanted instead.
type Error struct {
	Field string
	Value string
	Want  string
}

// Error reads like `age is "17", want one of child, adult`; a long value is cut.
func (e *Error) Error() string {
	return fmt.Sprintf("%s is %q, want %s", e.Field, Clip(e.Value), e.Want)
}

// Clip returns the beginning of s, at most 64 characters of it, for a message.
func Clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}

// Normalize returns the values that are set, sorted and without doubles: the one form of a set of answers.
func Normalize(values []string) []string {
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
	slices.Sort(values)
	return slices.Compact(values)
}
