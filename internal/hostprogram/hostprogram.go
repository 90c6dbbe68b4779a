// Package hostprogram runs programs of the system that root's commands ask or tell: sshd, systemctl, journalctl. A login, which has less
// time and more to fear, has package hostfiles for that.
package hostprogram

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	maxOutput    = 8 << 20
	maxComplaint = 64 << 10
)

// Run runs a program by its absolute path in the folder /, without standard input, in an environment of its own: PATH, and LC_ALL=C. It
// is killed when that takes longer than within. Run gives what the program prints, the beginning of it where it is more than 8 MiB, or
// 64 KiB on standard error. What the program leaves behind may hold its output open for a second more. The error is [*Error].
func Run(ctx context.Context, within time.Duration, program string, args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.WaitDelay = time.Second
	out, complaint := &bounded{most: maxOutput}, &bounded{most: maxComplaint}
	cmd.Stdout, cmd.Stderr = out, complaint
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		said := strings.TrimSpace(complaint.String())
		if said == "" {
			said = strings.TrimSpace(out.String())
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("expected an end within %v: %w", within, ctx.Err())
		}
		return out.String(), complaint.String(), &Error{Err: err, Said: strings.Join(strings.Split(said, "\n"), "; ")}
	}
	return out.String(), complaint.String(), nil
}

// FirstFile gives the first of paths that is there, or "".
func FirstFile(paths ...string) string {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// Error is a program that could not be run, or that ended with a status other than 0.
type Error struct {
	Err  error
	Said string // what it printed, on one line: its complaint, if there is one
}

func (e *Error) Error() string {
	if e.Said == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v: %s", e.Err, e.Said)
}

func (e *Error) Unwrap() error { return e.Err }

// bounded keeps the beginning of what is written to it.
type bounded struct {
	kept bytes.Buffer // not embedded: a copy would go round Write, by its ReadFrom
	most int
}

func (b *bounded) Write(data []byte) (int, error) {
	if room := b.most - b.kept.Len(); room < len(data) {
		_, err := b.kept.Write(data[:max(room, 0)])
		return len(data), err
	}
	return b.kept.Write(data)
}

func (b *bounded) String() string { return b.kept.String() }
