package web

import (
	"encoding/csv"
	"net/http"
	"strings"
	"time"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

// exportSubmissions sends the submissions that pass the filter as a file of comma-separated values (RFC 4180),
// with words in place of keys. It is sent as it is read, so it takes as little memory for a million submissions
// as for ten.
func (s *Site) exportSubmissions(w http.ResponseWriter, r *http.Request) error {
	filter, _, err := parseFilter(r.URL.Query())
	if err != nil {
		return err
	}
	ministries, err := s.Store.Ministries(r.Context())
	if err != nil {
		return err
	}
	names := names(ministries)
	control := http.NewResponseController(w)
	out := csv.NewWriter(w)
	begun := false
	write := func(cells ...string) error {
		for i, cell := range cells {
			cells[i] = harmless(cell)
		}
		return out.Write(cells)
	}
	begin := func() error {
		begun = true
		h := w.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
		h.Set("Content-Disposition", `attachment; filename="submissions-`+time.Now().UTC().Format(time.DateOnly)+`.csv"`)
		h.Set("Cache-Control", "no-store")
		heads := []string{"created (UTC)"}
		for _, q := range catalog.Questions() {
			heads = append(heads, q.Name)
		}
		return write(append(heads, "ministries")...)
	}
	err = s.Store.EachSubmission(r.Context(), filter, func(sub store.Submission) error {
		if !begun {
			if err := begin(); err != nil {
				return err
			}
		}
		// The server's own deadline is for answers that end soon.
		if err := control.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
			return err
		}
		cells := []string{sub.Created.UTC().Format("2006-01-02 15:04:05")}
		for _, q := range catalog.Questions() {
			cells = append(cells, join(sub.Answers.List(q.Name), func(value string) string { return label(q.Name, value) }))
		}
		return write(append(cells, join(sub.Ministries, func(key string) string { return nameOf(names, key) }))...)
	})
	if err == nil && !begun {
		err = begin()
	}
	if err == nil {
		out.Flush()
		err = out.Error()
	}
	if err != nil && begun {
		// Half a file must not look like a whole one, so the connection breaks.
		s.Logger.Warn("export ended early", "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

func join(values []string, word func(string) string) string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = word(value)
	}
	return strings.Join(words, "; ")
}

// nameOf returns the name of a ministry, or its key if there is no longer one.
func nameOf(names map[string]string, key string) string {
	if name, ok := names[key]; ok {
		return name
	}
	return key
}

// harmless returns a cell that a spreadsheet takes for a text. It would take one that begins with one of these for a
// formula, which can send the rest of the sheet away: https://owasp.org/www-community/attacks/CSV_Injection.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n|＝＋－＠", []rune(cell)[0]) {
		return "'" + cell
	}
	return cell
}
