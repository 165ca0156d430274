package web

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// shelf is a store of submissions that breaks after the last of them if err is set.
type shelf struct {
	Store
	submissions []store.Submission
	err         error
}

func (shelf) Ministries(context.Context) ([]catalog.Ministry, error) {
	return []catalog.Ministry{{Key: "choir", Name: "=HYPERLINK(1)"}, {Key: "rosary", Name: "Rosary, daily"}}, nil
}

func (s shelf) EachSubmission(_ context.Context, _ store.Filter, yield func(store.Submission) error) error {
	for _, sub := range s.submissions {
		if err := yield(sub); err != nil {
			return err
		}
	}
	return s.err
}

// export returns the answer of a server with that store.
func export(t *testing.T, s shelf, query string) (*http.Response, string, error) {
	site := &Site{Store: s, Logger: slog.New(slog.DiscardHandler)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := site.exportSubmissions(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
		}
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	defer server.Close()
	response, err := http.Get(server.URL + "?" + query)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

func submissions(n int) []store.Submission {
	list := make([]store.Submission, n)
	for i := range list {
		list[i] = store.Submission{
			Created:    time.Date(2030, 1, 31, 23, 59, 0, 0, time.FixedZone("", 3600)),
			Answers:    quiz.Answers{Age: "adult", Gender: "female", Interest: []string{"music", "prayer"}},
			Ministries: []string{"choir", "rosary", "gone"},
		}
	}
	return list
}

func TestTheExportIsASheetOfWords(t *testing.T) {
	response, body, err := export(t, shelf{submissions: submissions(1)}, "")
	require.NoError(t, err)
	require.Equal(t, "text/csv; charset=utf-8; header=present", response.Header.Get("Content-Type"))
	require.Contains(t, response.Header.Get("Content-Disposition"), `attachment; filename="submissions-20`)
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, [][]string{
		{"created (UTC)", "age", "gender", "state", "situation", "interest", "ministries"},
		{"2030-01-31 22:59:00", "30 to 64", "a woman or girl", "", "", "Music and singing; Prayer", "'=HYPERLINK(1); Rosary, daily; gone"},
	}, rows)

	_, body, err = export(t, shelf{}, "")
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(body, "\n"), "the heads alone")
}

func TestHalfAnExportDoesNotLookLikeAWholeOne(t *testing.T) {
	away := errors.New("the database went away")
	_, _, err := export(t, shelf{submissions: submissions(1000), err: away}, "")
	require.Error(t, err)

	response, body, err := export(t, shelf{err: away}, "")
	require.NoError(t, err, "before the first byte there is time for an answer")
	require.Equal(t, http.StatusTeapot, response.StatusCode)
	require.Contains(t, body, away.Error())
}

func TestNoCellIsAFormula(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "Choir": "Choir", "a=b": "a=b", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(1)": "'@SUM(1)",
		"\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1", "＝1": "'＝1",
	} {
		require.Equal(t, want, harmless(cell), "%q", cell)
	}
}

func TestFiltersAreReadOrRefused(t *testing.T) {
	form, err := url.ParseQuery("from=2030-01-30&to=2030-01-31&age=adult&gender=&ministry=choir&page=2&other=x")
	require.NoError(t, err)
	f, given, err := parseFilter(form)
	require.NoError(t, err)
	day := func(d int) time.Time { return time.Date(2030, 1, d, 0, 0, 0, 0, time.UTC) }
	require.Equal(t, store.Filter{From: day(30), To: day(32), Age: "adult", Ministry: "choir"}, f, "the last day is included")
	require.Equal(t, "age=adult&from=2030-01-30&ministry=choir&to=2030-01-31", given.Encode())

	for query, field := range map[string]string{
		"from=31.1.2030": "from", "to=yesterday": "to", "age=17": "age", "interest=%27": "interest", "ministry=A%20B": "ministry",
	} {
		form, err := url.ParseQuery(query)
		require.NoError(t, err)
		_, _, err = parseFilter(form)
		var wrong *catalog.Error
		require.ErrorAs(t, err, &wrong, query)
		require.Equal(t, field, wrong.Field)
	}
	for _, page := range []string{"0", "-1", "x", "10001"} {
		_, err := parsePage(page)
		require.Error(t, err, page)
	}
}
