// Fire is the finder under fire: all its doors are stormed at full speed, its database is killed and brought
// back, and it is told to end while the storm goes on. Then the books are compared.
//
//	go run -C examples ./fire
//
// It builds the finder, and starts it and a PostgreSQL of its own as processes, which takes Linux; nothing
// leaves the machine. It takes five minutes, prints a table of what was seen, and ends with 0 if all was as
// promised and with 1 if not:
//
//   - no request is lost: what was answered with success is in the database at the end, once;
//   - no answer is a 5xx, but from the moment the database dies until it is back and what waited is written;
//   - the resident memory is flat once all is warm: zero is in the confidence interval of its slope; and no
//     container passes its bound;
//   - as many goroutines are left after the load as there were before it;
//   - on SIGTERM what has begun is answered, and the process ends with status 0.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fire:", err)
		os.Exit(1)
	}
}

// A plan says how much fire there is.
type plan struct {
	clients int           // that ask at the same time, each again as soon as it is answered
	warmUp  time.Duration // at full speed, until all has been touched that is
	load    time.Duration // and then, with nothing else wrong: meanwhile the memory must not rise
	outage  time.Duration // between the death of the database and its return
	after   time.Duration // at full speed when the database is back, and until SIGTERM
	sample  time.Duration // between two looks at the figures
	limit   string        // GOMEMLIMIT of the finder
	env     []string      // more variables of the finder
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	p := plan{outage: 5 * time.Second, after: 5 * time.Second, sample: 250 * time.Millisecond}
	set := flag.NewFlagSet("fire", flag.ContinueOnError)
	set.SetOutput(progress)
	set.DurationVar(&p.warmUp, "warm-up", 2*time.Minute, "how `long` the load goes on until the memory is watched")
	set.DurationVar(&p.load, "duration", 2*time.Minute, "how `long` it then goes on before the database is killed")
	set.IntVar(&p.clients, "clients", 16, "`number` of clients that ask at the same time")
	set.StringVar(&p.limit, "limit", "100MiB", "GOMEMLIMIT of the finder")
	svg := set.String("svg", "", "draw the memory into this `file`")
	if err := set.Parse(args); err != nil {
		return err
	}
	if p.load < 10*time.Second || p.load > time.Hour {
		return fmt.Errorf("-duration is %v, want 10s to 1h", p.load)
	}
	if p.warmUp < 0 || p.warmUp > time.Hour {
		return fmt.Errorf("-warm-up is %v, want 0s to 1h", p.warmUp)
	}
	if p.clients < 1 || p.clients > 1000 {
		return fmt.Errorf("-clients is %d, want 1 to 1000", p.clients)
	}
	r, err := p.fire(ctx, progress)
	if err != nil {
		return err
	}
	r.print(out)
	if *svg != "" {
		if err := r.draw(*svg); err != nil {
			return err
		}
	}
	if wrong := r.wrong(); len(wrong) > 0 {
		return fmt.Errorf("%d of %d promises are not kept", len(wrong), len(r.checks))
	}
	return nil
}
