// Versus measures the cache of this library against others, in one process and one run.
//
//	go run -C examples ./versus throughput   # ns per operation, by share of writes and processors
//	go run -C examples ./versus memory       # bytes per entry, time of a collection, truth of a byte bound
//	go run -C examples ./versus hits         # hit ratio on traces (-traces DIR; else made-up ones)
//	go run -C examples ./versus bound        # most entries and bytes ever held, with eight writers
//	go run -C examples ./versus tail         # latency while a sweep, a resize or the collector runs
//	go run -C examples ./versus loads        # a hit and a miss of a cache that loads, and a herd at one key
//	go run -C examples ./versus logins       # what an attempt to sign in costs, and what an attacker gets
//	go run -C examples ./versus metrics      # observing response times, counting by labels, and reading them
//	go run -C examples ./versus accuracy     # quantiles, from the exact ones
//	go run -C examples ./versus all
//
// Tables are Markdown on the standard output, progress goes to the standard error. The flag -svg DIR draws
// charts, -peers a,b leaves out all others. Run it on a machine that does nothing else.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "versus:", err)
		os.Exit(1)
	}
}

// A command measures one thing and prints it. Its fields are its parameters.
type command interface {
	name() string
	flags(*flag.FlagSet)
	run(*env) error
}

func commands() []command {
	return []command{newThroughput(), newMemory(), newHits(), newBound(), newTail(), newLoads(), newLogins(), newMetrics(), newAccuracy()}
}

func run(args []string, out, progress io.Writer) error {
	names := "all"
	for _, c := range commands() {
		names = c.name() + ", " + names
	}
	if len(args) == 0 {
		return fmt.Errorf("want a command: one of %s", names)
	}
	e := &env{out: out, progress: progress, procs: processors{1, 2}}
	set := flag.NewFlagSet("versus "+args[0], flag.ContinueOnError)
	set.SetOutput(progress)
	set.StringVar(&e.svg, "svg", "", "draw charts into this `directory`")
	peers := set.String("peers", "", "compare with these alone: `names`, separated by commas")
	set.Var(&e.procs, "procs", "throughput, metrics: `numbers` of processors, separated by commas")
	var chosen []command
	for _, c := range commands() {
		if args[0] == c.name() || args[0] == "all" {
			chosen = append(chosen, c)
			c.flags(set)
		}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		fmt.Fprintf(progress, "Usage: versus COMMAND [flags]; COMMAND is one of %s; versus COMMAND -h lists its flags\n", names)
		return flag.ErrHelp
	}
	if chosen == nil {
		return fmt.Errorf("no command %q, want one of %s", args[0], names)
	}
	if err := set.Parse(args[1:]); err != nil {
		return err
	}
	if *peers != "" {
		e.only = strings.Split(*peers, ",")
	}
	describe(out, time.Now())
	for _, c := range chosen {
		if err := c.run(e); err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
	}
	return nil
}
