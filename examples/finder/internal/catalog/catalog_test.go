package catalog_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
)

func TestBuiltInCatalogue(t *testing.T) {
	ministries, err := catalog.BuiltIn()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(ministries), 35)

	keys, used := map[string]bool{}, map[string]bool{}
	for _, m := range ministries {
		require.True(t, m.Active, m.Key)
		require.False(t, keys[m.Key], "%s stands twice", m.Key)
		keys[m.Key] = true
		for _, q := range catalog.Questions() {
			for _, value := range *m.List(q.Name) {
				used[q.Name+"="+value] = true
			}
		}

		// Nobody's address, number, mail or link: there is no real parish behind the catalogue.
		text := strings.Join([]string{m.Name, m.Details, m.Meets, m.Place, m.Commitment, m.Contact}, " ")
		require.NotRegexp(t, `@|://|www\.|\d{3}|\b(Street|Avenue|Road|Fr\.|Father [A-Z]|Mrs?\.|Ms\.|Sister [A-Z]|Deacon [A-Z])`, text, m.Key)
	}

	for _, q := range catalog.Questions()[2:] {
		require.True(t, q.Several)
		for _, o := range q.Options {
			if o.Value == "single" || o.Value == "consecrated" {
				continue // what is open to everybody is open to them; nothing is for them alone
			}
			require.True(t, used[q.Name+"="+o.Value], "no ministry is for %s %s", q.Name, o.Value)
		}
	}
}

func TestQuestions(t *testing.T) {
	questions := catalog.Questions()
	require.Len(t, questions, 5)
	for i, q := range questions {
		require.Equal(t, i >= 2, q.Several, "the last three take several answers")
		seen := map[string]bool{}
		for _, o := range q.Options {
			require.True(t, catalog.ValidKey(o.Value), o.Value)
			require.NotEmpty(t, o.Label)
			require.False(t, seen[o.Value], o.Value)
			seen[o.Value] = true
			got, ok := q.Option(o.Value)
			require.True(t, ok)
			require.Equal(t, o, got)
		}
		_, ok := q.Option("elsewhere")
		require.False(t, ok)
	}
}

func TestMinistryValidate(t *testing.T) {
	good := catalog.Ministry{Key: "choir", Name: "Choir", Category: "Music", Details: "Sing.", Meets: "Sundays", Place: "Church", Commitment: "An hour", Contact: "Come."}
	require.NoError(t, good.Validate())
	hebrew := good
	hebrew.Name, hebrew.Details = strings.Repeat("ש", 200), strings.Repeat("שיר 🎵\n\t", 250)
	require.NoError(t, hebrew.Validate(), "as many characters of any script, and lines")

	for name, test := range map[string]struct {
		change func(*catalog.Ministry)
		want   string
	}{
		"empty-key":      {func(m *catalog.Ministry) { m.Key = "" }, `key is "", want 1 to 64 lower-case letters, digits and dashes`},
		"odd-key":        {func(m *catalog.Ministry) { m.Key = "Choir/.." }, `key is "Choir/..", want 1 to 64 lower-case letters, digits and dashes`},
		"long-key":       {func(m *catalog.Ministry) { m.Key = strings.Repeat("k", 65) }, `key is "` + strings.Repeat("k", 64) + `…", want 1 to 64 lower-case letters, digits and dashes`},
		"blank-name":     {func(m *catalog.Ministry) { m.Name = " " }, `name is " ", want a text of 1 to 200 characters`},
		"long-details":   {func(m *catalog.Ministry) { m.Details = strings.Repeat("é", 2001) }, `details is "` + strings.Repeat("é", 64) + `…", want a text of 1 to 2000 characters`},
		"no-utf-8":       {func(m *catalog.Ministry) { m.Place = "Ch\xffpel" }, `place is "Ch\xffpel", want a text of 1 to 200 characters`},
		"zero":           {func(m *catalog.Ministry) { m.Details = "Sing.\x00" }, `details is "Sing.\x00", want a text of 1 to 2000 characters`},
		"unknown-answer": {func(m *catalog.Ministry) { m.Age = []string{"teen"} }, `age is "teen", want one of child, middle-school, high-school, young-adult, adult, senior`},
		"for-nobody":     {func(m *catalog.Ministry) { m.Gender = []string{catalog.Unspecified} }, `gender is "unspecified", want an empty list for everybody`},
	} {
		t.Run(name, func(t *testing.T) {
			m := good
			test.change(&m)
			require.EqualError(t, m.Validate(), test.want)
		})
	}
}

func TestNormalize(t *testing.T) {
	given := []string{"b", "", "a", "b"}
	require.Equal(t, []string{"a", "b"}, catalog.Normalize(given))
	require.Equal(t, []string{"b", "", "a", "b"}, given, "the caller's list stays as it is")
	require.Empty(t, catalog.Normalize(nil))
}
