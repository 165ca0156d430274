package web

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"

	"github.com/ministryfinder/bounded/metrics"

	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
)

// busiest is how many endpoints the dashboard shows.
const busiest = 8

// A reportView is what the dashboard shows beside the charts, and what is sent to it again and again.
type reportView struct {
	monitor.Report
	Condition monitor.Condition
	Issues    []string
}

// Busiest returns the endpoints with the most requests, the busiest first, and those that had none left out.
func (v reportView) Busiest() []metrics.Endpoint {
	endpoints := slices.DeleteFunc(slices.Clone(v.Traffic.Endpoints), func(e metrics.Endpoint) bool { return e.Requests == 0 })
	slices.SortStableFunc(endpoints, func(a, b metrics.Endpoint) int { return int(int64(b.Requests) - int64(a.Requests)) })
	return endpoints[:min(busiest, len(endpoints))]
}

// LastAlert returns the number of the newest alert, 0 if there is none.
func (v reportView) LastAlert() uint64 {
	if len(v.Alerts) == 0 {
		return 0
	}
	return v.Alerts[0].Number
}

func (s *Site) report() reportView {
	r := s.Monitor.Report()
	condition, issues := r.Health()
	return reportView{r, condition, issues}
}

// reportHTML returns the parts of the dashboard that are drawn anew while somebody looks.
func (s *Site) reportHTML() []byte {
	var html bytes.Buffer
	if err := pages["dashboard"].ExecuteTemplate(&html, "report", s.report()); err != nil {
		panic(err) // a template of this program does not fit its data
	}
	return html.Bytes()
}

type dashboardView struct {
	reportView
	Charts   []chart
	Profiles []metrics.Profile // that are kept
	Profile  *metrics.Profile  // that was asked for
	Swept    *int              // what the sweep that was asked for has removed
}

func (s *Site) dashboard(w http.ResponseWriter, r *http.Request) error {
	report := s.report()
	v := dashboardView{reportView: report, Charts: charts(s.Monitor.Samples(), report.Report)}
	if n, err := strconv.Atoi(r.URL.Query().Get("swept")); err == nil {
		v.Swept = &n
	}
	var err error
	if v.Profiles, err = s.Monitor.Profiles(); err != nil {
		s.Logger.Warn("heap profiles", "error", err)
	}
	wanted := func(p metrics.Profile) bool { return p.Name == r.URL.Query().Get("profile") }
	if i := slices.IndexFunc(v.Profiles, wanted); i >= 0 {
		v.Profile = &v.Profiles[i]
	}
	return s.render(w, http.StatusOK, "dashboard", view{Title: "Dashboard", Admin: true, Here: "/admin", Data: v})
}
