package installer_test

import (
	"testing"
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
