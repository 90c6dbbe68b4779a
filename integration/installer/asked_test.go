package installer_test

import (
	"strings"
	"testing"

	"opkssh/integration/installer"
)

const (
	mainConfig = "etc/ssh/sshd_config"
	ourLines   = "AuthorizedKeysCommand /usr/local/bin/verifier verify %u %k %t\nAuthorizedKeysCommandUser opksshuser\n"
)

// configure gives a system's sshd this configuration, until the test ends, and nothing else.
func configure(t *testing.T, r *installer.Root, files map[string]string) {
	t.Helper()
	want(t, r.Run(t, "cp", "-a", "/etc/ssh", "/tmp/ssh"), 0)
	t.Cleanup(func() { want(t, r.Run(t, "sh", "-c", "rm -r /etc/ssh && mv /tmp/ssh /etc/ssh"), 0) })
	for name, text := range files {
		r.Write(t, name, text, 0o644)
	}
	want(t, r.Run(t, "/usr/sbin/sshd", "-t"), 0)
}

// settings lists all of a system that an installation could leave something in.
func settings(t *testing.T, r *installer.Root) string {
	t.Helper()
	got := r.Run(t, "sh", "-c", "find /etc /usr/local /var/lib /var/cache -printf '%p %m %U:%G %l\n' | sort && find /etc /usr/local -type f | sort | xargs sha256sum")
	want(t, got, 0, " /etc/passwd\n")
	return got.Stdout
}

func wantSettings(t *testing.T, r *installer.Root, before string) {
	t.Helper()
	after := settings(t, r)
	for line := range strings.Lines(before) {
		if !strings.Contains(after, line) {
			t.Errorf("gone: %s", line)
		}
	}
	for line := range strings.Lines(after) {
		if !strings.Contains(before, line) {
			t.Errorf("new: %s", line)
		}
	}
}

// wantAsked is about what sshd itself says that it asks.
func wantAsked(t *testing.T, r *installer.Root, command string) {
	t.Helper()
	got := r.Run(t, "/usr/sbin/sshd", "-T")
	want(t, got, 0)
	for line := range strings.Lines(got.Stdout) {
		if value, ok := strings.CutPrefix(line, "authorizedkeyscommand "); ok {
			if !strings.HasPrefix(value, command) {
				t.Errorf("expected sshd to ask %s, got %s", command, value)
			}
			return
		}
	}
	t.Errorf("no AuthorizedKeysCommand in what sshd says: %+v", got)
}

