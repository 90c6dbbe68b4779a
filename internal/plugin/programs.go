package plugin

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// Runner runs plugins: [Programs], or what stands for it in a process that may start none.
type Runner interface {
	// Run starts all plugins at once, with the variables of one login (OPKSSH_PLUGIN_…) and their own file, and gives how they ended, in their order,
	// up to the first whose answer is wanted. An outcome that is missing is a no.
	Run(ctx context.Context, plugins []*policy.Plugin, login []string, wanted bool) []Outcome
}

// Outcome is how a plugin ended.
type Outcome struct {
	Allow   bool   // it printed allow and exited 0
	Status  int    // -1 where it did not exit
	Stderr  string // the beginning of it
	More    bool   // there was more of it
	Failure string // what went wrong, or ""
	Hint    string // what to do about that, or ""
}

// Programs runs plugins as processes of this one.
type Programs struct {
	Config *policy.Config // for its environment variables; nil means none

	program func(path string) (resolved string, err error) // nil means hostfiles.SystemProgram
	timeout time.Duration                                  // 0 means Timeout
}

// Run implements [Runner].
func (p *Programs) Run(ctx context.Context, plugins []*policy.Plugin, login []string, wanted bool) []Outcome {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	ends := make([]chan Outcome, len(plugins))
	for i, plugin := range plugins {
		ends[i] = make(chan Outcome, 1)
		running.Go(func() { ends[i] <- p.outcome(ctx, plugin, p.environment(plugin, login)) })
	}
	outcomes := make([]Outcome, 0, len(plugins))
	for i := range plugins {
		outcomes = append(outcomes, <-ends[i])
		if outcomes[i].Allow == wanted {
			break
		}
	}
	return outcomes
}

func (p *Programs) outcome(ctx context.Context, plugin *policy.Plugin, environment []string) Outcome {
	result, err := p.run(ctx, plugin, environment)
	o := Outcome{
		Allow: err == nil && result.allow, Status: result.status, Stderr: result.stderr.text.String(), More: result.stderr.overflown,
	}
	if err != nil {
		o.Failure = err.Error()
	}
	var fault *hostfiles.Fault
	if errors.As(err, &fault) {
		o.Hint = fault.Hint
	}
	return o
}

// logLines logs what a plugin wrote to standard error. The log's handler escapes it.
func (o *Outcome) logLines(log *slog.Logger) {
	more := o.More
	lines := 0
	for line := range strings.Lines(o.Stderr) {
		if lines++; lines > maxLines {
			more = true
			break
		}
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			log.Warn("plugin said", "text", line)
		}
	}
	if more {
		log.Warn("plugin said more")
	}
}
