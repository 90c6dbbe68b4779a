// Package process runs the programs that a test needs beside it and ends them with the test.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a test waits for something that another process does. It only matters to a test that fails.
const Patience = 60 * time.Second

// Process is a running program. Its output is in a file, which the test prints when it fails.
type Process struct {
	// PID is the process, and its process group.
	PID int

	log  string
	done chan struct{}
}

// Start runs cmd in a process group of its own with its output in a file. The group is ended with the test: by SIGTERM, then SIGKILL.
// The kernel ends the process when the test binary dies.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	name := filepath.Base(cmd.Path)
	p := &Process{log: filepath.Join(t.TempDir(), name+".log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL

	started := make(chan error)
	go func() {
		// Pdeathsig fires when the thread that started the process ends, so this thread stays until the process has ended.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("%v (run integration/setup.sh first)", err)
	}
	p.PID = cmd.Process.Pid
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("output of %s:\n%s", name, shortened(p.Log()))
		}
	})
	return p
}

// What is printed of a log: most of them whole. A crowd's has 3 MiB, in which nobody would find why the test failed.
const (
	logHead = 16 << 10
	logTail = 64 << 10
)

func shortened(log string) string {
	if len(log) <= logHead+logTail {
		return log
	}
	head, tail := log[:logHead], log[len(log)-logTail:]
	return fmt.Sprintf("%s\n[%d bytes left out]\n%s", head, len(log)-logHead-logTail, tail)
}

// Log is what the process has written until now.
func (p *Process) Log() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// WaitLog waits until the process has written text, and fails the test where it ends before, or does not within Patience.
func (p *Process) WaitLog(t testing.TB, text string) {
	t.Helper()
	p.WaitFor(t, "output "+text, func() bool { return strings.Contains(p.Log(), text) })
}

// WaitFor waits until ready is true, and fails the test where the process ends before, or Patience does.
func (p *Process) WaitFor(t testing.TB, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ready() {
			return
		}
		select {
		case <-p.done:
			// The last words may have come between the two looks.
			if ready() {
				return
			}
			t.Fatalf("expected %s, got the end of the process", what)
		default:
		}
	}
	t.Fatalf("expected %s within %v", what, Patience)
}

func (p *Process) end() {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(-p.PID, signal); errors.Is(err, syscall.ESRCH) {
			break
		}
		select {
		case <-p.done:
			// What the process left behind in its group goes as well.
			_ = syscall.Kill(-p.PID, syscall.SIGKILL)
			return
		case <-time.After(10 * time.Second):
		}
	}
	<-p.done
}
