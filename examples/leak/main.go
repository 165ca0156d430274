// Leak is the incident as a program: the same traffic against an app with plain maps and slices, as it was
// before, and against one with the containers of this library, each in a process of its own.
//
//	go run -C examples ./leak
//	go run -C examples ./leak -limit 500MB -svg leak.svg
//
// It ends with 0 if the one grew past the limit and the other stayed below a hundred megabytes, and with 1 if not.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/ministryfinder/bounded/examples/internal/chart"
)

// promise is what "after" must stay below.
const promise = shadows * 100 * humanize.MByte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "leak:", err)
		stop()
		os.Exit(1)
	}
}

// A plan says what traffic there is, and when it is over.
type plan struct {
	limit    uint64 // of the resident memory: where "before" is stopped
	requests int    // at the most
	seed     uint64
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	set := flag.NewFlagSet("leak", flag.ContinueOnError)
	set.SetOutput(progress)
	limit := set.String("limit", "2GB", "stop \"before\" when it has passed this `size`")
	requests := set.Int("requests", 1_000_000, "`number` of requests at the most")
	seed := set.Uint64("seed", 1, "of the traffic")
	svg := set.String("svg", "", "draw the memory of both into this `file`")
	role := set.String("role", "", "be \"before\" or \"after\", and print samples: for the program itself")
	if err := set.Parse(args); err != nil {
		return err
	}
	p := plan{requests: *requests, seed: *seed}
	var err error
	if p.limit, err = humanize.ParseBytes(*limit); err != nil || p.limit < humanize.MByte {
		return fmt.Errorf("-limit is %q, want a size of a megabyte or more, as 2GB", *limit)
	}
	if p.requests < 1 {
		return fmt.Errorf("-requests is %d, want one or more", p.requests)
	}
	if *role != "" {
		return p.serve(ctx, *role, out)
	}
	return p.compare(ctx, out, progress, *svg)
}

// compare runs both and shows what came of them.
func (p plan) compare(ctx context.Context, out, progress io.Writer, svg string) error {
	before, err := p.start(ctx, "before", progress)
	if err != nil {
		return err
	}
	p.requests = before.last().Requests // the same traffic for both
	after, err := p.start(ctx, "after", progress)
	if err != nil {
		return err
	}
	p.print(out, before, after)
	if svg != "" {
		if err := draw(svg, before, after); err != nil {
			return err
		}
	}
	switch {
	case before.peak() < p.limit:
		return fmt.Errorf("\"before\" reached only %s of the %s, want more -requests", humanize.Bytes(before.peak()), humanize.Bytes(p.limit))
	case after.last().CacheBytes > cacheBytes:
		return fmt.Errorf("the cache of \"after\" has %s, want at most %s", humanize.Bytes(after.last().CacheBytes), humanize.Bytes(cacheBytes))
	case after.peak() > promise:
		return fmt.Errorf("\"after\" reached %s, want less than %s", humanize.Bytes(after.peak()), humanize.Bytes(promise))
	}
	return nil
}

// A history is what a process reported, oldest first.
type history struct {
	role    string
	samples []sample
}

func (h history) last() sample { return h.samples[len(h.samples)-1] }

func (h history) peak() (most uint64) {
	for _, s := range h.samples {
		most = max(most, s.RSS)
	}
	return most
}

