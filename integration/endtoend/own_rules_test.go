package endtoend_test

import (
	"strings"
	"testing"
)

// TestOwnRules: a user who is not root adds rules for herself, as opkssh add has always done. They count, explain says so, and they
// can be taken back.
func TestOwnRules(t *testing.T) {
	h, ssh, row := startHomeHost(t)
	words := strings.Fields(row)
	email, issuer := words[0], words[1]
	program := "/usr/local/bin/opkssh"
	run := func(account string, want int, args ...string) string {
		t.Helper()
		r := h.Exec(t, account, append([]string{program}, args...)...)
		if r.ExitCode != want {
			t.Fatalf("%s: %v: expected exit status %d, got %+v", account, args, want, r)
		}
		return r.Stdout + r.Stderr
	}
	explain := []string{"explain", "alice", "--issuer", issuer, "--email", email}
	run("alice", 0, "add", "--dry-run", "alice", email, issuer)
	wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "no-rule")
	run("opksshuser", 1, explain...)

	if got := run("alice", 0, "add", "alice", email, issuer); !strings.Contains(got, "added (/home/alice/.opk/auth_id:2)") {
		t.Errorf("got %s", got)
	}
	if got := run("alice", 0, "add", "alice", strings.ToUpper(email), issuer); !strings.Contains(got, "already there") {
		t.Errorf("got %s", got)
	}
	wantMode := h.Exec(t, "root", "stat", "-c", "%a %U", "/home/alice/.opk", "/home/alice/.opk/auth_id")
	if wantMode.Stdout != "700 alice\n600 alice\n" {
		t.Errorf("got %q", wantMode.Stdout)
	}
	allowReadHome(t, h)
	wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	got := run("opksshuser", 0, explain...)
	for _, want := range []string{"allowed as alice by /home/alice/.opk/auth_id:2", "rules for alice, in order\n  /home/alice/.opk/auth_id:2: "} {
		if !strings.Contains(got, want) {
			t.Errorf("expected %q, got %s", want, got)
		}
	}
	if got := run("root", 1, append(explain, "--untrusted-files")...); !strings.Contains(got, "home rules: left out") {
		t.Errorf("got %s", got)
	}
	if got := run("root", 0, "list", "--user", "alice"); !strings.HasPrefix(got, "/home/alice/.opk/auth_id:2: alice "+email) {
		t.Errorf("got %s", got)
	}

	// Rules for others would not count there.
	for _, account := range []string{"alice", "root"} {
		if got := run(account, 1, "add", "--home", "bob", email, issuer); !strings.Contains(got, "count for its own user alone") {
			t.Errorf("%s: got %s", account, got)
		}
	}
	if got := run("alice", 1, "add", "--config-dir", "/etc/opk", "alice", email, issuer); !strings.Contains(got, "permission denied") {
		t.Errorf("got %s", got)
	}

	run("alice", 0, "remove", "alice", email, issuer)
	wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "no-rule")
	h.Config(t, "home_policy: false\n")
	if got := run("alice", 1, "add", "alice", email, issuer); !strings.Contains(got, "home_policy is off") {
		t.Errorf("got %s", got)
	}
}
