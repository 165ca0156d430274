// Finder is the ministry finder: a quiz that leads to the ministries of a parish.
//
//	go run -C examples ./finder
//
// starts it without any configuration; README.md has the variables. Bad configuration ends it at start with
// status 2 and a line for each variable, anything else that fails with status 1.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ministryfinder/bounded/examples/finder/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	stop()
	var wrong *config.Error
	switch {
	case errors.As(err, &wrong): // it may join several, a line each
		fmt.Fprintln(os.Stderr, "finder:", strings.ReplaceAll(err.Error(), "\n", "\nfinder: "))
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "finder:", err)
		os.Exit(1)
	}
}
