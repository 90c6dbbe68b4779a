package installer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/installer"
)

// replaceProgram puts a script in the place of a program until the test ends.
func replaceProgram(t *testing.T, r *installer.Root, name, script string) {
	t.Helper()
	path := filepath.Join(r.Dir, name)
	saved := filepath.Join(t.TempDir(), filepath.Base(name))
	err := os.Rename(path, saved)
	missing := os.IsNotExist(err)
	if err != nil && !missing {
		t.Fatal(err)
	}
	r.Write(t, name, "#!/bin/sh\n"+script, 0o755)
	t.Cleanup(func() {
		err := os.Remove(path)
		if err == nil && !missing {
			err = os.Rename(saved, path)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// systemd lets the system look as if systemd ran it, with a systemctl that writes down what it was called with, and fails as
// script says.
func systemd(t *testing.T, r *installer.Root, script string) (calls func() string) {
	t.Helper()
	replaceProgram(t, r, "usr/lib/systemd/systemd", "")
	replaceProgram(t, r, "usr/bin/systemctl", "echo \"$*\" >>/run/calls\n"+script)
	want(t, r.Run(t, "sh", "-c", "mkdir -p /run/systemd/system; : >/run/calls"), 0)
	t.Cleanup(func() { want(t, r.Run(t, "rm", "-r", "/run/systemd", "/run/calls"), 0) })
	return func() string {
		result := r.Run(t, "sh", "-c", "cat /run/calls; : >/run/calls")
		return result.Stdout
	}
}

// TestFailureTakesBack: whichever step fails, the system is as it was, and sshd knows no more than before.
func TestFailureTakesBack(t *testing.T) {
	t.Parallel()
	r := system(t)
	const (
		dropIn    = "/etc/ssh/sshd_config.d/10-opkssh.conf"
		notActive = "[ \"$1 $3\" = 'is-active ssh.service' ] && exit 3\n"
	)
	t.Run("sshd would not start", func(t *testing.T) {
		replaceProgram(t, r, "usr/sbin/sshd", "[ ! -e "+dropIn+" ] || { echo line 2 is wrong >&2; exit 255; }\n")
		before := r.Tree(t)
		want(t, r.Run(t, "/root/verifier", "install"), 1, "run /usr/sbin/sshd -t: exit status 255: line 2 is wrong")
		r.WantTree(t, before)
	})
	t.Run("sshd does not start by itself", func(t *testing.T) {
		replaceProgram(t, r, "usr/sbin/sshd", "exit 255\n")
		before := r.Tree(t)
		want(t, r.Run(t, "/root/verifier", "install"), 1, "sshd would not start, without any change of ours", "hint: mend that first")
		r.WantTree(t, before)
		want(t, r.Run(t, "/root/verifier", "install", "--no-reload"), 0, "sshd would not start, without any change of ours")
		want(t, r.Run(t, "/root/verifier", "uninstall", "--no-reload"), 0)
		r.WantTree(t, before)
	})
	t.Run("sudoers", func(t *testing.T) {
		replaceProgram(t, r, "usr/sbin/visudo", "echo syntax error; exit 1\n")
		before := r.Tree(t)
		want(t, r.Run(t, "/root/verifier", "install"), 1, "create /etc/sudoers.d/opkssh: exit status 1: syntax error")
		r.WantTree(t, before)
	})
	t.Run("interrupted", func(t *testing.T) {
		replaceProgram(t, r, "usr/sbin/visudo", "kill -HUP $PPID; kill -INT $PPID; kill -TERM $PPID; exit 1\n")
		before := r.Tree(t)
		want(t, r.Run(t, "/root/verifier", "install"), 1, "create /etc/sudoers.d/opkssh: exit status 1")
		r.WantTree(t, before)
	})
	t.Run("killed", func(t *testing.T) {
		replaceProgram(t, r, "usr/sbin/visudo", "kill -KILL $PPID\n")
		before := r.Tree(t)
		if got := r.Run(t, "/root/verifier", "install"); got.ExitCode == 0 {
			t.Fatalf("expected an end by a signal, got %+v", got)
		}
		want(t, r.Run(t, "test", "-e", "/etc/opk/providers"), 0)
		// What it meant to make was written down before.
		want(t, r.Run(t, "/root/verifier", "uninstall"), 0, "remove user opksshuser")
		r.WantTree(t, before)
	})
	t.Run("reload", func(t *testing.T) {
		calls := systemd(t, r, notActive+"[ \"$1\" != reload ] || { [ ! -e "+dropIn+" ] || exit 1; }\n")
		before := r.Tree(t)
		want(t, r.Run(t, "/root/verifier", "install"), 1, "run systemctl reload sshd.service: exit status 1")
		r.WantTree(t, before)
		// sshd was told of the file, and that it is gone.
		if got := calls(); !strings.HasSuffix(got, "\ndaemon-reload\nrestart opkssh-keys.timer\nreload sshd.service\nreload sshd.service\nstop opkssh-keys.timer\n") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("uninstall", func(t *testing.T) {
		calls := systemd(t, r, "[ \"$1\" != stop ] || exit 1\n")
		want(t, r.Run(t, "/root/verifier", "install"), 0, "run systemctl reload ssh.service")
		installed := r.Tree(t)
		calls()
		want(t, r.Run(t, "/root/verifier", "uninstall"), 1, "run systemctl stop opkssh-keys.timer: exit status 1")
		// A file that was removed and made again has another time.
		for name, entry := range installed {
			installed[name], _, _ = strings.Cut(entry, ", changed ")
		}
		after := r.Tree(t)
		for name, entry := range after {
			after[name], _, _ = strings.Cut(entry, ", changed ")
			if after[name] != installed[name] {
				t.Errorf("%s: before: %s, after: %s", name, installed[name], after[name])
			}
		}
		if len(after) != len(installed) {
			t.Errorf("expected %d files, got %d", len(installed), len(after))
		}
		// sshd was told that the file is gone, and that it is back.
		if got := calls(); strings.Count(got, "reload ssh.service\n") != 2 {
			t.Errorf("got %s", got)
		}
		replaceProgram(t, r, "usr/bin/systemctl", "echo \"$*\" >>/run/calls\n")
		want(t, r.Run(t, "/root/verifier", "uninstall"), 0)
		if got := calls(); !strings.Contains(got, "stop opkssh-keys.timer\n") {
			t.Errorf("got %s", got)
		}
	})
}

// TestFullDisk: what was made is listed before it is made, and a disk that is full afterwards takes nothing back, nor keeps anything.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	r := system(t)
	before := r.Tree(t)
	// The list has room, and its next version has not.
	want(t, r.Run(t, "mount", "-t", "tmpfs", "-o", "size=4k,mode=755", "tmpfs", "/var/lib"), 0)
	want(t, r.Run(t, "/root/verifier", "install"), 0, "create /etc/ssh/sshd_config.d/10-opkssh.conf")
	config := r.Run(t, "cat", "/etc/opk/config.yml")
	r.Write(t, "etc/opk/config.yml", "home_policy: false\n", 0o644)
	want(t, r.Run(t, "/root/verifier", "install"), 0,
		"remove /etc/sudoers.d/opkssh\n", "/var/lib/opkssh/installed.json goes on to name more than what is there, which does no harm: ", "no space left on device")
	want(t, r.Run(t, "test", "-e", "/etc/sudoers.d/opkssh"), 1)
	wantAsked(t, r, "/usr/local/bin/verifier verify ")
	r.Write(t, "etc/opk/config.yml", config.Stdout, 0o644)
	want(t, r.Run(t, "/root/verifier", "uninstall"), 0, "remove user opksshuser")
	want(t, r.Run(t, "umount", "/var/lib"), 0)
	r.WantTree(t, before)
}

// TestClientAddress: an sshd that can say where a login comes from says it, and an older one, which would fail, does not have to.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	r := system(t)
	for _, test := range []struct{ version, want string }{
		{"OpenSSH_9.3p2 Debian-1", "%t\n"}, {"OpenSSH_9.4p1", "%t %C\n"}, {"OpenSSH_10.0p2", "%t %C\n"}, {"OpenSSH_8.9p1", "%t\n"}, {"something else", "%t\n"},
	} {
		t.Run(test.version, func(t *testing.T) {
			replaceProgram(t, r, "usr/sbin/sshd", "[ \"$1\" = -t ] || { echo '"+test.version+"' >&2; exit 1; }\n")
			want(t, r.Run(t, "/root/verifier", "install"), 0)
			if got := r.Run(t, "grep", "verify", "/etc/ssh/sshd_config.d/10-opkssh.conf"); !strings.HasSuffix(got.Stdout, test.want) {
				t.Errorf("expected %q, got %+v", test.want, got)
			}
		})
	}
}

// TestAccountOfAnotherService: the ID of a user that only a name service knows is not given away, and such a user is taken as it is.
func TestAccountOfAnotherService(t *testing.T) {
	t.Parallel()
	r := system(t)
	replaceProgram(t, r, "usr/bin/getent", `case "$1 $2" in
'passwd 999' | 'group 998') echo "x:*:$2:$2::/:/bin/sh" ;;
*) exit 2 ;;
esac
`)
	want(t, r.Run(t, "/root/verifier", "install"), 0)
	if got := r.Run(t, "stat", "-c", "%u:%g", "/var/cache/opkssh"); got.Stdout != "997:997\n" {
		t.Errorf("got %+v", got)
	}
	want(t, r.Run(t, "/root/verifier", "uninstall"), 0)
	replaceProgram(t, r, "usr/bin/getent", "[ \"$1 $2\" = 'passwd opksshuser' ] || exit 2\necho opksshuser:*:700:701::/:/bin/sh\n")
	got := r.Run(t, "/root/verifier", "install")
	want(t, got, 0)
	if strings.Contains(got.Stdout, "user opksshuser") {
		t.Errorf("got %+v", got)
	}
	if got := r.Run(t, "stat", "-c", "%u:%g", "/var/cache/opkssh"); got.Stdout != "700:701\n" {
		t.Errorf("got %+v", got)
	}
}
