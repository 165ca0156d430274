// Memmonitor watches the memory of a running service through its interface, and says whether it leaks.
//
//	go run -C examples ./memmonitor -status
//	go run -C examples ./memmonitor -interval 30 -duration 3600 -json memory.json -report memory.html
//
// It asks /api/memory-status, /api/health and /api/metrics, which the finder answers as the Python application
// before it did.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// The exit statuses, in the order in which they take precedence over each other.
const (
	exitFine    = 0
	exitNothing = 1
	exitFlags   = 2
	exitLeak    = 3
)

const usage = `Memmonitor watches the memory of a running service, and says whether it leaks.

	memmonitor -status                          one measurement, as a table
	memmonitor -interval 30 -duration 3600      one each half minute, for an hour
	memmonitor -interval 1m                     until interrupted (Ctrl-C), then the summary

Flags:
`

const exits = `
Exit status:
  0  no leak was found, or there were too few measurements to tell
  1  nothing could be measured, or a file could not be written
  2  a flag is wrong
  3  a leak was found: at a confidence of 99 % or more the low-water marks of the
     resident memory rise, and do so by 1 MB and by 1 % or more of the memory over the time
     watched, at the rate of the whole time as well as at that of its second half
A script needs the program itself, as go build makes it: go run makes 1 of 2 and 3.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns its exit status.
func run(ctx context.Context, args []string, out, problems io.Writer) int {
	o, err := parseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		printUsage(out)
		return exitFine
	}
	if err != nil {
		fmt.Fprintln(problems, "memmonitor:", err)
		return exitFlags
	}
	w := newWatch(newClient(o.url, o.timeout()), o, newConsole(out))
	w.run(ctx)
	s := w.summarize()
	if o.status {
		w.console.table(w.series.last())
	} else {
		w.console.summary(s)
	}
	if err := w.writeFiles(s); err != nil {
		fmt.Fprintln(problems, "memmonitor:", err)
		return exitNothing
	}
	switch {
	case s.Measured == 0:
		return exitNothing
	case s.Leak:
		return exitLeak
	}
	return exitFine
}

// Options are what the flags say.
type options struct {
	status   bool
	url      *url.URL
	interval time.Duration
	duration time.Duration // 0: until interrupted
	json     string
	report   string
}

// timeout returns how long the answers to one measurement are waited for.
func (o options) timeout() time.Duration {
	return min(10*time.Second, max(o.interval, time.Second))
}

// flags returns the set of flags that writes to o.
func flags(o *options) *flag.FlagSet {
	set := flag.NewFlagSet("memmonitor", flag.ContinueOnError)
	set.SetOutput(io.Discard) // run says what is wrong, once
	set.Usage = func() {}
	o.interval = 30 * time.Second
	o.url = &url.URL{Scheme: "http", Host: "localhost:8080"}
	set.BoolVar(&o.status, "status", false, "measure once, and print a table")
	set.Func("url", "`address` of the service (default http://localhost:8080)", func(s string) error {
		u, err := parseURL(s)
		o.url = u
		return err
	})
	set.Func("interval", "`time` between measurements: seconds, or as 1m30s (default 30)", timeFlag(&o.interval))
	set.Func("duration", "`time` to watch: seconds, or as 2h; none: until interrupted", timeFlag(&o.duration))
	set.StringVar(&o.json, "json", "", "write all measurements and the summary to this `file`")
	set.StringVar(&o.report, "report", "", "write the summary and charts to this `file`, for a browser")
	return set
}

func parseFlags(args []string) (options, error) {
	var o options
	set := flags(&o)
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if set.NArg() > 0 {
		return o, fmt.Errorf("there is an argument %q, want only flags", set.Arg(0))
	}
	given := make(map[string]string)
	set.Visit(func(f *flag.Flag) { given[f.Name] = f.Value.String() })
	for _, name := range []string{"interval", "duration"} {
		if _, ok := given[name]; ok && o.status {
			return o, fmt.Errorf("-%s is given, want none with -status, which measures once", name)
		}
	}
	for name, file := range map[string]string{"json": o.json, "report": o.report} {
		if _, ok := given[name]; !ok {
			continue
		}
		if info, err := os.Stat(filepath.Dir(file)); file == "" || err != nil || !info.IsDir() {
			return o, fmt.Errorf("-%s is %q, want a file in a folder that is there", name, file)
		}
	}
	return o, nil
}

func printUsage(out io.Writer) {
	set := flags(new(options))
	set.SetOutput(out)
	fmt.Fprint(out, usage)
	set.PrintDefaults()
	fmt.Fprint(out, exits)
}

// The least and the most that a time may be. A millisecond is for tests of a service, and the most keeps sums
// in range.
const (
	leastTime = time.Millisecond
	mostTime  = 10 * 365 * 24 * time.Hour
)

// timeFlag returns a function that parses seconds, or a duration as Go writes it, into d.
func timeFlag(d *time.Duration) func(string) error {
	return func(s string) error {
		parsed, err := time.ParseDuration(s)
		if seconds, numeric := strconv.ParseFloat(s, 64); numeric == nil {
			parsed, err = time.Duration(min(math.Abs(seconds), 2*mostTime.Seconds())*float64(time.Second)), nil
			if !(seconds > 0) {
				parsed = 0
			}
		}
		if err != nil || parsed < leastTime || parsed > mostTime {
			return errors.New("want seconds, or a time as 1m30s, from 1ms to ten years")
		}
		*d = parsed
		return nil
	}
}

// parseURL returns the address s, below which the service is.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("want an address as http://localhost:8080")
	}
	return u, nil
}
