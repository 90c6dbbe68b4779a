package process_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"opkssh/integration/process"
)

// TestMain turns this test binary into the parent that TestChildDiesWithItsParent kills.
func TestMain(m *testing.M) {
	if os.Getenv("OPKSSH_TEST_PARENT") == "1" {
		os.Args = append(os.Args[:1], "-test.run=^TestParent$", "-test.v")
	}
	os.Exit(m.Run())
}

// TestParent starts a child, names it, and goes on until it is killed. Without its variable it only starts one.
func TestParent(t *testing.T) {
	p := process.Start(t, exec.Command("sh", "-c", "echo ready; exec sleep 600"))
	p.WaitLog(t, "ready")
	if os.Getenv("OPKSSH_TEST_PARENT") == "1" {
		if _, err := os.Stdout.WriteString("child " + strconv.Itoa(p.PID) + " of the parent\n"); err != nil {
			t.Fatal(err)
		}
		<-p.Done()
	}
}

// alive reports whether a process runs. One that has ended and waits to be reaped does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	// proc(5): the state follows the name in parentheses.
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func waitDead(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(process.Patience); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("expected the end of process %d", pid)
		}
	}
}

func TestEndsWithTheTest(t *testing.T) {
	var pids []int
	t.Run("inner", func(t *testing.T) {
		// The shell's own child, which it does not wait for, is in the same group. It does not heed SIGTERM.
		p := process.Start(t, exec.Command("sh", "-c", `(trap "" TERM; echo second $$ ready; sleep 600) & echo child $!; wait`))
		p.WaitLog(t, "ready")
		p.WaitLog(t, "child ")
		_, rest, _ := strings.Cut(p.Log(), "child ")
		pid, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil {
			t.Fatal(err)
		}
		pids = []int{p.PID, pid}
	})
	for _, pid := range pids {
		waitDead(t, pid)
	}
}

func TestChildDiesWithItsParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	// It is killed, so it does not clean up its folders.
	cmd.Env = append(os.Environ(), "OPKSSH_TEST_PARENT=1", "TMPDIR="+t.TempDir())
	parent := process.Start(t, cmd)
	parent.WaitLog(t, " of the parent")
	_, rest, _ := strings.Cut(parent.Log(), "child ")
	child, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(parent.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-parent.Done()
	waitDead(t, child)
}
