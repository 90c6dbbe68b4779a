package endtoend

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opkssh/integration/process"
)

// Terminal is a program at a pseudo-terminal, as a person at a console or in an ssh session has it.
type Terminal struct {
	keys   *os.File
	cmd    *exec.Cmd
	screen chan string
	shown  strings.Builder
}

// StartAtTerminal runs opkssh with args and a terminal of its own. variables are added to the person's environment.
func (p *Person) StartAtTerminal(t testing.TB, variables []string, args ...string) *Terminal {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	size := &unix.Winsize{Row: 60, Col: 100}
	if err := unix.IoctlSetWinsize(int(keys.Fd()), unix.TIOCSWINSZ, size); err != nil {
		t.Fatal(err)
	}
	line, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(Opkssh(t), args...)
	cmd.Env = append(p.Environment(), variables...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = line, line, line
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = line.Close()
	r := &Terminal{keys: keys, cmd: cmd, screen: make(chan string)}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = keys.Close() })
	go func() {
		defer close(r.screen)
		for {
			buffer := make([]byte, 4096)
			n, err := keys.Read(buffer) // fails when the last program has closed its end
			if n > 0 {
				r.screen <- string(buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	return r
}

// WaitFor waits until the screen has shown what matches, and gives the match. It ends the test if the program ends before.
func (r *Terminal) WaitFor(t testing.TB, expression string) string {
	t.Helper()
	wanted := regexp.MustCompile(expression)
	for end := time.After(process.Patience); ; {
		if match := wanted.FindString(r.Shown()); match != "" {
			return match
		}
		select {
		case text, more := <-r.screen:
			if !more {
				t.Fatalf("expected %s, got\n%s", expression, r.Shown())
			}
			r.shown.WriteString(text)
		case <-end:
			t.Fatalf("expected %s within %v, got\n%s", expression, process.Patience, r.Shown())
		}
	}
}

// Shown is what has been on the screen until now.
func (r *Terminal) Shown() string { return strings.ReplaceAll(r.shown.String(), "\r\n", "\n") }

// Type is what the person types or pastes.
func (r *Terminal) Type(t testing.TB, keys string) {
	t.Helper()
	if _, err := r.keys.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// Wait waits for the end of the program.
func (r *Terminal) Wait(t testing.TB) (shown string, exitCode int) {
	t.Helper()
	for end := time.After(process.Patience); ; {
		select {
		case text, more := <-r.screen:
			if !more {
				_ = r.cmd.Wait()
				return r.Shown(), r.cmd.ProcessState.ExitCode()
			}
			r.shown.WriteString(text)
		case <-end:
			t.Fatalf("expected an end within %v, got\n%s", process.Patience, r.Shown())
		}
	}
}