// TestSSHDAsks: after an installation sshd asks the verifier, whatever its files are called, or the system is as it was and the failure
// is told.
func TestSSHDAsks(t *testing.T) {
	t.Parallel()
	r := system(t)
	const other = "AuthorizedKeysCommand /usr/bin/true %u\nAuthorizedKeysCommandUser nobody\n"
	for name, files := range map[string]map[string]string{
		"hidden copy of ours": {mainConfig: "Include /etc/ssh/sshd_config.d/*.conf\n", "etc/ssh/sshd_config.d/.10-opkssh.conf": ourLines},
		"hidden other":        {mainConfig: "Include /etc/ssh/sshd_config.d/*.conf\n", "etc/ssh/sshd_config.d/.old.conf": other},
		"hidden folder":       {mainConfig: "Include /etc/ssh/*/*.conf\n", "etc/ssh/.old/10.conf": other},
		"all but":             {mainConfig: "Include /etc/ssh/sshd_config.d/[!_]*.conf\n", "etc/ssh/sshd_config.d/_old.conf": other},
		"circumflex":          {mainConfig: "Include /etc/ssh/sshd_config.d/[^_]*.conf\n", "etc/ssh/sshd_config.d/10.conf": other},
		"class of characters": {mainConfig: "Include /etc/ssh/sshd_config.d/[[:digit:]]*.conf\n"},
		"patterns of glob(3)": {mainConfig: "Include /etc/ssh/sshd_config.d/*.conf\nInclude /etc/ssh/more/[a-].conf []a].conf\nInclude [\n", "etc/ssh/more/README": ""},
		"CRLF":                {mainConfig: "Include /etc/ssh/sshd_config.d/*.conf\r\n"},
		"CRLF, no Include":    {mainConfig: "UsePAM yes\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			configure(t, r, files)
			before := settings(t, r)
			want(t, r.Run(t, "/root/verifier", "install"), 0, "run /usr/sbin/sshd -T")
			wantAsked(t, r, "/usr/local/bin/verifier verify ")
			want(t, r.Run(t, "/root/verifier", "install"), 0, "nothing to do")
			want(t, r.Run(t, "/root/verifier", "uninstall"), 0, "run /usr/sbin/sshd -T")
			wantAsked(t, r, "none")
			wantSettings(t, r, before)
		})
	}

	// Its users would be locked out by ours, which stands before it.
	t.Run("other where sshd alone finds it", func(t *testing.T) {
		configure(t, r, map[string]string{mainConfig: "Include /etc/ssh/sshd_config.d/*.conf\nInclude /etc/ssh/more/[a-].conf\n", "etc/ssh/more/-.conf": other})
		before := settings(t, r)
		want(t, r.Run(t, "/root/verifier", "install"), 1,
			"verifier: /usr/sbin/sshd -T: sshd asks another AuthorizedKeysCommand, and has room for one: /usr/bin/true %u\n", "hint: take the line out, and let the verifier ask that command")
		wantSettings(t, r, before)
	})

	// A backslash is a character like others in an Include of sshd's, and quotes what follows for its glob(3).
	t.Run("misread", func(t *testing.T) {
		configure(t, r, map[string]string{mainConfig: "Include /etc/ssh/sshd_config.d/\\*.conf\n"})
		before := settings(t, r)
		want(t, r.Run(t, "/root/verifier", "install"), 1,
			"verifier: run /usr/sbin/sshd -T: sshd does not ask the verifier: expected verifier verify as AuthorizedKeysCommand, got none\n",
			"hint: see which files sshd reads, by the Include lines of /etc/ssh/sshd_config, and which of them comes first; the host is as it was before")
		wantSettings(t, r, before)
	})
	t.Run("misread, with our lines", func(t *testing.T) {
		configure(t, r, map[string]string{mainConfig: "Include /etc/ssh/sshd_config.d/\\*.conf\n", "etc/ssh/sshd_config.d/50-keys.conf": ourLines})
		before := settings(t, r)
		want(t, r.Run(t, "/root/verifier", "install"), 1, "verifier: /usr/sbin/sshd -T: sshd does not ask the verifier: ")
		wantSettings(t, r, before)
	})
}

// TestSSHDAsksWhatStays: nothing goes that sshd would go on to ask, by lines that are read here or by sshd alone.
func TestSSHDAsksWhatStays(t *testing.T) {
	t.Parallel()
	r := system(t)
	for _, test := range []struct {
		name, move string
		files      map[string]string
		texts      []string
	}{
		{
			"moved", "cat /etc/ssh/sshd_config >>$drop_in && mv $drop_in /etc/ssh/sshd_config",
			map[string]string{mainConfig: "Include /etc/ssh/sshd_config.d/*.conf\n"},
			[]string{"verifier: /etc/ssh/sshd_config:2: sshd would go on to ask /usr/local/bin/verifier, which goes; /etc/ssh/sshd_config:3: ", "hint: take out each such"},
		},
		{
			"moved to where sshd alone finds it", "mv $drop_in /etc/ssh/more/1",
			map[string]string{mainConfig: "Include /etc/ssh/sshd_config.d/*.conf\nInclude /etc/ssh/more/[[:digit:]]\n", "etc/ssh/more/README": ""},
			[]string{"verifier: /usr/sbin/sshd -T: sshd would go on to ask /usr/local/bin/verifier, which goes\n", "hint: see which files sshd reads"},
		},
		{
			"copied to where sshd alone finds it", "cp $drop_in /etc/ssh/more/1",
			map[string]string{mainConfig: "Include /etc/ssh/sshd_config.d/*.conf\nInclude /etc/ssh/more/[[:digit:]]\n", "etc/ssh/more/README": ""},
			[]string{"verifier: run /usr/sbin/sshd -T: sshd would go on to ask /usr/local/bin/verifier, which goes\n", "; the host is as it was before"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			configure(t, r, test.files)
			want(t, r.Run(t, "/root/verifier", "install"), 0)
			want(t, r.Run(t, "sh", "-c", "drop_in=/etc/ssh/sshd_config.d/10-opkssh.conf; "+test.move), 0)
			before := settings(t, r)
			want(t, r.Run(t, "/root/verifier", "uninstall"), 1, test.texts...)
			wantSettings(t, r, before)
			wantAsked(t, r, "/usr/local/bin/verifier verify ")
			// As it says.
			want(t, r.Run(t, "sed", "-i", "/^AuthorizedKeysCommand/d", "/etc/ssh/sshd_config"), 0)
			want(t, r.Run(t, "rm", "-rf", "/etc/ssh/more"), 0)
			want(t, r.Run(t, "/root/verifier", "uninstall"), 0, "remove user opksshuser")
			wantAsked(t, r, "none")
		})
	}
}

