// Fuzz runs the fuzz targets of packages, those first that have run least, and goes on after a finding. It prints a line for each
// run, the sums at the end, and where the inputs are that broke something. The sums of all its starts are a table in a page.
//
//	go run ./integration/fuzz -time 10m -rounds 6 -page docs/fuzzing.md ./...
//	go run ./integration/fuzz -time 10m -total 1h -page docs/fuzzing.md ./...
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"sync"
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
	flags.IntVar(&o.parallel, "parallel", 0, "how many inputs of a target are tried at the same time; 0 is one for each processor")
	jobs := flags.Int("jobs", 1, "how many targets run at the same time")
	rounds := flags.Int("rounds", 1, "how often all targets run")
	enough := flags.Duration("total", 0, "instead of -rounds: targets run until each has had so much processor time by the page")
	match := flags.String("match", "", "a regular expression for the `names` of targets, with their package")
	page := flags.String("page", "", "a Markdown `file` with a table in which processor times and executions are added up")
	if flags.Parse(args) != nil {
		return 2
	}
	wanted, err := regexp.Compile(*match)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "fuzz: -match:", err)
		return 2
	}
	o.packages = flags.Args()
	sums, err := readTotals(*page)
	var all []target
	if err == nil {
		all, err = o.targets(ctx, wanted)
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "fuzz:", err)
		return 1
	}

	failed := map[target]string{}
	for n := 0; ctx.Err() == nil; n++ {
		// Those that have failed would find the same again.
		next := slices.DeleteFunc(slices.Clone(all), func(t target) bool {
			return failed[t] != "" || *enough > 0 && sums.of(t).took >= *enough
		})
		if len(next) == 0 || *enough <= 0 && n >= *rounds {
			break
		}
		slices.SortStableFunc(next, func(a, b target) int { return cmp.Compare(sums.of(a).took, sums.of(b).took) })
		if err := o.round(ctx, next, failed, sums, *jobs, stdout); err != nil {
			_, _ = fmt.Fprintln(stderr, "fuzz:", err)
			return 1
		}
	}
	_, _ = fmt.Fprintln(stdout, "\nin all:")
	for _, t := range all {
		_, _ = fmt.Fprintf(stdout, "%s: %s\n", t, sums.of(t))
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

// round runs each target once, and adds to failed and sums.
func (o options) round(ctx context.Context, targets []target, failed map[target]string, sums *totals, jobs int, stdout io.Writer) error {
	waiting := make(chan target, len(targets))
	for _, t := range targets {
		waiting <- t
	}
	close(waiting)
	var (
		group sync.WaitGroup
		mutex sync.Mutex // for what follows, and so that what is printed of a run stays together
		errs  []error
	)
	for range max(1, jobs) {
		group.Go(func() {
			for t := range waiting {
				if ctx.Err() != nil {
					return
				}
				result := o.run(ctx, t)
				mutex.Lock()
				_, _ = fmt.Fprintf(stdout, "%s: %s\n%s", t, result, result.failure)
				if result.failure != "" {
					failed[t] = cmp.Or(result.input, "no input was kept")
				}
				errs = append(errs, sums.add(t, result))
				mutex.Unlock()
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
