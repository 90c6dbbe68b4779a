package endtoend_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
)

// home is a home folder on a host, by its real path, and what its owner may write there.
type home struct {
	dir string
	uid int
}

func homeOf(t *testing.T, h *endtoend.Host, account string) home {
	t.Helper()
	info, err := os.Stat(h.Home(account))
	check(t, err)
	return home{h.Home(account), int(info.Sys().(*syscall.Stat_t).Uid)}
}

// write makes ~/.opk/auth_id anew, with everything as it should be.
func (m home) write(t *testing.T, text string) {
	t.Helper()
	check(t, os.RemoveAll(m.dir+"/.opk"))
	check(t, os.Mkdir(m.dir+"/.opk", 0o755))
	check(t, os.WriteFile(m.file(), []byte(text), 0o644))
	check(t, os.Chmod(m.dir, 0o755))
	m.own(t)
}

func (m home) file() string { return m.dir + "/.opk/auth_id" }

// own gives all to the home's owner.
func (m home) own(t *testing.T) {
	t.Helper()
	check(t, filepath.WalkDir(m.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, m.uid, m.uid)
	}))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// leftOut are the lines of the host's log about files that did not count, since the last call.
func leftOut(t *testing.T, h *endtoend.Host) (lines []endtoend.Record) {
	t.Helper()
	path := filepath.Join(h.LogDir, "opkssh.log")
	data, err := os.ReadFile(path)
	check(t, err)
	for line := range strings.Lines(string(data)) {
		var r endtoend.Record
		check(t, json.Unmarshal([]byte(line), &r))
		if r["msg"] == "file left out" {
			lines = append(lines, r)
		}
	}
	check(t, os.Truncate(path, 0))
	return lines
}

// startHomeHost runs a host whose own rules let nobody in. Bob has an identity.
func startHomeHost(t *testing.T) (h *endtoend.Host, ssh *sshd.Client, row string) {
	t.Helper()
	op := issuer.Start(t)
	h = endtoend.StartIssuerHost(t, op)
	h.Write(t, "auth_id", "")
	id := op.Login(t, map[string]any{"email": "bob@example.com", "email_verified": true})
	return h, h.Client(t, id.Key, id.Key+"-cert.pub"), " bob@example.com " + op.URL + "\n"
}

// allowReadHome is what an administrator writes into sudoers.
func allowReadHome(t *testing.T, h *endtoend.Host) {
	t.Helper()
	r := h.Exec(t, "root", "sh", "-c", "umask 337; echo 'opksshuser ALL=(root) NOPASSWD: /usr/local/bin/opkssh readhome *' >/etc/sudoers.d/opkssh && visudo -cq")
	if r.ExitCode != 0 {
		t.Fatalf("sudoers: %+v", r)
	}
}

func TestHomeRules(t *testing.T) {
	h, ssh, row := startHomeHost(t)
	alice := homeOf(t, h, "alice")
	wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "no-rule")
	leftOut(t, h)

	alice.write(t, "bob"+row+"root"+row+"alice nobody@example.com\nalice"+row)
	wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	if r := h.LastRecord(t); r["rule_file"] != "/home/alice/.opk/auth_id" || r["rule_line"] != 4.0 {
		t.Errorf("got %v", r)
	}
	// Alice decides for herself alone.
	wantRefused(t, h, ssh.SSH(t, "bob", "id -un"), "no-rule")
	wantRefused(t, h, ssh.SSH(t, "root", "id -un"), "no-rule")

	t.Run("system rules come first", func(t *testing.T) {
		h.Write(t, "auth_id", "alice"+strings.TrimSuffix(row, "\n")+` command="echo system"`+"\n")
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "system\n")
		h.Write(t, "auth_id", "")
	})
	t.Run("options", func(t *testing.T) {
		alice.write(t, "alice"+strings.TrimSuffix(row, "\n")+` command="echo home"`+"\n")
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "home\n")
	})
	alice.write(t, "alice"+row)
	t.Run("deny wins", func(t *testing.T) {
		h.Config(t, "deny_emails: [bob@example.com]\n")
		wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "denied-email")
		h.Config(t, "")
	})
	t.Run("switched off", func(t *testing.T) {
		h.Config(t, "home_policy: false\n")
		leftOut(t, h)
		check(t, os.Chmod(alice.file(), 0o666))
		wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "no-rule")
		if lines := leftOut(t, h); len(lines) != 0 {
			t.Errorf("expected that nobody looks, got %v", lines)
		}
		h.Config(t, "")
		check(t, os.Chmod(alice.file(), 0o644))
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	})
}

