//go:build unix

package hostfiles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// programTimeout is how long a program of the system may take. A login waits for it.
const programTimeout = 2 * time.Second

// programAnswer is what a program wrote.
type programAnswer struct {
	stdout []byte
	stderr string // the beginning of it
}

// complaint is standard error, for the end of a message.
func (a *programAnswer) complaint() string {
	if a == nil || a.stderr == "" {
		return ""
	}
	return ": " + strings.Join(strings.Split(a.stderr, "\n"), "; ")
}

// firstProgram gives the first of paths that is a program which only root, or we ourselves, could have put there, or "".
func firstProgram(paths []string) string {
	for _, path := range paths {
		if _, err := ownedProgram("", path, owners{effectiveUID()}); err == nil {
			return path
		}
	}
	return ""
}

// runProgram runs a program by its absolute path, without standard input and with an environment of its own, in a process group
// that is killed after programTimeout or when the program writes more than most bytes. What it wrote is there for
// an error of type [*exec.ExitError], too.
//
// It does not wait for a program that cannot be killed, as sudo cannot: the pipes are closed, and that has to do.
func runProgram(ctx context.Context, most int, path string, args ...string) (*programAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, programTimeout)
	defer cancel()
	cmd := exec.Command(path, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	end := func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = stdout.Close()
		_ = stderr.Close()
	}
	type outcome struct {
		answer *programAnswer
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		complaint := make(chan string, 1)
		go func() { complaint <- readComplaint(stderr) }()
		data, err := io.ReadAll(io.LimitReader(stdout, int64(most)+1))
		if len(data) > most {
			end()
			err = fmt.Errorf("expected at most %d bytes, got more", most)
		}
		answer := &programAnswer{stdout: data, stderr: <-complaint}
		// A pipe that was closed because of the time says less than what Wait or the context says.
		if waitErr := cmd.Wait(); err == nil || errors.Is(err, os.ErrClosed) {
			err = waitErr
		}
		done <- outcome{answer, err}
	}()
	select {
	case o := <-done:
		return o.answer, o.err
	case <-ctx.Done():
		end()
		return nil, fmt.Errorf("expected an end within %v: %w", programTimeout, ctx.Err())
	}
}

// readComplaint reads standard error to its end, and keeps the beginning.
func readComplaint(stderr io.Reader) string {
	const most = 1 << 10
	text, _ := io.ReadAll(io.LimitReader(stderr, most))
	_, _ = io.Copy(io.Discard, stderr)
	return strings.TrimSpace(string(text))
}
