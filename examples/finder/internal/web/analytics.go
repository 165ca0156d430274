package web

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// spans are for how many days the analytics can be had. The first is shown unless another is chosen.
var spans = []int{30, 90, 365}

type analyticsView struct {
	Span, Total int
	Days        []store.Day // all of the span, the oldest first
	Counts      []countsView
}

// Spans returns the spans to choose from.
func (analyticsView) Spans() []int { return spans }

// Busiest returns the day with the most submissions, and the last of them if there are several.
func (v analyticsView) Busiest() store.Day {
	busiest := v.Days[0]
	for _, day := range v.Days {
		if day.N >= busiest.N {
			busiest = day
		}
	}
	return busiest
}

// countsView is a table of counts.
type countsView struct {
	Title string
	Rows  []countRow
	Top   int // the largest count
}

type countRow struct {
	Label string
	N     int
}

func (s *Site) analyticsPage(w http.ResponseWriter, r *http.Request) error {
	span := spans[0]
	if given := r.URL.Query().Get("days"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || !slices.Contains(spans, n) {
			return &catalog.Error{Field: "days", Value: given, Want: "30, 90 or 365"}
		}
		span = n
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	first := today.AddDate(0, 0, 1-span)
	counted, err := s.Store.Analytics(r.Context(), first)
	if err != nil {
		return err
	}
	ministries, err := s.Store.Ministries(r.Context())
	if err != nil {
		return err
	}
	v := analyticsView{Span: span, Total: counted.Total, Days: make([]store.Day, span)}
	for i := range v.Days {
		v.Days[i].Begin = first.AddDate(0, 0, i)
	}
	for _, day := range counted.ByDay {
		if i := int(day.Begin.Sub(first) / (24 * time.Hour)); 0 <= i && i < span { // a clock that went back leaves days to come
			v.Days[i].N = day.N
		}
	}
	names := names(ministries)
	v.Counts = append(v.Counts, newCounts("Suggested ministries", counted.ByMinistry, func(key string) string { return nameOf(names, key) }))
	byQuestion := map[string][]store.Count{
		catalog.Age: counted.ByAge, catalog.Gender: counted.ByGender, catalog.State: counted.ByState,
		catalog.Situation: counted.BySituation, catalog.Interest: counted.ByInterest,
	}
	for _, q := range catalog.Questions() {
		v.Counts = append(v.Counts, newCounts(q.Title, byQuestion[q.Name], func(value string) string { return label(q.Name, value) }))
	}
	return s.render(w, http.StatusOK, "analytics", view{Title: "Analytics", Admin: true, Here: "/admin/analytics", Data: v})
}

func newCounts(title string, counts []store.Count, word func(string) string) countsView {
	v := countsView{Title: title, Rows: make([]countRow, len(counts))}
	for i, c := range counts {
		v.Rows[i] = countRow{word(c.Value), c.N}
		v.Top = max(v.Top, c.N)
	}
	return v
}