// faults are what makes a home file count for nothing.
var faults = []struct {
	name, detail string
	prepare      func(t *testing.T, m home)
}{
	{"file writable by the group", "mode", func(t *testing.T, m home) { check(t, os.Chmod(m.file(), 0o664)) }},
	{"file writable by others", "mode", func(t *testing.T, m home) { check(t, os.Chmod(m.file(), 0o646)) }},
	{".opk writable by the group", "mode", func(t *testing.T, m home) { check(t, os.Chmod(m.dir+"/.opk", 0o775)) }},
	{"somebody else's file", "owner", func(t *testing.T, m home) { check(t, os.Chown(m.file(), m.uid+1, 0)) }},
	{"somebody else's .opk", "owner", func(t *testing.T, m home) { check(t, os.Chown(m.dir+"/.opk", m.uid+1, 0)) }},
	{"a link", "a symbolic link", func(t *testing.T, m home) {
		check(t, os.Rename(m.file(), m.dir+"/rules"))
		check(t, os.Symlink("../rules", m.file()))
		m.own(t)
	}},
	{".opk a link", "a symbolic link", func(t *testing.T, m home) {
		check(t, os.RemoveAll(m.dir+"/opk"))
		check(t, os.Rename(m.dir+"/.opk", m.dir+"/opk"))
		check(t, os.Symlink("opk", m.dir+"/.opk"))
		m.own(t)
	}},
	{"a FIFO", "a FIFO", func(t *testing.T, m home) {
		check(t, os.Remove(m.file()))
		check(t, syscall.Mkfifo(m.file(), 0o644))
		m.own(t)
	}},
	{"a directory", "a directory", func(t *testing.T, m home) {
		check(t, os.Remove(m.file()))
		check(t, os.Mkdir(m.file(), 0o755))
		m.own(t)
	}},
	{"a device", "a device", func(t *testing.T, m home) {
		check(t, os.Remove(m.file()))
		check(t, syscall.Mknod(m.file(), syscall.S_IFCHR|0o644, 1<<8|5)) // as /dev/zero
		m.own(t)
	}},
	{"too large", "at most 1 MiB", func(t *testing.T, m home) { check(t, os.Truncate(m.file(), 1<<20+1)) }},
}

// TestFaultyHomeFile: alice has an old way to log in, which goes on; what is wrong with the new one stands in the log.
func TestFaultyHomeFile(t *testing.T) {
	h, ssh, row := startHomeHost(t)
	allowReadHome(t, h)
	alice := homeOf(t, h, "alice")
	for _, mode := range []os.FileMode{0o755, 0o700} {
		for _, fault := range faults {
			t.Run(fmt.Sprintf("home %04o/%s", mode, fault.name), func(t *testing.T) {
				alice.write(t, "alice"+row)
				fault.prepare(t, alice)
				check(t, os.Chmod(alice.dir, mode))
				wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "no-rule")
				lines := leftOut(t, h)
				if len(lines) == 0 {
					t.Fatal("expected a line in the log")
				}
				detail, _ := lines[0]["detail"].(string)
				if !strings.Contains(detail, "/home/alice/.opk") || !strings.Contains(detail, fault.detail) {
					t.Errorf("expected a line about %s, got %v", fault.detail, lines[0])
				}
				hint, _ := lines[0]["hint"].(string)
				if want := map[string]string{"mode": "as alice: ", "owner": "as alice: "}[fault.detail]; !strings.HasPrefix(hint, want) {
					t.Errorf("expected the hint %q, got %q", want, hint)
				}

				h.Write(t, "auth_id", "alice"+row)
				wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
				h.Write(t, "auth_id", "")
			})
		}
	}
	t.Run("home writable by the group", func(t *testing.T) {
		alice.write(t, "alice"+row)
		check(t, os.Chmod(alice.dir, 0o775))
		leftOut(t, h)
		wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "no-rule")
		if lines := leftOut(t, h); len(lines) == 0 || lines[0]["hint"] != "chmod go-w '/home/alice'" {
			t.Errorf("got %v", lines)
		}
	})
}

