package quiz_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
)

func TestSameAnswersHaveOneForm(t *testing.T) {
	form, err := quiz.ParseForm(url.Values{
		"age": {"adult"}, "gender": {"female"},
		"state": {"parent", "married", "parent"}, "situation": {""}, "interest": {"prayer", "music"},
	})
	require.NoError(t, err)

	var decoded quiz.Answers
	require.NoError(t, quiz.Decode(strings.NewReader(`{"gender":"female","age":"adult","interest":["music","prayer","music"],"state":["married","parent"]}`), &decoded))
	decoded, err = decoded.Normalize()
	require.NoError(t, err)

	require.Equal(t, "adult/female/married+parent//music+prayer", form.String())
	require.Equal(t, form.String(), decoded.String())
	require.True(t, form.Has("state", "parent"))
	require.True(t, form.Has("age", "adult"))
	require.False(t, form.Has("interest", "sports"))
}

func TestParseFormRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		form url.Values
		want string
	}{
		"no-age":      {url.Values{"gender": {"male"}}, `age is "", want one of child, middle-school, high-school, young-adult, adult, senior`},
		"two-ages":    {url.Values{"age": {"adult", "senior"}, "gender": {"male"}}, `age is "adult, senior", want one answer`},
		"no-gender":   {url.Values{"age": {"adult"}}, `gender is "", want one of female, male, unspecified`},
		"odd-state":   {url.Values{"age": {"adult"}, "gender": {"male"}, "state": {"king"}}, `state is "king", want one of single, engaged, married, parent, separated, widowed, consecrated`},
		"long-answer": {url.Values{"age": {strings.Repeat("9", 999)}, "gender": {"male"}}, `age is "` + strings.Repeat("9", 64) + `…", want one of child, middle-school, high-school, young-adult, adult, senior`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := quiz.ParseForm(test.form)
			require.EqualError(t, err, test.want)
			var wrong *catalog.Error
			require.ErrorAs(t, err, &wrong)
		})
	}
}

func TestDecodeNamesTheField(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"another-type":   {`{"age": 17}`, `age is "number", want a JSON string`},
		"one-for-many":   {`{"interest": "music"}`, `interest is "string", want a JSON array of strings`},
		"unknown-field":  {`{"shoe": 43}`, `shoe is "an unknown field", want only known fields`},
		"no-object":      {`[1]`, `body is "array", want a JSON object`},
		"empty":          {``, `body is "EOF", want one JSON object`},
		"cut-off":        {`{"age": "ad`, `body is "unexpected EOF", want one JSON object`},
		"no-json":        {`age=adult`, `body is "invalid character 'a' looking for beginning of value", want one JSON object`},
		"something-more": {`{"age": "adult"} {"age": "senior"}`, `body is "more than one JSON value", want one JSON object`},
	} {
		t.Run(name, func(t *testing.T) {
			var a quiz.Answers
			err := quiz.Decode(strings.NewReader(test.body), &a)
			require.EqualError(t, err, test.want)
			var wrong *catalog.Error
			require.ErrorAs(t, err, &wrong)
		})
	}
}
