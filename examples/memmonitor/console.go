package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// A console shows what is measured.
type console struct {
	out    io.Writer
	screen *screen // nil: out is no terminal
}

func newConsole(out io.Writer) *console { return &console{out, newScreen(out)} }

// measured shows a measurement, and lines about it.
func (c *console) measured(m *measurement, lines []string, s *series, p progress) {
	if c.screen != nil {
		c.screen.erase()
		defer c.screen.draw(s, p)
	}
	fmt.Fprintln(c.out, describe(m))
	for _, line := range lines {
		fmt.Fprintln(c.out, "  "+line)
	}
}

// goOn shows that time passes, on a terminal.
func (c *console) goOn(s *series, p progress) {
	if c.screen != nil && c.screen.drawn > 0 {
		c.screen.erase()
		c.screen.draw(s, p)
	}
}

const clock = "2006-01-02 15:04:05"

// describe returns a measurement as one line.
func describe(m *measurement) string {
	at := m.At.Format(clock)
	if m.failed() {
		reason := "the answers say nothing of the memory"
		if len(m.Problems) > 0 {
			reason = strings.Join(m.Problems, "; ")
		}
		return at + "  failed: " + reason
	}
	health := m.Health
	if health == "" {
		health = "health unknown"
	}
	s := fmt.Sprintf("%s  RSS %8s MB  process %5s %%  system %5s %%  cache %s  %s", at,
		m.RSS.format("%.1f"), m.Process.format("%.1f"), m.System.format("%.1f"), m.Cache, health)
	if len(m.Problems) > 0 {
		s += "  (" + strings.Join(m.Problems, "; ") + ")"
	}
	return s
}

// String returns the figures as "1234 entries, 5.6 of 50 MB, hits 98.7 %".
func (c cacheFigures) String() string {
	if !c.Entries.known && !c.MB.known {
		return "unknown"
	}
	s := c.Entries.format("%5.0f") + " entries, " + c.MB.format("%5.1f")
	if c.MaxMB.known {
		s += c.MaxMB.format(" of %.4g")
	}
	s += " MB"
	if c.HitRatio.known {
		s += fmt.Sprintf(", hits %5.1f %%", 100*c.HitRatio.value)
	}
	return s
}

// table shows one measurement in full.
func (c *console) table(m measurement) {
	row := func(name, value string) { fmt.Fprintf(c.out, "%-26s %s\n", name, value) }
	row("measured", m.At.Format(clock))
	for _, problem := range m.Problems {
		row("no answer", problem)
	}
	if m.failed() {
		return
	}
	of := func(n, most number, verb, unit string) string {
		s := n.format(verb)
		if most.known {
			s += most.format(" of " + verb)
		}
		return s + " " + unit
	}
	row("health", known(m.Health))
	row("database", known(m.Database))
	row("resident memory", m.RSS.format("%.1f MB"))
	row("virtual memory", m.VMS.format("%.1f MB"))
	row("process memory", m.Process.format("%.1f %%"))
	row("system memory", m.System.format("%.1f %%")+", "+of(m.Free, m.Total, "%.1f", "GB free"))
	row("cache", known(m.Cache.Type))
	row("  entries", of(m.Cache.Entries, m.Cache.MaxEntries, "%.0f", ""))
	row("  size", of(m.Cache.MB, m.Cache.MaxMB, "%.1f", "MB"))
	row("  hits", number{100 * m.Cache.HitRatio.value, m.Cache.HitRatio.known}.format("%.1f %%"))
	row("kept of requests", m.CountedRequests.format("%.0f"))
	row("kept of response times", m.CountedTimes.format("%.0f"))
	row("kept of errors", m.CountedErrors.format("%.0f"))
	row("requests", m.Requests.format("%.0f"))
	row("errors", m.Errors.format("%.0f"))
	row("average response time", known(m.Response))
	row("processor", m.CPU.format("%.1f %%"))
	row("up", span(m.Uptime, time.Second))
	for _, w := range m.warnings() {
		row("warning", w.text)
	}
}

// summary shows what came of it.
func (c *console) summary(s summary) {
	fmt.Fprintf(c.out, "\n%d measurements in %v, %d failed, %d incomplete\n", s.Measurements, s.To.Sub(s.From).Round(time.Second), s.Failed, s.Incomplete)
	if s.KeptOneIn > 1 {
		fmt.Fprintf(c.out, "one in %d was kept, %d of them; growth and trend are computed from these\n", s.KeptOneIn, s.Kept)
	}
	if s.Measured > 0 {
		fmt.Fprintf(c.out, "\n| %-18s | %9s | %9s | %9s |\n", "", "min", "mean", "max")
		fmt.Fprintf(c.out, "| %s | %s: | %s: | %s: |\n", strings.Repeat("-", 18), strings.Repeat("-", 8), strings.Repeat("-", 8), strings.Repeat("-", 8))
		for _, row := range s.rows() {
			fmt.Fprintf(c.out, "| %-18s | %9s | %9s | %9s |\n", row.Name, row.Min.format("%.1f"), row.Mean.format("%.1f"), row.Max.format("%.1f"))
		}
		fmt.Fprintln(c.out)
	}
	for _, line := range s.sentences() {
		fmt.Fprintln(c.out, line)
	}
}

type namedExtent struct {
	Name string
	extent
}

func (s *summary) rows() []namedExtent {
	return []namedExtent{
		{"resident memory MB", s.RSS}, {"process memory %", s.Process}, {"system memory %", s.System}, {"cache MB", s.Cache},
	}
}

// sentences returns what there is to say besides the extents.
func (s *summary) sentences() (list []string) {
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for _, kind := range kinds {
		if n := s.Warnings[kind]; n > 0 {
			say("warning of the %s in %d of %d measurements", kind, n, s.Measured)
		}
	}
	if s.Growth.known {
		say("growth between the halves: %s MB", signed(s.Growth.value))
	}
	if t := s.Trend; t != nil {
		say("trend: %s MB an hour, %s in the second half, growth at %s confidence", signed(t.PerHour), signed(t.LateRate), percent(t.Confidence))
		say("  (median slope of %d low-water marks, which assumes that waves are shorter than half the time watched)", t.Blocks)
	}
	if s.Leak && s.TillLimit.known {
		say("the limit of %.0f MB is reached in about %s", s.Limit.value, span(s.TillLimit, time.Hour))
	}
	if s.Leak && s.Young.known {
		say("the service had been up for %s only when it was first measured: what fills its caches looks like a leak, so look again later", span(s.Young, time.Second))
	}
	say("%s", s.Verdict)
	return list
}

func known(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// signed returns v with its sign and three digits or so.
func signed(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%+.0f", v)
	}
	return fmt.Sprintf("%+.2f", v)
}

// percent returns the share, but never rounded up to certainty.
func percent(share float64) string {
	return fmt.Sprintf("%.2f %%", math.Floor(1e4*share)/100)
}

// span returns n units of time in steps that can be read.
func span(n number, unit time.Duration) string {
	const day = 24 * time.Hour
	if !n.known {
		return "unknown"
	}
	days := n.value * unit.Hours() / 24
	d := time.Duration(math.Min(days, 1000) * float64(day))
	switch {
	case days > 100*365:
		return "more than a hundred years"
	case days > 3:
		return fmt.Sprintf("%.0f days", days)
	case d > time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(time.Second).String()
}
