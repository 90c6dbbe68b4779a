package sshd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/process"
)

// HostName is the server's name in the arguments of SCP and SFTP, as in alice@host:file.
const HostName = "host"

// Result is how a program ended.
type Result struct {
	Stdout, Stderr string
	ExitCode       int
}

// Client runs the system's ssh, scp and sftp, with a configuration, known hosts and a home folder of its own, and without an agent.
type Client struct {
	Home   string // its home folder
	Config string // its ssh_config
}

// Client makes a client of this server with an identity (a private key's path) and a certificate (its path, empty for none but
// the one beside the identity). Lines are further lines for ssh_config; the first line of a keyword counts.
func (s *Server) Client(t testing.TB, identity, certificate string, lines ...string) *Client {
	t.Helper()
	home := t.TempDir()
	c := &Client{Home: home, Config: filepath.Join(home, "ssh_config")}
	knownHosts := filepath.Join(home, "known_hosts")
	if certificate != "" {
		lines = append(lines, "CertificateFile "+quoted(certificate))
	}
	lines = append(lines,
		"HostName 127.0.0.1",
		fmt.Sprintf("Port %d", s.Port),
		"HostKeyAlias "+HostName,
		"IdentityFile "+quoted(identity),
		"IdentitiesOnly yes",
		"IdentityAgent none",
		"UserKnownHostsFile "+quoted(knownHosts),
		"GlobalKnownHostsFile /dev/null",
		"StrictHostKeyChecking yes",
		"PreferredAuthentications publickey",
		"BatchMode yes",
		"ConnectTimeout 60",
	)
	for path, text := range map[string]string{knownHosts: s.knownHosts(), c.Config: strings.Join(lines, "\n") + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// quoted is a path for ssh_config. Before OpenSSH 8.7 an equals sign, as in the names of some tests' folders, ends a word without quotes.
func quoted(path string) string { return `"` + path + `"` }

// SSH runs ssh as user, or as whom the lines of ssh_config name if user is empty, with a command for the server. Flags of ssh are given to Server.Client as lines of ssh_config.
func (c *Client) SSH(t testing.TB, user string, command ...string) Result {
	t.Helper()
	return c.run(t, "", append([]string{"ssh", "-F", c.Config, strings.TrimPrefix(user+"@"+HostName, "@")}, command...))
}

// As is the client with a user in ssh_config. Since OpenSSH 10.6 the command line refuses a backslash, which names of
// domains have.
func (c *Client) As(t testing.TB, user string) *Client {
	t.Helper()
	text, err := os.ReadFile(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	as := &Client{Home: c.Home, Config: filepath.Join(t.TempDir(), "ssh_config")}
	if err := os.WriteFile(as.Config, append([]byte("User "+user+"\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	return as
}

// SCP runs scp with these arguments, in which alice@host:file is a file on the server.
func (c *Client) SCP(t testing.TB, args ...string) Result {
	t.Helper()
	return c.run(t, "", append([]string{"scp", "-F", c.Config}, args...))
}

// SFTP runs sftp as user with a batch of commands, one a line.
func (c *Client) SFTP(t testing.TB, user, batch string) Result {
	t.Helper()
	return c.run(t, batch, []string{"sftp", "-F", c.Config, "-b", "-", user + "@" + HostName})
}

func (c *Client) run(t testing.TB, stdin string, args []string) Result {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = c.Home
	cmd.Env = []string{"HOME=" + c.Home, "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = strings.NewReader(stdin)
	return run(t, cmd)
}

// run waits for a program's end, whatever its exit code. It fails the test where the program cannot be started or does not end.
func run(t testing.TB, cmd *exec.Cmd) Result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// What a program leaves behind may hold its output open.
	cmd.WaitDelay = time.Second
	ctx, cancel := context.WithTimeout(context.Background(), process.Patience)
	defer cancel()
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (run integration/setup.sh first)", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	if ctx.Err() != nil {
		t.Fatalf("%s: expected an end within %v\n%s", cmd, process.Patience, stderr.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("%s: %v", cmd, err)
	}
	return Result{Stdout: stdout.String(), Stderr: stderr.String(), ExitCode: cmd.ProcessState.ExitCode()}
}

// Identity is a key pair in files, as ssh-keygen makes it.
type Identity struct {
	File          string // the private key; the public key is in File.pub
	AuthorizedKey string // the public key as a line for authorized_keys, without a newline
}

// NewIdentity makes an Ed25519 key pair.
func NewIdentity(t testing.TB) Identity {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	line := ssh.MarshalAuthorizedKey(public)
	file := filepath.Join(t.TempDir(), "id_ed25519")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".pub", line, 0o644); err != nil {
		t.Fatal(err)
	}
	return Identity{File: file, AuthorizedKey: strings.TrimSuffix(string(line), "\n")}
}

// Forward connects standard input and output to a port of the server's 127.0.0.1 (ssh -W), and returns what comes back until the
// other end closes or the connection is refused.
func (c *Client) Forward(t testing.TB, user string, port int) Result {
	t.Helper()
	// A line that no SSH server likes, so that sshd at the far end closes.
	return c.run(t, "GET / HTTP/1.0\r\n\r\n", []string{"ssh", "-F", c.Config, "-W", fmt.Sprintf("127.0.0.1:%d", port), user + "@" + HostName})
}
