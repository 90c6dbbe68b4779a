// Fuzz runs the fuzz targets of packages one after another, as often as it is told, and goes on after a finding. It prints a line
// for each run, the sums at the end, and where the inputs are that broke something.
//
//	go run ./integration/fuzz -time 10m -rounds 6 -totals fuzz.json ./...
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	time     string
	parallel int
	packages []string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.time, "time", "30s", "how long a target runs in each round, or 1000x for so many executions")
	flags.IntVar(&o.parallel, "parallel", 0, "how many inputs are tried at the same time; 0 is one for each processor")
	rounds := flags.Int("rounds", 1, "how often all targets run")
	match := flags.String("match", "", "a regular expression for the `names` of targets, with their package")
	file := flags.String("totals", "", "a `file` to which times and executions are added up over several starts")
	if flags.Parse(args) != nil {
		return 2
	}
	wanted, err := regexp.Compile(*match)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "fuzz: -match:", err)
		return 2
	}
	o.packages = flags.Args()
	sums, err := readTotals(*file)
	var all []target
	if err == nil {
		all, err = o.targets(ctx, wanted)
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "fuzz:", err)
		return 1
	}
	failed := map[target]string{}
	for round := 0; round < *rounds && ctx.Err() == nil; round++ {
		for _, t := range all {
			if failed[t] != "" {
				continue // it would find the same again
			}
			result := o.run(ctx, t)
			if ctx.Err() != nil {
				break
			}
			sums.add(t, result)
			_, _ = fmt.Fprintf(stdout, "%s: %s\n", t, result)
			if result.failure != "" {
				failed[t] = result.input
				if result.input == "" {
					failed[t] = "no input was kept"
				}
				_, _ = fmt.Fprint(stdout, result.failure)
			}
			if err := sums.write(*file); err != nil {
				_, _ = fmt.Fprintln(stderr, "fuzz:", err)
				return 1
			}
		}
	}
	_, _ = fmt.Fprintln(stdout, "\nin all:")
	for _, t := range all {
		_, _ = fmt.Fprintf(stdout, "%s: %s\n", t, sums[t.String()])
	}
	for _, t := range all {
		if failed[t] != "" {
			_, _ = fmt.Fprintf(stdout, "FAIL %s: %s\n", t, failed[t])
		}
	}
	if len(failed) > 0 || len(all) == 0 || ctx.Err() != nil {
		return 1
	}
	return 0
}
