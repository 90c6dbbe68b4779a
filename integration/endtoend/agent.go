package endtoend

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"opkssh/integration/process"
)

// StartAgent gives the person the system's ssh-agent until the test ends.
func (p *Person) StartAgent(t testing.TB) {
	t.Helper()
	// Not t.TempDir, whose names may be too long for a socket.
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait()
		_ = os.RemoveAll(dir)
	})
	for end := time.Now().Add(process.Patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close()
			p.Agent = socket
			return
		}
	}
	t.Fatalf("expected an ssh-agent within %v", process.Patience)
}
