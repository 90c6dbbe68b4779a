//go:build unix

package hostprogram_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"opkssh/internal/hostprogram"
)

const long = time.Hour

func TestRun(t *testing.T) {
	t.Setenv("OPKSSH_SECRET", "x")
	stdout, stderr, err := hostprogram.Run(t.Context(), long, "/bin/sh", "-c", `pwd; env | sort | grep -v ^_; cat; echo word >&2`)
	if want := "/\nLC_ALL=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\n"; stdout != want || stderr != "word\n" || err != nil {
		t.Errorf("got %q, %q, %v", stdout, stderr, err)
	}
}

// What a program prints before it fails is there, and its complaint is part of the error.
func TestError(t *testing.T) {
	for _, test := range []struct{ script, stdout, want string }{
		{"echo some; echo a >&2; echo b >&2; exit 3", "some\n", "exit status 3: a; b"},
		{"echo some; echo more; exit 1", "some\nmore\n", "exit status 1: some; more"},
		{"exit 2", "", "exit status 2"},
	} {
		stdout, _, err := hostprogram.Run(t.Context(), long, "/bin/sh", "-c", test.script)
		var exit *exec.ExitError
		if stdout != test.stdout || err == nil || err.Error() != test.want || !errors.As(err, &exit) {
			t.Errorf("%s: got %q, %v", test.script, stdout, err)
		}
	}
	if _, _, err := hostprogram.Run(t.Context(), long, "/nonexistent/program"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("expected %v, got %v", os.ErrNotExist, err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	stdout, stderr, err := hostprogram.Run(t.Context(), long, "/bin/sh", "-c",
		`head -c 9000000 /dev/zero; head -c 100000 /dev/zero >&2`)
	if len(stdout) != 8<<20 || len(stderr) != 64<<10 || err != nil {
		t.Errorf("got %d and %d bytes, %v", len(stdout), len(stderr), err)
	}
}

// Neither a program that does not end nor one that it leaves behind is waited for.
func TestEnd(t *testing.T) {
	if _, _, err := hostprogram.Run(t.Context(), time.Nanosecond, "/bin/sleep", "600"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("expected %v, got %v", context.DeadlineExceeded, err)
	}
	started := filepath.Join(t.TempDir(), "started")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(started); err == nil {
				cancel()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if _, _, err := hostprogram.Run(ctx, long, "/bin/sh", "-c", `touch "$0"; exec sleep 600`, started); !errors.Is(err, context.Canceled) {
		t.Errorf("expected %v, got %v", context.Canceled, err)
	}
	stdout, _, err := hostprogram.Run(t.Context(), long, "/bin/sh", "-c", "sleep 600 & echo $!")
	child, convErr := strconv.Atoi(strings.TrimSpace(stdout))
	if err != nil || convErr != nil {
		t.Fatalf("expected what was printed, got %q, %v", stdout, err)
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Errorf("expected that the child goes on: %v", err)
	}
}
