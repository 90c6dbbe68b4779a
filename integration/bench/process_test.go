package bench_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command is a program with its arguments and, in the place of ours, its environment.
type command struct {
	args, environment []string
	unprivileged      bool // as sshd runs the verifier
}

// nobody is a user without any rights, as opksshuser is.
const nobody = 65534

// run runs it to its end. It must not fail, and print what begins with want, or nothing where want is empty.
func (c command) run(b *testing.B, want string) (out string, took time.Duration) {
	b.Helper()
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Env = append([]string{}, c.environment...) // nil would be ours
	if c.unprivileged {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	start := time.Now()
	data, err := cmd.Output()
	took = time.Since(start)
	if out = string(data); err != nil || !strings.HasPrefix(out, want) || want == "" && out != "" {
		b.Fatalf("%s: expected %q, got %q, %v", cmd, want, out, err)
	}
	return out, took
}

func (c command) timed(b *testing.B, want string) timed {
	return func() time.Duration {
		_, took := c.run(b, want)
		return took
	}
}

// installed is a copy of a program, as on a host. What a linker has just written is kept in smaller pieces by the kernel, which costs
// a program of ten megabytes a fifth of its start.
func installed(b *testing.B, program string) string {
	b.Helper()
	place := filepath.Join(b.TempDir(), filepath.Base(program))
	if out, err := exec.Command("install", program, place).CombinedOutput(); err != nil {
		b.Fatalf("install: %v\n%s", err, out)
	}
	return place
}

// helper builds one of the programs below this folder, as a release is built.
func helper(b *testing.B, name string) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return installed(b, program)
}

// helloName is what others are compared with.
const helloName = "a Go program that prints one line"

func hello(b *testing.B) timed {
	b.Helper()
	return command{args: []string{helper(b, "hello")}}.timed(b, "hello\n")
}

func write(b *testing.B, file, text string) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
}