// TestClosedHomeFolder: the verifier's user may not look into it, root may.
func TestClosedHomeFolder(t *testing.T) {
	h, ssh, row := startHomeHost(t)
	alice := homeOf(t, h, "alice")
	closed := map[string]func(){
		"home":    func() { check(t, os.Chmod(alice.dir, 0o700)) },
		".opk":    func() { check(t, os.Chmod(alice.dir+"/.opk", 0o700)) },
		"auth_id": func() { check(t, os.Chmod(alice.file(), 0o600)) },
	}
	for name, shut := range closed {
		t.Run(name+" without sudo", func(t *testing.T) {
			alice.write(t, "alice"+row)
			shut()
			leftOut(t, h)
			wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "no-rule")
			lines := leftOut(t, h)
			if len(lines) == 0 {
				t.Fatal("expected a line in the log")
			}
			if hint, _ := lines[0]["hint"].(string); !strings.Contains(hint, "opksshuser ALL=(root) NOPASSWD: /usr/local/bin/opkssh readhome *") {
				t.Errorf("hint: got %v", lines[0])
			}
		})
	}
	t.Run("it can see that there is nothing", func(t *testing.T) {
		alice.write(t, "alice"+row)
		check(t, os.RemoveAll(alice.dir+"/.opk"))
		check(t, os.Chmod(alice.dir, 0o711))
		leftOut(t, h)
		wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "no-rule")
		if lines := leftOut(t, h); len(lines) != 0 {
			t.Errorf("expected no complaint, got %v", lines)
		}
	})
	allowReadHome(t, h)
	for name, shut := range closed {
		t.Run(name+" with sudo", func(t *testing.T) {
			alice.write(t, "alice"+row)
			shut()
			leftOut(t, h)
			wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
			if r := h.LastRecord(t); r["rule_file"] != "/home/alice/.opk/auth_id" {
				t.Errorf("got %v", r)
			}
			if lines := leftOut(t, h); len(lines) != 0 {
				t.Errorf("expected no complaint, got %v", lines)
			}
		})
	}
	t.Run("root's", func(t *testing.T) {
		root := homeOf(t, h, "root")
		root.write(t, "root"+row)
		check(t, os.Chmod(root.dir, 0o700))
		wantOutput(t, h, ssh.SSH(t, "root", "id -un"), "root\n")
	})
	t.Run("nothing in it", func(t *testing.T) {
		leftOut(t, h)
		wantRefused(t, h, ssh.SSH(t, "bob", "id -un"), "no-rule")
		if lines := leftOut(t, h); len(lines) != 0 {
			t.Errorf("expected no complaint, got %v", lines)
		}
	})
	t.Run("behind a link", func(t *testing.T) {
		alice.write(t, "alice"+row)
		check(t, os.Chmod(alice.dir, 0o700))
		if r := h.Exec(t, "root", "sh", "-c", "mkdir -p /home/data && mv /home/alice /home/data/alice && ln -s data/alice /home/alice"); r.ExitCode != 0 {
			t.Fatalf("got %+v", r)
		}
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	})
}

// TestSudoThatHangs: the verifier may not kill what runs as root, and answers all the same.
func TestSudoThatHangs(t *testing.T) {
	h, ssh, _ := startHomeHost(t)
	allowReadHome(t, h)
	if r := h.Exec(t, "root", "sh", "-c", "echo 'account required pam_exec.so /bin/sleep 600' >/etc/pam.d/sudo"); r.ExitCode != 0 {
		t.Fatalf("got %+v", r)
	}
	wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "no-rule")
	lines := leftOut(t, h)
	if len(lines) == 0 {
		t.Fatal("expected a line in the log")
	}
	if detail, _ := lines[0]["detail"].(string); !strings.Contains(detail, "expected an end within") {
		t.Errorf("got %v", lines[0])
	}
}

