package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// hostName is the server's name in the demo's own ssh_config.
const hostName = "demo"

// sshFailure is the status with which ssh ends where no session came about (ssh(1), EXIT STATUS).
const sshFailure = 255

// sshClient is the system's ssh with a folder in the place of ~/.ssh. All names of files are relative to the folder, which
// may have any name then.
type sshClient struct {
	program string
	folder  string
}

// findSSH looks for ssh in PATH.
func findSSH() (string, error) {
	program, err := exec.LookPath("ssh")
	if err != nil {
		return "", errors.New("ssh is not installed\n" +
			"hint: Debian, Ubuntu: apt install openssh-client; Fedora: dnf install openssh-clients; Alpine: apk add openssh-client;\n" +
			"hint: macOS has it; Windows: the optional feature OpenSSH Client")
	}
	return filepath.Abs(program)
}

// newSSHClient writes the configuration for the server.
func newSSHClient(program, folder string, server *sshServer) (*sshClient, error) {
	host, port, err := net.SplitHostPort(server.Address)
	if err != nil {
		return nil, err
	}
	knownHosts := hostName + " " + string(ssh.MarshalAuthorizedKey(server.HostKey))
	config := fmt.Sprintf(`Host %s
  HostName %s
  Port %s
  HostKeyAlias %[1]s
  UserKnownHostsFile known_hosts
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  UpdateHostKeys no
  IdentitiesOnly yes
  IdentityAgent none
  PreferredAuthentications publickey
  BatchMode yes
  ControlPath none
  ConnectTimeout 30
`, hostName, host, port)
	return &sshClient{program: program, folder: folder}, errors.Join(
		os.WriteFile(filepath.Join(folder, "known_hosts"), []byte(knownHosts), 0o600),
		os.WriteFile(filepath.Join(folder, "ssh_config"), []byte(config), 0o600),
	)
}

// sshResult is how an ssh ended.
type sshResult struct {
	status         int
	stdout, stderr string
}

// run logs in as user with the key in the file identity. The error is for an ssh that could not be started, or was ended.
func (c *sshClient) run(ctx context.Context, user, identity string) (*sshResult, error) {
	ssh := exec.CommandContext(ctx, c.program, c.arguments(user, identity)...)
	ssh.Dir = c.folder
	ssh.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "SSH_") })
	var stdout, stderr bytes.Buffer
	ssh.Stdout, ssh.Stderr = &stdout, &stderr
	err := ssh.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	return &sshResult{status: ssh.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}, nil
}

func (c *sshClient) arguments(user, identity string) []string {
	return []string{"-F", "ssh_config", "-i", identity, user + "@" + hostName, command}
}

// commandLine is what a person would type in the folder.
func (c *sshClient) commandLine(user, identity string) string {
	return "ssh " + strings.Join(c.arguments(user, identity), " ")
}
