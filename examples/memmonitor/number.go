package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// A number is a figure that may be unknown, which is its zero value, and null as JSON.
type number struct {
	value float64
	known bool
}

// exactly returns the number v, or an unknown one if v is not finite.
func exactly(v float64) number {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return number{}
	}
	return number{v, true}
}

// or returns n if it is known, and other if not.
func (n number) or(other number) number {
	if n.known {
		return n
	}
	return other
}

// over returns n/other if both are known and other is more than zero.
func (n number) over(other number) number {
	if !n.known || !other.known || other.value <= 0 {
		return number{}
	}
	return exactly(n.value / other.value)
}

// format returns what Sprintf makes of the value, or "unknown".
func (n number) format(verb string) string {
	if !n.known {
		return "unknown"
	}
	return fmt.Sprintf(verb, n.value)
}

func (n number) MarshalJSON() ([]byte, error) {
	if !n.known {
		return []byte("null"), nil
	}
	return json.Marshal(n.value)
}

func (n *number) UnmarshalJSON(b []byte) error {
	*n = number{}
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	n.known = true
	return json.Unmarshal(b, &n.value)
}

// A document is an answer in JSON of which nothing is certain: what is absent or of another kind than wanted is
// unknown.
type document struct{ value any }

func parse(body []byte) (document, error) {
	var object map[string]any
	if err := json.Unmarshal(body, &object); err != nil {
		return document{}, err
	}
	return document{object}, nil
}

// at returns what is below the names.
func (d document) at(names ...string) document {
	for _, name := range names {
		object, _ := d.value.(map[string]any)
		d.value = object[name]
	}
	return d
}

// number returns d as a figure, none of which is less than zero. Text that is a number counts.
func (d document) number() number {
	v, ok := d.value.(float64)
	if s, text := d.value.(string); text {
		parsed, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		v, ok = parsed, err == nil
	}
	if !ok || v < 0 {
		return number{}
	}
	return exactly(v)
}

// size returns d if it is a number, and how many parts it has if it is a list or an object.
func (d document) size() number {
	switch v := d.value.(type) {
	case []any:
		return exactly(float64(len(v)))
	case map[string]any:
		return exactly(float64(len(v)))
	}
	return d.number()
}

// maxText and maxTexts bound what is kept of an answer's text, in runes, and of a list of texts.
const (
	maxText  = 160
	maxTexts = 8
)

// text returns d as one line that a terminal can be shown, "" if it is unknown.
func (d document) text() string {
	var s string
	switch v := d.value.(type) {
	case nil:
		return ""
	case string:
		s = v
	default:
		encoded, _ := json.Marshal(v) // it was decoded from JSON
		s = string(encoded)
	}
	return line(s)
}

// line returns s without what could move a cursor, and not too long.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > maxText {
		s = string(runes[:maxText-1]) + "…"
	}
	return strings.TrimSpace(s)
}

// texts returns d as a list of texts, in which nothing is empty.
func (d document) texts() (list []string) {
	values, ok := d.value.([]any)
	if !ok {
		values = []any{d.value}
	}
	for _, v := range values {
		s := document{v}.text()
		if s == "" {
			continue
		}
		if len(list) == maxTexts {
			return append(list, fmt.Sprintf("and more, of %d", len(values)))
		}
		list = append(list, s)
	}
	return list
}
