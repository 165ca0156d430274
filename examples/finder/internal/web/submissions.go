package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

const (
	pageSize = 50 // submissions on a page of the list
	maxPage  = 10_000
)

type submissionsView struct {
	Given      url.Values // the filter as it was chosen, without the page
	Ministries []catalog.Ministry
	Found      int
	List       []store.Submission
	First      int    // number of the first of List, from 1
	Newer      string // the addresses of the pages before and after; empty: there is none
	Older      string
	Export     string
}

// Last returns the number of the last of List.
func (v submissionsView) Last() int { return v.First + len(v.List) - 1 }

// Filtered reports whether not all submissions are wanted.
func (v submissionsView) Filtered() bool { return len(v.Given) > 0 }

// Names returns the ministries' names by their keys.
func (v submissionsView) Names() map[string]string { return names(v.Ministries) }

func names(ministries []catalog.Ministry) map[string]string {
	names := make(map[string]string, len(ministries))
	for _, m := range ministries {
		names[m.Key] = m.Name
	}
	return names
}

func (s *Site) submissionsPage(w http.ResponseWriter, r *http.Request) error {
	filter, given, err := parseFilter(r.URL.Query())
	if err != nil {
		return err
	}
	number, err := parsePage(r.URL.Query().Get("page"))
	if err != nil {
		return err
	}
	filter.Limit, filter.Offset = pageSize, (number-1)*pageSize
	v := submissionsView{Given: given, First: filter.Offset + 1, Export: "/admin/submissions.csv?" + given.Encode()}
	if v.Ministries, err = s.Store.Ministries(r.Context()); err != nil {
		return err
	}
	slices.SortFunc(v.Ministries, func(a, b catalog.Ministry) int { return cmp.Compare(a.Name, b.Name) })
	if v.Found, err = s.Store.CountSubmissions(r.Context(), filter); err != nil {
		return err
	}
	if v.List, err = s.Store.Submissions(r.Context(), filter); err != nil {
		return err
	}
	if number > 1 {
		v.Newer = pageAddress(given, number-1)
	}
	if v.Last() < v.Found && number < maxPage {
		v.Older = pageAddress(given, number+1)
	}
	return s.render(w, http.StatusOK, "submissions", view{Title: "Submissions", Admin: true, Here: "/admin/submissions", Data: v})
}

func parsePage(text string) (number int, err error) {
	if text == "" {
		return 1, nil
	}
	number, err = strconv.Atoi(text)
	if err != nil || number < 1 || number > maxPage {
		return 0, &catalog.Error{Field: "page", Value: text, Want: "a number from 1 to " + strconv.Itoa(maxPage)}
	}
	return number, nil
}

func pageAddress(given url.Values, number int) string {
	values := url.Values{"page": {strconv.Itoa(number)}}
	for name := range given {
		values[name] = given[name]
	}
	return "/admin/submissions?" + values.Encode()
}

// parseFilter returns the filter that a form asks for, and what of the form it has used. It refuses days and
// answers that there are none of with a [*catalog.Error].
func parseFilter(form url.Values) (f store.Filter, given url.Values, err error) {
	given = url.Values{}
	take := func(name string) string {
		value := form.Get(name)
		if value != "" {
			given.Set(name, value)
		}
		return value
	}
	day := func(name string) (t time.Time) {
		if value := take(name); value != "" && err == nil {
			if t, err = time.Parse(time.DateOnly, value); err != nil {
				err = &catalog.Error{Field: name, Value: value, Want: "a day such as 2026-01-31"}
			}
		}
		return t
	}
	f.From = day("from")
	if to := day("to"); !to.IsZero() {
		f.To = to.AddDate(0, 0, 1) // that day included
	}
	fields := map[string]*string{
		catalog.Age: &f.Age, catalog.Gender: &f.Gender, catalog.State: &f.State, catalog.Situation: &f.Situation, catalog.Interest: &f.Interest,
	}
	for _, q := range catalog.Questions() {
		value := take(q.Name)
		if _, ok := q.Option(value); value != "" && !ok && err == nil {
			err = &catalog.Error{Field: q.Name, Value: value, Want: "one of " + q.Values()}
		}
		*fields[q.Name] = value
	}
	if f.Ministry = take("ministry"); f.Ministry != "" && !catalog.ValidKey(f.Ministry) && err == nil {
		err = &catalog.Error{Field: "ministry", Value: f.Ministry, Want: "the key of a ministry"}
	}
	return f, given, err
}
