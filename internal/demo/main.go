package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Main is the program: its exit code is 0 if everything was as it should be, 1 if not, 2 for wrong usage.
func Main(args []string) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.Usage = func() {
		_, _ = fmt.Fprintf(flags.Output(), "usage: demo [--browser]\n\n"+
			"Shows SSH login with OpenID Connect on this computer alone, and checks each step.\n\n")
		flags.PrintDefaults()
	}
	browser := flags.Bool("browser", false, "log in yourself, in your browser")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		flags.Usage()
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := Run(ctx, Options{Browser: *browser}, os.Stdout); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		return 1
	}
	return 0
}
