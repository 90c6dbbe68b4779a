// Package sshd starts the real OpenSSH server on a host of its own: private mounts give it accounts, /etc/opk, /var/cache/opkssh,
// /usr/local/bin, /home and /var/log, and nothing on the real machine changes. Many can run at the same time. It needs root on Linux.
package sshd

import (
	"crypto/ed25519"
	"crypto/rand"
	_ "embed"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/freeport"
	"opkssh/integration/process"
)

// CommandUser is the account under which AuthorizedKeysCommand runs, without a login shell.
const CommandUser = "opksshuser"

// BinDir is where sshd finds the programs that InstallBinary and InstallScript put there.
const BinDir = "/usr/local/bin"

// program is the server, which wants to be started by its absolute path.
const program = "/usr/sbin/sshd"

//go:embed host.sh
var hostScript string

// Config is what differs between hosts.
type Config struct {
	// AuthorizedKeysCommand is the whole command line, such as "/usr/local/bin/opkssh verify %u %k %t"; none where empty.
	// The program can be installed after the start. sshd demands that root owns it and all folders above it.
	AuthorizedKeysCommand string

	// AuthorizedKeysCommandUser is CommandUser where empty.
	AuthorizedKeysCommandUser string

	// Lines come before the others in sshd_config, and of most keywords the first line counts. What follows the first Match line comes last.
	Lines []string
}

// Server is a running sshd.
type Server struct {
	Port int // on 127.0.0.1

	// ConfigDir, CacheDir and LogDir are where the host's /etc/opk, /var/cache/opkssh and /var/log really are: a test reads and writes
	// there. The first belongs to root (0755), the second to CommandUser (0700).
	ConfigDir, CacheDir, LogDir string

	// HostKey is the public key that clients expect.
	HostKey ssh.PublicKey

	dir     string // all that the host has for itself
	process *process.Process
}

// Start runs sshd until the test ends. The accounts are root, those of Accounts, and CommandUser.
func Start(t testing.TB, c Config) *Server {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: sshd needs its own accounts and mounts")
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v (run integration/setup.sh first)", err)
	}
	dir := t.TempDir()
	s := &Server{
		Port:      freeport.Find(t),
		ConfigDir: filepath.Join(dir, "etc-opk"),
		CacheDir:  filepath.Join(dir, "cache"),
		LogDir:    filepath.Join(dir, "log"),
		dir:       dir,
	}
	s.makeFolders(t)
	writeAccounts(t, dir)
	s.writeHostKey(t)
	s.write(t, "sshd_config", s.config(t, c), 0o600)
	s.write(t, "host.sh", hostScript, 0o700)

	// Killing unshare kills the first process of its PID namespace, sshd, and so all its sessions.
	s.process = process.Start(t, exec.Command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
		"--mount-proc", filepath.Join(dir, "host.sh"), dir, program))
	s.process.WaitLog(t, fmt.Sprintf("Server listening on 127.0.0.1 port %d", s.Port))
	return s
}

// Log is what sshd has written until now, at level DEBUG.
func (s *Server) Log() string { return s.process.Log() }

// WaitLog waits until sshd has written text.
func (s *Server) WaitLog(t testing.TB, text string) {
	t.Helper()
	s.process.WaitLog(t, text)
}

// Home is where the home folder of an account really is.
func (s *Server) Home(account string) string { return filepath.Join(s.dir, "home", account) }

// InstallBinary copies the program at src into BinDir, owned by root, and returns the path by which sshd knows it.
func (s *Server) InstallBinary(t testing.TB, src, name string) string {
	t.Helper()
	// Another process writes the file: a child that this one happens to start at the same time would keep it open, too busy to run.
	install := exec.Command("install", "-o", "root", "-g", "root", "-m", "0755", src, filepath.Join(s.dir, "bin", name))
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("install: %v\n%s", err, out)
	}
	return BinDir + "/" + name
}