// TestReadHome is the command as sudo runs it, for opksshuser.
func TestReadHome(t *testing.T) {
	h, _, _ := startHomeHost(t)
	allowReadHome(t, h)
	const text = "alice a b\x00\x1b\xff no newline"
	alice := homeOf(t, h, "alice")
	alice.write(t, text)
	check(t, os.Chmod(alice.dir, 0o700))
	for _, test := range []struct {
		name   string
		args   []string
		stdout string
		code   int
	}{
		{"a file", []string{"alice"}, text, 0},
		{"no file", []string{"bob"}, "", 0},
		{"no home", []string{sshd.CommandUser}, "", 0},
		{"no user", []string{"nobody-of-that-name"}, "", 0},
		{"no user, a number", []string{"60001"}, "", 0},
		{"no user, another case", []string{"ALICE"}, "", 0},
		{"two users", []string{"bob", "alice"}, "", 2},
		{"a flag before", []string{"--config-dir=/tmp", "alice"}, "", 2},
		{"a flag after", []string{"alice", "-v"}, "", 2},
		{"a flag alone", []string{"--version"}, "", 1},
		{"no words", []string{""}, "", 1},
		{"two words", []string{"alice bob"}, "", 1},
		{"a path", []string{"../alice"}, "", 1},
		{"a file's path", []string{"/etc/shadow"}, "", 1},
		{"an entry", []string{"alice:x:0:0::/root:"}, "", 1},
		{"two lines", []string{"alice\nroot"}, "", 1},
		{"long", []string{strings.Repeat("a", 257)}, "", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := h.Exec(t, sshd.CommandUser, append([]string{"sudo", "-n", "/usr/local/bin/opkssh", "readhome"}, test.args...)...)
			if r.ExitCode != test.code || r.Stdout != test.stdout || (r.Stderr == "") != (test.code == 0) {
				t.Errorf("expected exit code %d and %q, got %+v", test.code, test.stdout, r)
			}
		})
	}
	t.Run("environment", func(t *testing.T) {
		r := h.Exec(t, "root", "env", "HOME=/home/bob", "USER=bob", "/usr/local/bin/opkssh", "readhome", "alice")
		if r.ExitCode != 0 || r.Stdout != text {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("without root", func(t *testing.T) {
		r := h.Exec(t, sshd.CommandUser, "/usr/local/bin/opkssh", "readhome", "alice")
		if r.ExitCode != 1 || r.Stdout != "" || !strings.Contains(r.Stderr, "permission denied") {
			t.Errorf("got %+v", r)
		}
	})
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			alice.write(t, text)
			fault.prepare(t, alice)
			r := h.Exec(t, sshd.CommandUser, "sudo", "-n", "/usr/local/bin/opkssh", "readhome", "alice")
			if r.ExitCode != 1 || r.Stdout != "" || !strings.Contains(r.Stderr, fault.detail) {
				t.Errorf("expected exit code 1 and a fault in %s, got %+v", fault.detail, r)
			}
		})
	}
}

// TestUsersOfADirectoryService: the name service knows them, /etc/passwd does not, and opkssh is built without cgo.
func TestUsersOfADirectoryService(t *testing.T) {
	h, ssh, row := startHomeHost(t)
	allowReadHome(t, h)
	names := []string{"carol", "Carol.Smith", "carol@example.com", `EXAMPLE\Carol`}
	var entries strings.Builder
	homes := map[string]home{}
	for i, name := range names {
		m := home{filepath.Join(filepath.Dir(h.Home("alice")), fmt.Sprintf("directory-%d", i)), 70_001 + i}
		homes[name] = m
		_, _ = fmt.Fprintf(&entries, "%s:x:%d:%d::/home/%s:/bin/sh\n", name, m.uid, m.uid, filepath.Base(m.dir))
		check(t, os.Mkdir(m.dir, 0o755))
	}
	// The mount is the host's own.
	r := h.Exec(t, "root", "sh", "-c", `mount -t tmpfs -o mode=0755 extrausers /var/lib/extrausers && printf %s "$1" >/var/lib/extrausers/passwd &&
		sed -i 's/^passwd:.*/passwd: files extrausers/' /etc/nsswitch.conf && getent passwd carol && ! grep carol /etc/passwd`, "sh", entries.String())
	if r.ExitCode != 0 {
		t.Fatalf("name service: %+v (run integration/setup.sh first)", r)
	}
	for _, mode := range []os.FileMode{0o755, 0o700} {
		for _, name := range names {
			t.Run(fmt.Sprintf("home %04o/%s", mode, name), func(t *testing.T) {
				ssh := ssh.As(t, name)
				homes[name].write(t, "")
				check(t, os.Chmod(homes[name].dir, mode))
				wantRefused(t, h, ssh.SSH(t, "", "id -un"), "no-rule")
				// Single quotes, as the backslash is the shell's in this file.
				homes[name].write(t, "'"+name+"'"+row)
				check(t, os.Chmod(homes[name].dir, mode))
				wantOutput(t, h, ssh.SSH(t, "", "id -un"), name+"\n")
				if lines := leftOut(t, h); len(lines) != 0 {
					t.Errorf("expected no complaint, got %v", lines)
				}
			})
		}
	}
}
