package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/ministryfinder/bounded/examples/internal/trend"
)

// A report is what was seen, and how it compares to what was promised.
type report struct {
	plan plan
	seen [kinds]tally // from the beginning of the warm-up to the fault
	took time.Duration

	load, fault   span      // of the first: when all is warm
	restored      time.Time // when the database answered again
	back          bool      // the finder noticed it in time
	before, after figures   // without load
	samples       []figures // from the beginning of the load until there was none
	endTook       time.Duration
	endError      error
	said          string   // by the finder at its end
	panics        []string // lines of its log
	storm         *storm
	stored        []stored

	checks []check
}

// A span is a time from and to.
type span struct{ from, to time.Time }

func (s span) overlaps(from, to time.Time) bool { return !to.Before(s.from) && !from.After(s.to) }

// A check is a promise, and what speaks against it.
type check struct {
	promise string
	wrong   []string
}

// judge fills checks.
func (r *report) judge() {
	add := func(promise string, wrong ...string) { r.checks = append(r.checks, check{promise, wrong}) }
	add("what was answered with success is in the database, once", r.storm.promised.compare(r.stored, r.storm.marks.Load())...)
	add("all answers are right outside the fault, and none is missing", judgeTroubles(r.storm.troubles, r.fault)...)
	if r.back {
		add("the finder notices that the database is back, and writes what waited")
	} else {
		add("the finder notices that the database is back, and writes what waited", fmt.Sprintf("not within %v", backLimit))
	}
	if r.plan.load >= leastWatch {
		add("the resident memory is flat after the warm-up: zero is in the interval of its slope", judgeMemory(r.warm(resident))...)
	}
	add("no container passes its bound", judgeBounds(r.samples)...)
	add("goroutines are back to their number at the start", judgeGoroutines(r.before, r.after)...)
	add("SIGTERM under load ends with status 0", judgeEnd(r.endError, r.said)...)
	add("nothing panics", r.panics...)
}

// leastWatch is for how long the memory must be watched to say that it is flat.
const leastWatch = time.Minute

// warm returns a figure of bytes in MB, from the end of the warm-up to the end of the load.
func (r *report) warm(name string) []trend.Point {
	var list []trend.Point
	for _, p := range points(r.samples, name, 1e6) {
		if p.At.After(r.load.from) && p.At.Before(r.load.to) {
			list = append(list, p)
		}
	}
	return list
}

// judgeTroubles returns the troubles that the fault does not excuse.
func judgeTroubles(troubles []trouble, fault span) (wrong []string) {
	for _, t := range troubles {
		if !t.always && t.status >= 500 && fault.overlaps(t.began, t.ended) {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%s %s: status %d after %v: %s",
			t.began.Format("15:04:05.000"), kindNames[t.kind], t.status, t.ended.Sub(t.began).Round(time.Millisecond), strings.Join(strings.Fields(t.text), " ")))
	}
	return wrong
}

func judgeMemory(memory []trend.Point) []string {
	line, ok := trend.Through(memory)
	switch {
	case !ok:
		return []string{fmt.Sprintf("it was looked at %d times only", len(memory))}
	case line.Rises():
		return []string{"it rises: " + slope(line)}
	}
	return nil
}

// slope says how steep a line is, per minute.
func slope(l trend.Line) string {
	return fmt.Sprintf("slope %+.2f MB a minute, with 95 %% confidence %+.2f to %+.2f", l.PerHour/60, l.Low/60, l.High/60)
}

func judgeBounds(samples []figures) (wrong []string) {
	for _, b := range bounds {
		n, ok := most(samples, b.figure)
		bound, hasBound := most(samples, b.bound)
		switch {
		case !ok || !hasBound:
			wrong = append(wrong, "nobody says how many "+b.what+" there are")
		case n > bound:
			wrong = append(wrong, fmt.Sprintf("%.0f %s, and %.0f is the bound", n, b.what, bound))
		}
	}
	return wrong
}

func judgeGoroutines(before, after figures) []string {
	b, a := before.values[goroutines], after.values[goroutines]
	if b == 0 || a == 0 || a > b {
		return []string{fmt.Sprintf("%.0f are left %v after the load, and there were %.0f", a, quietLimit, b)}
	}
	return nil
}

func judgeEnd(err error, said string) (wrong []string) {
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	if !strings.Contains(said, "Stopped.") {
		wrong = append(wrong, fmt.Sprintf("its last words are %q", said))
	}
	return wrong
}

