package installer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/installer"
	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
	"opkssh/pkg/pktoken/pktokentest"
)

// system is a running Debian with the verifier's program in /root, as an administrator has copied it there.
func system(t *testing.T) *installer.Root {
	t.Helper()
	r := installer.New(t)
	r.Boot(t)
	copyVerifier(t, r)
	return r
}

func copyVerifier(t *testing.T, r *installer.Root) {
	t.Helper()
	data, err := os.ReadFile(endtoend.Verifier(t))
	if err != nil {
		t.Fatal(err)
	}
	r.Write(t, "root/verifier", string(data), 0o755)
}

func want(t *testing.T, r sshd.Result, code int, texts ...string) {
	t.Helper()
	if r.ExitCode != code {
		t.Fatalf("expected exit code %d, got %+v", code, r)
	}
	for _, text := range texts {
		if !strings.Contains(r.Stdout+r.Stderr, text) {
			t.Errorf("expected %q, got %+v", text, r)
		}
	}
}

// TestInstallLoginUninstall: a clean system is set up, somebody logs in, and then the system is as it was, to the byte.
func TestInstallLoginUninstall(t *testing.T) {
	t.Parallel()
	r := system(t)
	op := issuer.Start(t)
	id := op.Login(t, map[string]any{"email": "alice@example.com", "email_verified": true})
	alice := r.Client(t, id.Key, id.Key+"-cert.pub")
	before := r.Tree(t)

	want(t, r.Run(t, "/root/verifier", "install", "--dry-run"), 0, "would create user opksshuser", "would create /etc/ssh/sshd_config.d/10-opkssh.conf")
	r.WantTree(t, before)
	want(t, r.Run(t, "/root/verifier", "install"), 0, "create user opksshuser", "create /etc/ssh/sshd_config.d/10-opkssh.conf", "kill -HUP")
	if got := r.Run(t, "visudo", "-c"); got.ExitCode != 0 {
		t.Errorf("sudoers: %+v", got)
	}
	want(t, r.Run(t, "/root/verifier", "install"), 0, "nothing to do")
	want(t, r.Run(t, "/usr/local/bin/verifier", "install", "--json"), 0, `"changed": false`)
	want(t, r.Run(t, "/usr/local/bin/verifier", "permissions", "check"), 0)
	want(t, r.Run(t, "/usr/local/bin/verifier", "check"), 0)

	r.Reload(t)
	if got := alice.SSH(t, "alice", "id -un"); got.ExitCode != 255 {
		t.Errorf("without a rule: %+v", got)
	}
	r.Write(t, "etc/opk/providers.d/op.conf", op.URL+" "+pktokentest.ClientID+" 24h\n", 0o644)
	// A home rule in a closed home folder is read through sudo.
	r.Write(t, "home/alice/.opk/auth_id", "alice alice@example.com "+op.URL+"\n", 0o644)
	if err := os.Chmod(filepath.Join(r.Dir, "home/alice"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := alice.SSH(t, "alice", "id -un"); got.Stdout != "alice\n" {
		t.Errorf("a home rule: %+v\n%s", got, r.Log())
	}
	if err := os.RemoveAll(filepath.Join(r.Dir, "home/alice/.opk")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(r.Dir, "home/alice"), 0o755); err != nil {
		t.Fatal(err)
	}
	want(t, r.Run(t, "/usr/local/bin/verifier", "add", "alice", "alice@example.com", op.URL), 0)
	if got := alice.SSH(t, "alice", "id -un"); got.Stdout != "alice\n" {
		t.Errorf("a rule: %+v\n%s", got, r.Log())
	}
	want(t, r.Run(t, "/usr/local/bin/verifier", "keys", "list"), 0, op.URL)

	// The rules are the administrator's: they stay, and belong to no group that is gone.
	want(t, r.Run(t, "/usr/local/bin/verifier", "uninstall"), 0, "/etc/opk/auth_id: kept", "/etc/opk: kept", "remove user opksshuser")
	kept := r.Run(t, "find", "/etc/opk", "-printf", "%p %u:%g\n")
	if kept.Stdout != "/etc/opk root:root\n/etc/opk/providers.d root:root\n/etc/opk/providers.d/op.conf root:root\n/etc/opk/auth_id root:root\n" {
		t.Errorf("kept: %+v", kept)
	}
	r.Reload(t)
	if got := alice.SSH(t, "alice", "id -un"); got.ExitCode != 255 {
		t.Errorf("after the uninstallation: %+v", got)
	}

	want(t, r.Run(t, "/root/verifier", "install"), 0, "/etc/opk: is not as opksshuser needs it")
	want(t, r.Run(t, "/root/verifier", "permissions", "fix"), 0)
	r.Reload(t)
	if got := alice.SSH(t, "alice", "id -un"); got.Stdout != "alice\n" {
		t.Errorf("installed again: %+v\n%s", got, r.Log())
	}
	want(t, r.Run(t, "/root/verifier", "uninstall", "--purge"), 0)
	want(t, r.Run(t, "/root/verifier", "uninstall", "--purge"), 0, "nothing to do")
	r.WantTree(t, before)
}

// TestInstallAmongUsers: a user of the host can neither keep an installation waiting nor change the program that it makes root run.
func TestInstallAmongUsers(t *testing.T) {
	t.Parallel()
	r := system(t)
	const program = "/usr/local/bin/verifier"
	want(t, r.Run(t, "install", "-o", "alice", "-m", "755", "/root/verifier", program), 0)
	for _, spoil := range []struct{ command, mend, hint string }{
		{"chmod 775 /usr/local", "chmod 755 /usr/local", "hint: chmod go-w '/usr/local'\n"},
		{"chown alice /usr/local/bin", "chown root /usr/local/bin", "hint: chown -h root '/usr/local/bin'\n"},
	} {
		want(t, r.Run(t, "sh", "-c", spoil.command), 0)
		want(t, r.Run(t, "/root/verifier", "install"), 1, "verifier: /usr/local", spoil.hint)
		want(t, r.Run(t, "sh", "-c", spoil.mend), 0)
	}

	// Whatever alice can open she can lock.
	const whileLocked = `runuser -u alice -- sh -c 'for f in /var/lib /var/lib/opkssh /etc /usr/local/bin; do exec 9<$f && flock 9 && sleep 60 & done; sleep 1; >/tmp/locked; wait' >/dev/null 2>&1 &
until [ -e /tmp/locked ]; do sleep 0.1; done
rm -f /tmp/locked
"$@"`
	want(t, r.Run(t, "sh", "-c", whileLocked, "sh", "/root/verifier", "install"), 0, "replace "+program, "create /etc/sudoers.d/opkssh")
	if got := r.Run(t, "stat", "-c", "%a %U", program); got.Stdout != "755 root\n" {
		t.Errorf("got %+v", got)
	}
	want(t, r.Run(t, program, "install"), 0, "nothing to do")
	want(t, r.Run(t, "runuser", "-u", "alice", "--", "sh", "-c", "echo >>"+program), 2)
	want(t, r.Run(t, "sh", "-c", whileLocked, "sh", "/root/verifier", "uninstall"), 0, "remove user opksshuser")
	// It was there before, and stays.
	want(t, r.Run(t, "test", "-e", program), 0)
}
