package compatibility_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
	"opkssh/integration/freeport"
	"opkssh/integration/process"
	"opkssh/integration/sshd"
)

// releases are those of Debian, oldest first.
var releases = []string{"bullseye", "bookworm", "trixie", "sid"}

// packages have the clients besides ssh. curl brings libssh2.
var packages = []string{"curl", "dropbear-bin", "libssh-4", "putty-tools", "python3-asyncssh", "python3-paramiko"}

// release is a Debian in a folder, with its ssh, and with an sshd that asks our verifier.
type release struct {
	name, version string // such as OpenSSH_8.4p1
	tree          string
	port          int
	server        *process.Process
	hostKey       ssh.PublicKey
}

// mirror is where this machine's apt gets Debian from.
func mirror(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian", "Component: main").Output()
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	if first == "" {
		t.Fatal("expected apt to know a repository of Debian (run apt-get update)")
	}
	return first
}

// bootstrap makes the release's folder, or takes the one of an earlier run from the folder that the variable RELEASES names.
func bootstrap(t *testing.T, name string) *release {
	t.Helper()
	r := &release{name: name, port: freeport.Find(t)}
	if kept := os.Getenv("RELEASES"); kept != "" {
		r.tree = filepath.Join(kept, name)
	} else {
		r.tree = filepath.Join(t.TempDir(), name)
	}
	if _, err := os.Stat(r.path("usr/sbin/sshd")); err != nil {
		cmd := exec.Command("debootstrap", "--variant=minbase", "--include=openssh-server,openssh-client", name, r.tree, mirror(t))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("debootstrap %s: %v (install debootstrap and debian-archive-keyring first)\n%s", name, err, out)
		}
	}
	r.install(t, packages...)
	out, err := exec.Command("chroot", r.tree, "ssh", "-V").CombinedOutput()
	if err != nil {
		t.Fatalf("%s: ssh -V: %v\n%s", name, err, out)
	}
	r.version, _, _ = strings.Cut(string(bytes.TrimSpace(out)), " ")
	r.version = strings.TrimSuffix(r.version, ",")
	return r
}

func (r *release) install(t *testing.T, packages ...string) {
	t.Helper()
	// The release's lists may be old for the clock of this machine. They are signed all the same.
	const script = `dpkg --status "$@" >/dev/null 2>&1 || {
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q -o Acquire::Check-Valid-Until=false update
	apt-get -q -y --no-install-recommends install "$@"
}`
	if out, err := exec.Command("chroot", append([]string{r.tree, "sh", "-euc", script, "sh"}, packages...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: packages: %v\n%s", r.name, err, out)
	}
}

// before says whether the release's OpenSSH is older than this version.
func (r *release) before(t *testing.T, major, minor int) bool {
	t.Helper()
	return sshd.Older(t, r.version, major, minor)
}

func (r *release) path(name string) string { return filepath.Join(r.tree, name) }

func (r *release) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	path := r.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// Another process may run the file that is there.
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

const accounts = `
for name in alice bob opksshuser; do
	id "$name" >/dev/null 2>&1 || useradd --create-home --shell /bin/sh --password '*' "$name"
done
rm -rf /var/cache/opkssh
install -d -m 0700 -o opksshuser -g opksshuser /var/cache/opkssh
install -d -m 0755 /run/sshd /etc/opk
rm -f /etc/ssh/ssh_host_ed25519_key*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
install -m 0600 -o alice /dev/null /home/alice/name
echo alice >/home/alice/name
`

// agentSocket is where the release's ssh-agent listens.
const agentSocket = "run/agent"

// serve starts the release's sshd and ssh-agent in mounts of their own. config has the files of /etc/opk.
func (r *release) serve(t *testing.T, config map[string]string) {
	t.Helper()
	if out, err := exec.Command("chroot", r.tree, "sh", "-euc", accounts).CombinedOutput(); err != nil {
		t.Fatalf("%s: accounts: %v\n%s", r.name, err, out)
	}
	program, err := os.ReadFile(endtoend.Verifier(t))
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "usr/local/bin/verifier", string(program), 0o755)
	for name, text := range config {
		r.write(t, "etc/opk/"+name, text, 0o644)
	}
	sshdConfig := fmt.Sprintf(`AuthorizedKeysCommand /usr/local/bin/verifier verify %%u %%k %%t
AuthorizedKeysCommandUser opksshuser
ListenAddress 127.0.0.1
Port %d
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile none
LogLevel DEBUG
UsePAM no
UseDNS no
AuthenticationMethods publickey
PasswordAuthentication no
Subsystem sftp internal-sftp
MaxStartups 1000
`, r.port)
	// Since OpenSSH 9.8, refusals lock an address out for a while.
	if !r.before(t, 9, 8) {
		sshdConfig += "PerSourcePenalties no\n"
	}
	r.write(t, "etc/ssh/sshd_config", sshdConfig, 0o644)
	const start = `mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
rm -f "$1/$2"
chroot "$1" ssh-agent -a "/$2" >/dev/null
exec chroot "$1" /usr/sbin/sshd -D -e`
	r.server = process.Start(t, exec.Command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
		"sh", "-euc", start, "sh", r.tree, agentSocket))
	r.server.WaitLog(t, fmt.Sprintf("Server listening on 127.0.0.1 port %d", r.port))
	line, err := os.ReadFile(r.path("etc/ssh/ssh_host_ed25519_key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if r.hostKey, _, _, _, err = ssh.ParseAuthorizedKey(line); err != nil {
		t.Fatal(err)
	}
}

func (r *release) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// within runs a program of the release, where its sshd runs.
func (r *release) within(args ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--mount", "--target", strconv.Itoa(r.server.PID), "chroot", r.tree}, args...)...)
	cmd.Env = []string{"HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	return cmd
}
