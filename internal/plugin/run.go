package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

const (
	maxOutput = 4 << 10 // bytes of standard output; more is no answer
	maxStderr = 8 << 10 // bytes of standard error that are logged
	maxLines  = 20      // lines of them
)

// lingering is how long a program that has ended may have its output held open by what left its process group.
const lingering = 500 * time.Millisecond

var (
	errTimeout = errors.New("it took too long and was killed")
	errFlood   = fmt.Errorf("it printed more than %d bytes and was killed", maxOutput)
)

// result is how a plugin ended.
type result struct {
	allow  bool // it printed allow and exited 0
	status int
	stderr *capture
}

// run runs a plugin to its end. A clean no, exit status 0 or 1 and no `allow`, is no error.
func (p *Programs) run(ctx context.Context, plugin *policy.Plugin, environment []string) (*result, error) {
	r := &result{status: -1, stderr: &capture{most: maxStderr}}
	check := p.program
	if check == nil {
		check = hostfiles.SystemProgram
	}
	program, err := check(plugin.Command[0])
	if err != nil {
		return r, err
	}
	timeout := p.timeout
	if timeout == 0 {
		timeout = Timeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	stdout := &capture{most: maxOutput, full: func() { stop(errFlood) }}
	cmd := &exec.Cmd{
		Path: program, Args: plugin.Command, Env: environment, Dir: "/", // Stdin is /dev/null
		Stdout: stdout, Stderr: r.stderr, WaitDelay: lingering,
	}
	if err := checkLengths(cmd); err != nil {
		return r, err
	}
	err = runGroup(ctx, cmd)
	if cmd.ProcessState != nil {
		r.status = cmd.ProcessState.ExitCode()
	}
	said := strings.TrimSpace(stdout.text.String()) == "allow"
	var exit *exec.ExitError
	switch {
	case stdout.overflown:
		return r, errFlood
	case ctx.Err() != nil && err != nil:
		return r, context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay):
		// It has exited 0; what it has started is not asked, and not waited for.
	case errors.As(err, &exit) && r.status == 1 && !said:
		return r, nil
	case errors.Is(err, syscall.E2BIG):
		return r, tooLong(cmd)
	case err != nil:
		return r, err
	}
	r.allow = said && r.status == 0
	return r, nil
}

// capture keeps the first bytes of an output, and takes the rest so that the program can go on.
type capture struct {
	most      int
	full      func() // called when there is more; may be nil
	text      bytes.Buffer
	overflown bool
}

func (c *capture) Write(data []byte) (int, error) {
	room := c.most - c.text.Len()
	if len(data) <= room {
		return c.text.Write(data)
	}
	c.text.Write(data[:room])
	if !c.overflown && c.full != nil {
		c.full()
	}
	c.overflown = true
	return len(data), nil
}