// start runs one of the two in a process of its own, and returns what it reported.
func (p plan) start(ctx context.Context, role string, progress io.Writer) (history, error) {
	h := history{role: role}
	self, err := os.Executable()
	if err != nil {
		return h, err
	}
	cmd := exec.CommandContext(ctx, self, "-role", role, "-limit", strconv.FormatUint(p.limit, 10)+"B",
		"-requests", strconv.Itoa(p.requests), "-seed", strconv.FormatUint(p.seed, 10))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	// Should it not stop itself, the kernel or the collector does.
	cmd.Env = append(os.Environ(), "GOMEMLIMIT="+strconv.FormatUint(p.limit*3/2, 10), "LEAK_CHILD=1")
	cmd.Stderr = progress
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return h, err
	}
	if err := cmd.Start(); err != nil {
		return h, err
	}
	lines := bufio.NewScanner(stdout)
	shown := time.Time{}
	for lines.Scan() {
		var s sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return h, errors.Join(fmt.Errorf("%s said %q: %w", role, lines.Text(), err), cmd.Wait())
		}
		h.samples = append(h.samples, s)
		if time.Since(shown) > time.Second {
			shown = time.Now()
			fmt.Fprintf(progress, "%-6s %9s requests, %7s resident\n", role, humanize.Comma(int64(s.Requests)), humanize.Bytes(s.RSS))
		}
	}
	if err := cmp.Or(cmd.Wait(), context.Cause(ctx)); err != nil {
		return h, fmt.Errorf("%s: %w", role, err)
	}
	if len(h.samples) == 0 {
		return h, fmt.Errorf("%s reported nothing", role)
	}
	return h, nil
}

func (p plan) print(out io.Writer, before, after history) {
	b, a := before.last(), after.last()
	fmt.Fprintf(out, "\n%s requests of seed %d\n\n", humanize.Comma(int64(b.Requests)), p.seed)
	row := func(name string, values ...string) {
		fmt.Fprintf(out, "| %-28s | %12s | %12s |\n", name, values[0], values[1])
	}
	row("", "before", "after")
	fmt.Fprintf(out, "| %s | %s: | %s: |\n", strings.Repeat("-", 28), strings.Repeat("-", 11), strings.Repeat("-", 11))
	row("resident memory, at most", humanize.Bytes(before.peak()), humanize.Bytes(after.peak()))
	row("cached answers", humanize.Comma(int64(b.Cached)), humanize.Comma(int64(a.Cached)))
	row("bytes of the cache", humanize.Bytes(b.CacheBytes), humanize.Bytes(a.CacheBytes))
	row("addresses remembered", humanize.Comma(int64(b.Addresses)), humanize.Comma(int64(a.Addresses)))
	row("endpoints remembered", humanize.Comma(int64(b.Endpoints)), humanize.Comma(int64(a.Endpoints)))
	row("kinds of errors remembered", humanize.Comma(int64(b.Errors)), humanize.Comma(int64(a.Errors)))
	row("answers from the cache", percent(b), percent(a))
	row("time of a request", per(b), per(a))
	fmt.Fprintln(out)
	plot(out, before, after)
}

func percent(s sample) string {
	return fmt.Sprintf("%.1f %%", 100*float64(s.Hits)/float64(max(s.Requests, 1)))
}

func per(s sample) string {
	return (time.Duration(s.Seconds*1e9) / time.Duration(max(s.Requests, 1))).Round(10 * time.Nanosecond).String()
}

// points is how many points a chart has.
const points = 60

// curves returns the megabytes of both at the same numbers of requests.
func curves(before, after history) (b, a []float64, labels []string) {
	total := before.last().Requests
	at := func(h history, n int) float64 {
		mb := 0.0
		for _, s := range h.samples {
			if s.Requests > n {
				break
			}
			mb = float64(s.RSS) / 1e6
		}
		return mb
	}
	for i := range points {
		n := total * (i + 1) / points
		b, a = append(b, at(before, n)), append(a, at(after, n))
		label := ""
		if (i+1)%(points/4) == 0 {
			label = humanize.SI(float64(n), "")
		}
		labels = append(labels, label)
	}
	return b, a, labels
}

// draw writes the chart of both.
func draw(name string, before, after history) error {
	b, a, labels := curves(before, after)
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	c := chart.Lines{
		Title: "The incident: resident memory in MB, by requests", Note: "The same traffic. Plain maps and slices before, the containers of bounded after.",
		Points: labels, Lines: []chart.Line{{Label: "before", Values: b}, {Label: "after", Values: a, Ours: true}},
	}
	if _, err := c.WriteTo(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
