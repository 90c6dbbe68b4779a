package installer_test

import (
	"testing"

	"opkssh/integration/installer"
)

// TestInstallBesideOlderProgram: sshd asks an older opkssh, which goes on to decide. It is asked for its version, if root alone could
// have written it.
func TestInstallBesideOlderProgram(t *testing.T) {
	t.Parallel()
	r := system(t)
	const older = "#!/bin/sh\necho asked >>/root/asked\n[ \"$*\" = --version ] && echo opkssh version v0.10.0\n"
	r.Write(t, "usr/local/bin/opkssh", older, 0o755)
	r.Write(t, "etc/ssh/sshd_config.d/60-opk-ssh.conf",
		"AuthorizedKeysCommand /usr/local/bin/opkssh verify %u %k %t\nAuthorizedKeysCommandUser opksshuser\n", 0o644)
	want(t, r.Run(t, "/root/verifier", "install"), 0,
		"60-opk-ssh.conf:1: sshd goes on to ask /usr/local/bin/opkssh, which is another program (opkssh version v0.10.0): it decides who logs in",
		"hint: put this release's opkssh into its place")
	want(t, r.Run(t, "/usr/local/bin/verifier", "audit", "--offline"), 1, "(opkssh version v0.10.0)", "(other-program)")
	want(t, r.Run(t, "/usr/local/bin/verifier", "lock", "alice@example.com"), 0, "sshd asks /usr/local/bin/opkssh, which is another program", "alice@example.com: locked")
	wantKeptForOther(t, r)
	want(t, r.Run(t, "rm", "/root/asked"), 0)

	want(t, r.Run(t, "chown", "alice", "/usr/local/bin/opkssh"), 0)
	want(t, r.Run(t, "/root/verifier", "install"), 0, "another program, of unknown version")
	if got := r.Run(t, "cat", "/root/asked"); got.ExitCode == 0 {
		t.Errorf("a program of alice's has run as root: %+v", got)
	}

	// The steps of the hint.
	want(t, r.Run(t, "install", "-o", "root", "-m", "755", "/root/verifier", "/usr/local/bin/opkssh"), 0)
	want(t, r.Run(t, "/root/verifier", "install"), 0, "sshd asks the verifier already")
	want(t, r.Run(t, "/usr/local/bin/verifier", "lock", "bob@example.com"), 0)
}

// wantKeptForOther: nothing goes that the other program needs, by a line that is read here or by sshd alone, and the rest is put there again.
func wantKeptForOther(t *testing.T, r *installer.Root) {
	t.Helper()
	const line = "60-opk-ssh.conf:1: sshd "
	want(t, r.Run(t, "/root/verifier", "uninstall", "--purge"), 1,
		line+"would go on to ask /usr/local/bin/opkssh, which needs /etc/opk/config.yml, which goes; ", "60-opk-ssh.conf:2: sshd would go on to run a command as opksshuser, who goes")

	// The user is another's, and was there before.
	want(t, r.Run(t, "sed", "-i", "s/:OpenID Connect logins:/:opkssh:/", "/etc/passwd"), 0)
	want(t, r.Run(t, "sh", "-c", `cd /etc/ssh && mkdir more && mv sshd_config.d/60-opk-ssh.conf more/1 && cp sshd_config /root && echo 'Include more/[[:digit:]]' >>sshd_config`), 0)
	want(t, r.Run(t, "/root/verifier", "uninstall"), 1,
		"verifier: /usr/sbin/sshd -T: sshd would go on to ask /usr/local/bin/opkssh, which needs /etc/opk/auth_id, which goes\n")
	want(t, r.Run(t, "sh", "-c", `cd /etc/ssh && mv more/1 sshd_config.d/60-opk-ssh.conf && rmdir more && cp /root/sshd_config .`), 0)

	want(t, r.Run(t, "/root/verifier", "uninstall"), 0, "remove /usr/local/bin/verifier\n", line+"goes on to ask /usr/local/bin/opkssh, which needs what is kept: ")
	wantAsked(t, r, "/usr/local/bin/opkssh verify ")
	want(t, r.Run(t, "ls", "/etc/opk/config.yml", "/etc/opk/auth_id", "/etc/opk/providers", "/var/cache/opkssh"), 0)
	want(t, r.Run(t, "runuser", "-u", "opksshuser", "cat", "/etc/opk/config.yml"), 0)
	want(t, r.Run(t, "/root/verifier", "uninstall"), 0, "nothing to do", "which needs what is kept: ")
	want(t, r.Run(t, "/root/verifier", "install"), 0, "create /usr/local/bin/verifier\n")
}