// TestSSHDAsksAsAnother: sshd asks a verifier already, as a user whom it alone finds. That user, and no other, can read what an installation makes.
func TestSSHDAsksAsAnother(t *testing.T) {
	t.Parallel()
	r := system(t)
	want(t, r.Run(t, "useradd", "--system", "--user-group", "opk"), 0)
	configure(t, r, map[string]string{
		mainConfig: "Include /etc/ssh/sshd_config.d/*.conf\nInclude /etc/ssh/more/[[:digit:]]\n", "etc/ssh/sshd_config.d/50-keys.conf": "AuthorizedKeysCommand /usr/local/bin/verifier verify %u %k %t\n",
		"etc/ssh/more/1": "AuthorizedKeysCommandUser opk\n", "etc/opk/providers": "https://op.example.com test 12h\n",
		"etc/opk/auth_id": "alice alice@example.com https://op.example.com\n",
	})
	want(t, r.Run(t, "cp", "/root/verifier", "/usr/local/bin/verifier"), 0)
	explain := []string{
		"runuser", "-u", "opk", "--", "/usr/local/bin/verifier", "explain", "alice", "--email", "alice@example.com", "--issuer", "https://op.example.com",
	}
	want(t, r.Run(t, explain...), 0)
	before := settings(t, r)
	want(t, r.Run(t, "/root/verifier", "install"), 0, "create /etc/opk/config.yml\n", "create /etc/sudoers.d/opkssh\n", "sshd asks the verifier already: left as it is")
	want(t, r.Run(t, explain...), 0, "allowed as alice")
	want(t, r.Run(t, "runuser", "-u", "opk", "--", "sh", "-c", "cat /etc/opk/config.yml && >/var/cache/opkssh/x && rm /var/cache/opkssh/x"), 0)
	want(t, r.Run(t, "runuser", "-u", "alice", "cat", "/etc/opk/config.yml"), 1)
	want(t, r.Run(t, "sudo", "-l", "-U", "opk"), 0, "/usr/local/bin/verifier readhome *")
	want(t, r.Run(t, "/usr/local/bin/verifier", "permissions", "check"), 0)
	want(t, r.Run(t, "getent", "passwd", "opksshuser"), 2)
	want(t, r.Run(t, "/root/verifier", "install"), 0, "nothing to do")
	// The verifier needs all of it as long as it is asked.
	want(t, r.Run(t, "/root/verifier", "uninstall"), 0, "which needs what is kept: ")
	want(t, r.Run(t, explain...), 0, "allowed as alice")
	want(t, r.Run(t, "rm", "/etc/ssh/sshd_config.d/50-keys.conf", "/etc/ssh/more/1"), 0)
	want(t, r.Run(t, "/root/verifier", "uninstall"), 0)
	r.Write(t, "etc/ssh/sshd_config.d/50-keys.conf", "AuthorizedKeysCommand /usr/local/bin/verifier verify %u %k %t\n", 0o644)
	r.Write(t, "etc/ssh/more/1", "AuthorizedKeysCommandUser opk\n", 0o644)
	wantSettings(t, r, before)

	// One who is not there.
	r.Write(t, "etc/ssh/more/1", "AuthorizedKeysCommandUser keys\n", 0o644)
	before = settings(t, r)
	want(t, r.Run(t, "/root/verifier", "install"), 1, "verifier: /usr/sbin/sshd -T: sshd asks the verifier as keys, and there is no such user\n", "hint: let AuthorizedKeysCommandUser be opksshuser there")
	wantSettings(t, r, before)
}
