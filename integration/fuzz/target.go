package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// target is a fuzz target of a package.
type target struct {
	importPath, folder string
	name               string
}

func (t target) String() string { return t.importPath + " " + t.name }

// targets lists those that are wanted.
func (o options) targets(ctx context.Context, wanted *regexp.Regexp) ([]target, error) {
	listed, err := output(exec.CommandContext(ctx, "go", append([]string{"list", "-f", "{{.ImportPath}}\t{{.Dir}}"}, o.packages...)...))
	if err != nil {
		return nil, err
	}
	var all []target
	for line := range strings.Lines(listed) {
		importPath, folder, _ := strings.Cut(strings.TrimSpace(line), "\t")
		names, err := output(exec.CommandContext(ctx, "go", "test", "-list", "^Fuzz", importPath))
		if err != nil {
			return nil, err
		}
		for _, name := range strings.Fields(names) {
			t := target{importPath, folder, name}
			if strings.HasPrefix(name, "Fuzz") && wanted.MatchString(t.String()) {
				all = append(all, t)
			}
		}
	}
	return all, nil
}

// output is what a command prints, or an error with its complaint.
func output(cmd *exec.Cmd) (string, error) {
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, out, exit.Stderr)
	}
	return string(out), err
}

// result is one run of a target.
type result struct {
	took       time.Duration // of a processor
	executions int
	input      string // the file of the input that broke something
	failure    string // what go test printed, "" if nothing broke
}

func (r result) String() string {
	text := fmt.Sprintf("%s, %d executions", r.took.Round(time.Second), r.executions)
	if r.failure != "" {
		text += ": FAIL " + r.input
	}
	return text
}

func (o options) run(ctx context.Context, t target) result {
	args := []string{"test", "-run", "^$", "-fuzz", "^" + t.name + "$", "-fuzztime", o.time, "-fuzzminimizetime", "1x"}
	if o.parallel > 0 {
		args = append(args, "-parallel", strconv.Itoa(o.parallel))
	}
	cmd := exec.CommandContext(ctx, "go", append(args, t.importPath)...)
	// An interrupt is for the workers, too. They keep what they have, and it is no failure.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	err := cmd.Run()
	r := read(printed.String())
	if cmd.ProcessState != nil {
		r.took = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	if r.input == "" && (ctx.Err() != nil || timeIsOver.MatchString(r.failure)) {
		err = nil
	}
	if err == nil {
		r.input, r.failure = "", ""
		return r
	}
	if r.input != "" {
		r.input = filepath.Join(t.folder, r.input)
	}
	if r.failure == "" {
		r.failure = err.Error() + "\n"
	}
	return r
}

var (
	progress = regexp.MustCompile(`^fuzz: elapsed: .*execs: (\d+)`)
	// A new input, and one of testdata or of the cache.
	written = regexp.MustCompile(`^\s*Failing input written to (\S+)`)
	// On a busy machine, Go before 1.27 sometimes takes the end of -fuzztime for a failure (go.dev/issue/75804).
	timeIsOver = regexp.MustCompile(`^--- FAIL: Fuzz\w+ \([0-9.]+s\)\n +context deadline exceeded\nFAIL\n(exit status 1\n)?FAIL\t\S+\t[0-9.]+s\n$`)
	known      = regexp.MustCompile(`^\s*(?:failure while testing seed corpus entry: |--- FAIL: )(Fuzz\w+/\S+)`)
)

// read takes what go test prints apart: the number of executions so far, where an input is, and what is not progress.
func read(printed string) result {
	var r result
	for line := range strings.Lines(printed) {
		if match := progress.FindStringSubmatch(line); match != nil {
			// The pattern lets nothing else through than digits, and a number that does not fit is no count.
			r.executions, _ = strconv.Atoi(match[1])
			continue
		}
		if match := written.FindStringSubmatch(line); match != nil {
			r.input = match[1]
		} else if match := known.FindStringSubmatch(line); match != nil && r.input == "" {
			r.input = filepath.Join("testdata", "fuzz", match[1])
		}
		if !strings.HasPrefix(line, "fuzz: ") {
			r.failure += line
		}
	}
	return r
}