// InstallScript installs a program with this text.
func (s *Server) InstallScript(t testing.TB, name, text string) string {
	t.Helper()
	src := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(src, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return s.InstallBinary(t, src, name)
}

// Chown gives a file of the host, by its real path, to an account.
func (s *Server) Chown(t testing.TB, path, account string) {
	t.Helper()
	id := 0
	if account != "root" {
		id = accountID(t, account)
	}
	if err := os.Lchown(path, id, id); err != nil {
		t.Fatal(err)
	}
}

// Exec runs a program on the host as account, in /, with a minimal environment.
func (s *Server) Exec(t testing.TB, account string, command ...string) Result {
	t.Helper()
	return run(t, s.command(account, command...))
}

func (s *Server) command(account string, command ...string) *exec.Cmd {
	namespaces := fmt.Sprintf("/proc/%d/ns/", s.process.PID)
	args := append([]string{
		"--mount=" + namespaces + "mnt", "--pid=" + namespaces + "pid_for_children",
		"setpriv", "--reuid=" + account, "--regid=" + account, "--init-groups", "--",
	}, command...)
	cmd := exec.Command("nsenter", args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"}
	return cmd
}

// TrustCA adds the certificates in file (PEM) to those that the host's programs trust.
func (s *Server) TrustCA(t testing.TB, file string) {
	t.Helper()
	certificates, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = certificates.Close() }()
	add := s.command("root", "sh", "-c", "mkdir -p /etc/ssl/certs && cat >>/etc/ssl/certs/ca-certificates.crt")
	add.Stdin = certificates
	if r := run(t, add); r.ExitCode != 0 {
		t.Fatalf("trust a certificate authority: %+v", r)
	}
}

// Reload makes sshd read its configuration again. Connections stay. The log names the port once more when it is done.
func (s *Server) Reload(t testing.TB) {
	t.Helper()
	listening := fmt.Sprintf("Server listening on 127.0.0.1 port %d", s.Port)
	before := strings.Count(s.Log(), listening)
	if r := s.Exec(t, "root", "kill", "-HUP", "1"); r.ExitCode != 0 {
		t.Fatalf("reload: %+v", r)
	}
	s.process.WaitFor(t, "sshd to listen again", func() bool { return strings.Count(s.Log(), listening) > before })
}

// makeFolders makes what host.sh mounts.
func (s *Server) makeFolders(t testing.TB) {
	t.Helper()
	s.mkdir(t, "overlay", 0o755, "root")
	s.mkdir(t, "etc-opk", 0o755, "root")
	s.mkdir(t, "cache", 0o700, CommandUser)
	s.mkdir(t, "log", 0o755, "root")
	s.mkdir(t, "bin", 0o755, "root")
	s.mkdir(t, "home", 0o755, "root")
	for _, account := range append([]string{"root"}, Accounts...) {
		s.mkdir(t, "home/"+account, 0o700, account)
	}
}

// mkdir makes a folder with this very mode, whatever the umask.
func (s *Server) mkdir(t testing.TB, name string, mode os.FileMode, account string) {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.Mkdir(path, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	s.Chown(t, path, account)
}

// writeHostKey makes the host's key.
func (s *Server) writeHostKey(t testing.TB) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "host_key", string(pem.EncodeToMemory(block)), 0o600)
	if s.HostKey, err = ssh.NewPublicKey(key.Public()); err != nil {
		t.Fatal(err)
	}
}

// config is the host's sshd_config.
func (s *Server) config(t testing.TB, c Config) string {
	t.Helper()
	match := slices.IndexFunc(c.Lines, func(line string) bool { return strings.HasPrefix(line, "Match ") })
	if match < 0 {
		match = len(c.Lines)
	}
	lines := slices.Clone(c.Lines[:match])
	if c.AuthorizedKeysCommand != "" {
		user := c.AuthorizedKeysCommandUser
		if user == "" {
			user = CommandUser
		}
		lines = append(lines, "AuthorizedKeysCommand "+c.AuthorizedKeysCommand, "AuthorizedKeysCommandUser "+user)
	}
	lines = append(lines,
		"AddressFamily inet",
		"ListenAddress 127.0.0.1",
		"Port "+strconv.Itoa(s.Port),
		"HostKey /etc/ssh/ssh_host_ed25519_key",
		"PidFile none",
		"LogLevel DEBUG",
		"UsePAM no",
		"UseDNS no",
		"StrictModes yes",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"ChallengeResponseAuthentication no", // the same before OpenSSH 8.7
		"PermitRootLogin prohibit-password",
		"PrintMotd no",
		"MaxStartups 1000",
		"Subsystem sftp internal-sftp",
	)
	// Failed logins lock addresses out since then.
	if !Before(t, 9, 8) {
		lines = append(lines, "PerSourcePenalties no")
	}
	return strings.Join(append(lines, c.Lines[match:]...), "\n") + "\n"
}

// Before reports whether the machine's OpenSSH is older than a version.
func Before(t testing.TB, major, minor int) bool {
	t.Helper()
	out, err := exec.Command("ssh", "-V").CombinedOutput()
	if err != nil {
		t.Fatalf("ssh -V: %v (run integration/setup.sh first)", err)
	}
	return Older(t, string(out), major, minor)
}

// Older reports whether what ssh -V prints is older than a version.
func Older(t testing.TB, printed string, major, minor int) bool {
	t.Helper()
	var itsMajor, itsMinor int
	if _, err := fmt.Sscanf(printed, "OpenSSH_%d.%d", &itsMajor, &itsMinor); err != nil {
		t.Fatalf("expected OpenSSH_X.Y, got %q", printed)
	}
	return itsMajor < major || itsMajor == major && itsMinor < minor
}

// knownHosts is the line for a client's known_hosts file.
func (s *Server) knownHosts() string {
	return fmt.Sprintf("%s,[127.0.0.1]:%d %s", HostName, s.Port, ssh.MarshalAuthorizedKey(s.HostKey))
}

func (s *Server) write(t testing.TB, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
