// Mutants takes one check after another out of a package and runs its tests. What no test misses is printed: either nothing
// holds that check, or something else makes up for it.
//
//	go run ./integration/mutants ./pkg/pktoken
//	go run ./integration/mutants -tests ./pkg/sshauth,./integration/attacks ./pkg/pktoken
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
)

func main() {
	if err := limitMemory(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "mutants: memory limit:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(stderr)
	tests := flags.String("tests", "", "further `packages`, between commas, whose tests run where the package's own miss nothing")
	jobs := flags.Int("jobs", 1, "how many mutants are tried at the same time")
	match := flags.String("match", "", "a regular expression for the `places` to change, as they are printed")
	timeout := flags.Duration("timeout", defaultTimeout, "how long the tests of a package may take: what hangs is missed")
	if flags.Parse(args) != nil {
		return 2
	}
	wanted, err := regexp.Compile(*match)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "mutants: -match:", err)
		return 2
	}
	packages, err := list(ctx, flags.Args())
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "mutants:", err)
		return 1
	}
	further := strings.FieldsFunc(*tests, func(r rune) bool { return r == ',' })

	type trial struct {
		mutant
		suites []string
	}
	var trials []trial
	for _, p := range packages {
		suites := append([]string{p.ImportPath}, further...)
		// What fails anyway would seem to miss everything.
		if printed, err := test(ctx, "", suites, *timeout); err != nil {
			_, _ = fmt.Fprintf(stderr, "mutants: the tests of %s fail as it is: %v\n%s", p.ImportPath, err, printed)
			return 1
		}
		mutants, err := p.mutants()
		if err != nil {
			_, _ = fmt.Fprintln(stderr, "mutants:", err)
			return 1
		}
		for _, m := range mutants {
			if wanted.MatchString(m.String()) {
				trials = append(trials, trial{m, suites})
			}
		}
	}

	waiting := make(chan trial, len(trials))
	for _, t := range trials {
		waiting <- t
	}
	close(waiting)
	var (
		group  sync.WaitGroup
		mutex  sync.Mutex
		counts [3]int
		failed error
	)
	for range max(1, *jobs) {
		group.Go(func() {
			for t := range waiting {
				what, err := try(ctx, t.mutant, t.suites, *timeout)
				mutex.Lock()
				if err != nil && failed == nil {
					failed = err
				}
				counts[what]++
				if what == notMissed && ctx.Err() == nil {
					_, _ = fmt.Fprintln(stdout, t.mutant)
				}
				mutex.Unlock()
				if ctx.Err() != nil {
					return
				}
			}
		})
	}
	group.Wait()
	if failed == nil {
		failed = ctx.Err()
	}
	if failed != nil {
		_, _ = fmt.Fprintln(stderr, "mutants:", failed)
		return 1
	}
	_, _ = fmt.Fprintf(stdout, "%d changes: %d missed, %d not missed, %d did not compile\n", len(trials), counts[missed], counts[notMissed], counts[notCompiled])
	if counts[notMissed] > 0 || len(trials) == 0 {
		return 1
	}
	return 0
}
