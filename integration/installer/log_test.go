package installer_test

import (
	"testing"
)

// TestLogRotatedMeanwhile: what has become of the log since the plan was made is root's, too.
func TestLogRotatedMeanwhile(t *testing.T) {
	t.Parallel()
	r := system(t)
	const log = "/var/log/opk/keys.log"
	want(t, r.Run(t, "/root/verifier", "install"), 0)
	r.Write(t, "etc/opk/config.yml", "log: {to: "+log+"}\n", 0o644)
	for _, rotate := range []string{"mv " + log + " " + log + ".1", "rm " + log} {
		t.Run(rotate, func(t *testing.T) {
			want(t, r.Run(t, "/root/verifier", "install"), 0)
			want(t, r.Run(t, "sh", "-c", "mkdir -p /var/log/opk && echo x >"+log+" && chown -R opksshuser /var/log/opk"), 0)
			// The first step has been done when sshd is asked for the second time.
			replaceProgram(t, r, "usr/sbin/sshd", "[ -e /etc/ssh/sshd_config.d/10-opkssh.conf ] || [ ! -e "+log+" ] || "+rotate+"\n")
			want(t, r.Run(t, "/root/verifier", "uninstall"), 0, "change "+log+"\n", "remove user opksshuser\n")
			want(t, r.Run(t, "test", "-e", log), 1)
			if left := r.Run(t, "find", "/var/log/opk", "!", "-user", "root"); left.Stdout != "" || left.ExitCode != 0 {
				t.Errorf("not root's: %+v", left)
			}
		})
	}
}
