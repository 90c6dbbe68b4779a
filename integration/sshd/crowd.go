package sshd

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"opkssh/integration/process"
)

// crowdScript starts all before it waits for one.
const crowdScript = `n=0; while [ $n -lt "$2" ]; do ssh -F "$1" "$3" "$4" & n=$((n+1)); done; wait`

// Crowd runs ssh as user n times at once, and returns what all of them wrote, in no order. They are started by a shell, since the
// test may have to answer for the provider meanwhile.
func (c *Client) Crowd(t testing.TB, n int, user, command string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), process.Patience+time.Duration(n)*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", crowdScript, "sh", c.Config, strconv.Itoa(n), user+"@"+HostName, command)
	cmd.Dir = c.Home
	cmd.Env = []string{"HOME=" + c.Home, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); err != nil {
		t.Fatalf("%d times ssh: %v\n%s", n, err, errors.String())
	}
	return out.String(), errors.String()
}
