// Package installer puts the built verifier into Debian systems of its own, made by debootstrap, and runs them in private
// namespaces: nothing on the real machine changes. It needs root on Linux.
package installer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/freeport"
	"opkssh/integration/process"
	"opkssh/integration/sshd"
)

// Root is a clean Debian system in a folder, with sshd, sudo and Python, and the user alice.
type Root struct {
	Dir string

	process *process.Process
	port    int
}

// archive is the system that integration/setup.sh has made.
const archive = "debian-root.tar"

// New unpacks the system.
func New(t testing.TB) *Root {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tar := exec.Command("tar", "--extract", "--numeric-owner", "--preserve-permissions", "--xattrs", "--file", archive, "--directory", dir)
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("%v (run integration/setup.sh first)\n%s", err, out)
	}
	return &Root{Dir: dir}
}

// Boot runs the system's sshd, as its configuration says but for the port, until the test ends. Logs and what else is not
// to be compared are in private mounts.
func (r *Root) Boot(t testing.TB) {
	t.Helper()
	r.port = freeport.Find(t)
	const script = `set -eu
mount -t tmpfs -o mode=0755 tmpfs "$1/run"
mount -t tmpfs -o mode=0755 tmpfs "$1/var/log"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount -t proc proc "$1/proc"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
mkdir -m 0755 "$1/run/sshd"
exec chroot "$1" /usr/sbin/sshd -D -e -o "Port $2" -o 'ListenAddress 127.0.0.1' -o 'LogLevel DEBUG'
`
	r.process = process.Start(t, exec.Command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
		"sh", "-c", script, "sh", r.Dir, fmt.Sprint(r.port)))
	r.process.WaitLog(t, fmt.Sprintf("Server listening on 127.0.0.1 port %d", r.port))
}

// Run runs a program in the system, as root, and gives how it ended.
func (r *Root) Run(t testing.TB, command ...string) sshd.Result {
	t.Helper()
	namespaces := fmt.Sprintf("/proc/%d/ns/", r.process.PID)
	cmd := exec.Command("nsenter", append([]string{
		"--mount=" + namespaces + "mnt", "--pid=" + namespaces + "pid_for_children", "chroot", r.Dir,
	}, command...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return sshd.Result{Stdout: stdout.String(), Stderr: stderr.String(), ExitCode: cmd.ProcessState.ExitCode()}
}

// Reload makes sshd read its configuration.
func (r *Root) Reload(t testing.TB) {
	t.Helper()
	listening := fmt.Sprintf("Server listening on 127.0.0.1 port %d", r.port)
	before := strings.Count(r.process.Log(), listening)
	if result := r.Run(t, "sh", "-c", "kill -HUP $(cat /run/sshd.pid)"); result.ExitCode != 0 {
		t.Fatalf("%+v", result)
	}
	r.process.WaitFor(t, "sshd to listen again", func() bool { return strings.Count(r.process.Log(), listening) > before })
}

// Log is what sshd has written.
func (r *Root) Log() string { return r.process.Log() }

// Client is somebody who wants to log in to the system.
func (r *Root) Client(t testing.TB, identity, certificate string) *sshd.Client {
	t.Helper()
	line, err := os.ReadFile(filepath.Join(r.Dir, "etc/ssh/ssh_host_ed25519_key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		t.Fatal(err)
	}
	return (&sshd.Server{Port: r.port, HostKey: key}).Client(t, identity, certificate)
}

// Write writes a file of the system as an administrator would.
func (r *Root) Write(t testing.TB, name, text string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(r.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