// wrong returns the checks that failed.
func (r *report) wrong() (list []check) {
	for _, c := range r.checks {
		if len(c.wrong) > 0 {
			list = append(list, c)
		}
	}
	return list
}

// print writes the report for a person.
func (r *report) print(out io.Writer) {
	total := 0
	for _, t := range r.seen {
		total += len(t.times)
	}
	fmt.Fprintf(out, "\n%d clients at full speed for %v, %v of it to warm up, %d cores, GOMEMLIMIT=%s, PostgreSQL: %s requests, %.0f a second\n\n",
		r.plan.clients, r.took.Round(time.Second), r.plan.warmUp.Round(time.Second), runtime.NumCPU(), r.plan.limit, humanize.Comma(int64(total)), float64(total)/r.took.Seconds())
	fmt.Fprintf(out, "| %-24s | %9s | %8s | %8s | %8s | %9s |\n", "", "answers", "a second", "half in", "99 % in", "all in")
	fmt.Fprintf(out, "| %s | %s: | %s: | %s: | %s: | %s: |\n", strings.Repeat("-", 24), strings.Repeat("-", 8), strings.Repeat("-", 7), strings.Repeat("-", 7), strings.Repeat("-", 7), strings.Repeat("-", 8))
	for k, t := range r.seen {
		fmt.Fprintf(out, "| %-24s | %9s | %8.0f | %8s | %8s | %9s |\n", kindNames[k], humanize.Comma(int64(len(t.times))), float64(len(t.times))/r.took.Seconds(),
			milliseconds(t.quantile(0.5)), milliseconds(t.quantile(0.99)), milliseconds(t.quantile(1)))
	}
	fmt.Fprintln(out)
	for _, line := range r.findings() {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out)
	if r.plan.load < leastWatch {
		fmt.Fprintf(out, "unknown  whether the resident memory is flat: it must be watched for %v\n", leastWatch)
	}
	for _, c := range r.checks {
		if len(c.wrong) == 0 {
			fmt.Fprintln(out, "kept    ", c.promise)
			continue
		}
		fmt.Fprintf(out, "BROKEN   %s: %d times\n", c.promise, len(c.wrong))
		for _, w := range c.wrong[:min(5, len(c.wrong))] {
			fmt.Fprintln(out, "           ", w)
		}
	}
}

// findings returns what was seen in sentences.
func (r *report) findings() (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, of := range []struct{ what, name string }{{"resident memory", resident}, {"live heap", live}} {
		memory := r.warm(of.name)
		line, ok := trend.Through(memory)
		if !ok {
			continue
		}
		low, high := math.Inf(1), 0.0
		for _, p := range memory {
			low, high = min(low, p.Value), max(high, p.Value)
		}
		peak, _ := most(r.samples, of.name)
		say("%s when warm, for %v: %.1f to %.1f MB, %s; %.1f MB at most, the fault included",
			of.what, r.plan.load.Round(time.Second), low, high, slope(line), peak/1e6)
	}
	for _, b := range bounds {
		n, _ := most(r.samples, b.figure)
		bound, _ := most(r.samples, b.bound)
		say("%s: %s at most, of %s", b.what, humanize.Comma(int64(n)), humanize.Comma(int64(bound)))
	}
	var excused [kinds]int
	for _, t := range r.storm.troubles {
		if t.status >= 500 && !t.always {
			excused[t.kind]++
		}
	}
	say("the database was away for %v, and all was well %v after its return; 5xx meanwhile:", r.restored.Sub(r.fault.from).Round(time.Millisecond), r.fault.to.Sub(r.restored).Round(time.Millisecond))
	for k, n := range excused {
		if n > 0 {
			say("  %s: %s", kindNames[k], humanize.Comma(int64(n)))
		}
	}
	many, _ := most(r.samples, goroutines)
	say("goroutines: %.0f at the start, %.0f under load, %.0f afterwards", r.before.values[goroutines], many, r.after.values[goroutines])
	guesses := r.storm.guesses.Load()
	say("wrong passwords: %s from %s addresses, in all", humanize.Comma(int64(guesses)), humanize.Comma(int64(min(guesses, addresses))))
	say("SIGTERM: ended after %v", r.endTook.Round(time.Millisecond))
	say("submissions: %s answered with success, %s in the database, those of /api/match among them", humanize.Comma(int64(len(r.storm.promised))), humanize.Comma(int64(len(r.stored))))
	return lines
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
