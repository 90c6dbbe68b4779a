package usercli_test

import (
	"net"
	"os/exec"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"opkssh/pkg/sshcert"
)

// sshAgent starts the system's ssh-agent until the script's end, and names it in SSH_AUTH_SOCK.
func sshAgent(ts *testscript.TestScript, _ bool, _ []string) {
	socket := ts.MkAbs("agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	ts.Check(agent.Start())
	ts.Defer(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait()
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close()
			ts.Setenv("SSH_AUTH_SOCK", socket)
			return
		}
	}
	ts.Fatalf("no ssh-agent after a minute")
}

// waitForEmptyAgent waits until the agent has dropped its keys.
func waitForEmptyAgent(ts *testscript.TestScript, _ bool, _ []string) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		// Its status is 1 where it sees none.
		if ts.Exec("ssh-add", "-l") != nil && ts.ReadFile("stdout") == "The agent has no identities.\n" {
			return
		}
	}
	ts.Fatalf("the agent holds keys after a minute")
}

// waitForEnd waits until the certificate in a file has ended.
func waitForEnd(ts *testscript.TestScript, _ bool, args []string) {
	cert, _, err := sshcert.ParseLine([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	time.Sleep(time.Until(time.Unix(int64(cert.SSH().ValidBefore), 0)))
}
