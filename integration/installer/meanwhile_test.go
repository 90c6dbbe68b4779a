package installer_test

import (
	"strings"
	"testing"
)

// TestChangedMeanwhile: what somebody makes or changes while an installation goes on is theirs: it is neither written over nor taken back.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	r := system(t)
	const timer = "/etc/systemd/system/opkssh-keys.timer"
	replaceProgram(t, r, "usr/lib/systemd/systemd", "")
	for _, test := range []struct {
		// What goes on while visudo is asked about the line of sudo, which comes behind the rules, and before the timer and sshd.
		name, meanwhile string
		files           map[string]string // what has to be in them in the end
		texts           []string
	}{
		{
			"a lock, and then a failure", "/root/verifier lock mallory@example.com >&2 && exit 1",
			map[string]string{"/etc/opk/config.yml": "mallory@example.com"},
			[]string{
				"verifier: create /etc/sudoers.d/opkssh: exit status 1: ", "; and it could not be taken back: /etc/opk/config.yml: it was made or changed meanwhile, and stays as it is;",
				"hint: the host is as it was before, but for what this says could not be taken back",
			},
		},
		{
			"a lock of more, and a unit", "/root/verifier lock mallory@example.com >&2 && mkdir -p /etc/systemd/system && echo theirs >" + timer,
			map[string]string{"/etc/opk/config.yml": "mallory@example.com", timer: "theirs"},
			[]string{"verifier: create " + timer + ": it was made or changed since this looked at it, and stays as it is; and it could not be taken back: /etc/opk/config.yml: ", "hint: run this again; "},
		},
		{
			"a file for sshd", "echo '# theirs' >/etc/ssh/sshd_config.d/10-opkssh.conf", map[string]string{"/etc/ssh/sshd_config.d/10-opkssh.conf": "# theirs"},
			[]string{"verifier: create /etc/ssh/sshd_config.d/10-opkssh.conf: it was made or changed since this looked at it"},
		},
		{
			"its user", "sed -i 's/OpenID Connect logins/theirs/' /etc/passwd && exit 1", map[string]string{"/etc/passwd": "theirs"},
			[]string{"verifier: create /etc/sudoers.d/opkssh: exit status 1; and it could not be taken back: /etc/passwd: opksshuser: it was made or changed meanwhile"},
		},
		{
			"another user", "useradd --system carol && exit 1", map[string]string{"/etc/passwd": "\ncarol:", "/etc/shadow": "\ncarol:", "/etc/group": "\ncarol:"},
			[]string{"verifier: create /etc/sudoers.d/opkssh: exit status 1"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			replaceProgram(t, r, "usr/sbin/visudo", test.meanwhile+"\n")
			want(t, r.Run(t, "/root/verifier", "install"), 1, test.texts...)
			for name, text := range test.files {
				want(t, r.Run(t, "cat", name), 0, text)
			}
			if left := r.Run(t, "find", "/etc", "/usr/local", "/var/lib/opkssh", "(", "-nogroup", "-o", "-name", "*.lock", "!", "-name", ".pwd.lock", ")", "-printf", "%p "); left.Stdout != "" {
				t.Errorf("nobody's, or a lock: %+v", left)
			}
			if user := r.Run(t, "grep", "^opksshuser", "/etc/passwd"); user.ExitCode == 0 && !strings.Contains(user.Stdout, "theirs") {
				t.Errorf("left: %+v", user)
			}
			want(t, r.Run(t, "sh", "-c", "rm -rf /etc/opk "+timer+" /etc/ssh/sshd_config.d/10-opkssh.conf && sed -i /^opksshuser:/d /etc/passwd"), 0)
			wantAsked(t, r, "none")
		})
	}

	// Nor does it go with what is taken back: sshd is asked after its file is gone, and before the rules are.
	want(t, r.Run(t, "/root/verifier", "install"), 0)
	replaceProgram(t, r, "usr/sbin/sshd", "[ -e /etc/ssh/sshd_config.d/10-opkssh.conf ] || [ -e /run/locked ] || { : >/run/locked; /root/verifier lock mallory@example.com >&2; }\n")
	want(t, r.Run(t, "/root/verifier", "uninstall"), 1, "verifier: remove /etc/opk/config.yml: it was made or changed since this looked at it, and stays as it is\n", "hint: run this again; the host is as it was before")
	want(t, r.Run(t, "cat", "/etc/opk/config.yml"), 0, "mallory@example.com")
	want(t, r.Run(t, "test", "-e", "/etc/ssh/sshd_config.d/10-opkssh.conf"), 0)
	got := r.Run(t, "/root/verifier", "uninstall")
	want(t, got, 0, "/etc/opk/config.yml: kept: it was changed since verifier install wrote it")
	if !strings.Contains(got.Stdout, "remove user opksshuser") {
		t.Errorf("got %+v", got)
	}
	want(t, r.Run(t, "cat", "/etc/opk/config.yml"), 0, "mallory@example.com")
}
