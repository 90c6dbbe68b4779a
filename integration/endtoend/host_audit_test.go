package endtoend_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
	"opkssh/pkg/pktoken/pktokentest"
)

const hostProgram = sshd.BinDir + "/opkssh"

// startAuditedHost has nothing that audit would complain about.
func startAuditedHost(t *testing.T) (*endtoend.Host, *issuer.Issuer) {
	t.Helper()
	op := issuer.Start(t)
	h := endtoend.StartIssuerHost(t, op)
	h.Write(t, "providers", op.URL+" "+pktokentest.ClientID+" 24h require=email_verified:true\n")
	h.Write(t, "auth_id", "alice alice@example.com "+op.URL+"\n")
	return h, op
}

// audited runs audit as root, and gives the codes of errors and warnings, each once in a row.
func audited(t *testing.T, h *endtoend.Host) []string {
	t.Helper()
	r := h.Exec(t, "root", hostProgram, "audit", "--json")
	var findings []struct{ Code, Severity, Text string }
	if err := json.Unmarshal([]byte(r.Stdout), &findings); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	var codes []string
	for _, f := range findings {
		if f.Severity != "note" {
			codes = append(codes, f.Code)
		}
	}
	if want := map[bool]int{true: 1}[len(codes) > 0]; r.ExitCode != want || r.Stderr != "" {
		t.Errorf("expected exit code %d, got %+v", want, r)
	}
	return slices.Compact(codes)
}

// TestAudit: what sshd itself says is held against what a login needs, and each finding is a login that fails.
func TestAudit(t *testing.T) {
	h, op := startAuditedHost(t)
	id := op.Login(t, map[string]any{"email": "alice@example.com", "email_verified": true})
	client := h.Client(t, id.Key, id.Key+"-cert.pub")
	if got := audited(t, h); len(got) != 0 {
		t.Fatalf("expected nothing, got %q", got)
	}
	wantOutput(t, h, client.SSH(t, "alice", "id -un"), "alice\n")

	change := func(script string) {
		t.Helper()
		if r := h.Exec(t, "root", "sh", "-c", script); r.ExitCode != 0 {
			t.Fatalf("%s: %+v", script, r)
		}
	}
	change("cp /etc/ssh/sshd_config /etc/ssh/sshd_config.good")
	for _, test := range []struct {
		name, spoil, mend string
		reload            bool
		want              []string
	}{
		{
			"a Match block", "printf 'Match User alice\\nAuthorizedKeysCommand none\\n' >>/etc/ssh/sshd_config", "cp /etc/ssh/sshd_config.good /etc/ssh/sshd_config", true,
			[]string{"match-block"},
		},
		{
			"no such user as the command's", "sed -i 's/^AuthorizedKeysCommandUser .*/AuthorizedKeysCommandUser nosuchuser/' /etc/ssh/sshd_config",
			"cp /etc/ssh/sshd_config.good /etc/ssh/sshd_config", true, []string{"no-command-user"},
		},
		{
			"tokens in another order", "sed -i 's/%u %k %t/%u %t %k/' /etc/ssh/sshd_config", "cp /etc/ssh/sshd_config.good /etc/ssh/sshd_config", true,
			[]string{"command-arguments"},
		},
		{
			"users that sshd keeps out", "sed -i '1i AllowUsers bob' /etc/ssh/sshd_config", "cp /etc/ssh/sshd_config.good /etc/ssh/sshd_config", true,
			[]string{"user-not-allowed"},
		},
		{
			"certificates that sshd does not take", "sed -i '1i PubkeyAcceptedKeyTypes ssh-ed25519,ecdsa-sha2-nistp256' /etc/ssh/sshd_config",
			"cp /etc/ssh/sshd_config.good /etc/ssh/sshd_config", true, []string{"key-algorithms"},
		},
		{"a program that others can write", "chmod 777 " + hostProgram, "chmod 755 " + hostProgram, false, []string{"command-program"}},
		{"a program that only root can run", "chmod 700 " + hostProgram, "chmod 755 " + hostProgram, false, []string{"command-program"}},
		{"rules that others can write", "chmod 666 /etc/opk/auth_id", "chmod 644 /etc/opk/auth_id", false, []string{"file-untrusted", "no-rules"}},
		{"rules that the command's user cannot read", "chmod 600 /etc/opk/auth_id", "chmod 644 /etc/opk/auth_id", false, []string{"permissions"}},
	} {
		change(test.spoil)
		if test.reload {
			h.Reload(t)
		}
		if got := audited(t, h); !slices.Equal(got, test.want) {
			t.Errorf("%s: expected %q, got %q", test.name, test.want, got)
		}
		if r := client.SSH(t, "alice", "id -un"); r.ExitCode == 0 {
			t.Errorf("%s: the login succeeded all the same", test.name)
		}
		change(test.mend)
		if test.reload {
			h.Reload(t)
		}
	}
	wantOutput(t, h, client.SSH(t, "alice", "id -un"), "alice\n")

	// What does not answer is said, and the keys that are held serve.
	op.Close()
	if got := audited(t, h); !slices.Equal(got, []string{"provider-unreachable"}) {
		t.Errorf("a provider that is down: got %q", got)
	}
	wantOutput(t, h, client.SSH(t, "alice", "id -un"), "alice\n")
}

// TestAuditOfHomeRules: what a user wrote and does not count is said.
func TestAuditOfHomeRules(t *testing.T) {
	h, op := startAuditedHost(t)
	file := filepath.Join(h.Home("alice"), ".opk", "auth_id")
	rules := "alice bob@example.com " + op.URL + "\n"
	for _, test := range []struct {
		name, rules string
		mode        os.FileMode
		want        []string
	}{
		{"good rules", rules, 0o600, nil},
		{"others can write them", rules, 0o666, []string{"home-untrusted"}},
		{"another user's", "bob bob@example.com " + op.URL + "\n", 0o600, []string{"home-row"}},
		{"an unknown issuer", "alice bob@example.com https://sso.example.com\n", 0o600, []string{"home-row"}},
		{"not a rule", "alice\n", 0o600, []string{"home-row"}},
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(test.rules), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, test.mode); err != nil {
			t.Fatal(err)
		}
		h.Chown(t, filepath.Dir(file), "alice")
		h.Chown(t, file, "alice")
		if got := audited(t, h); !slices.Equal(got, test.want) {
			t.Errorf("%s: expected %q, got %q", test.name, test.want, got)
		}
	}
	h.Config(t, "home_policy: false\n")
	if got := audited(t, h); len(got) != 0 {
		t.Errorf("home rules are off: got %q", got)
	}
}

// TestPermissionsFix: what keeps everybody out is mended, and nothing else.
func TestPermissionsFix(t *testing.T) {
	h, op := startAuditedHost(t)
	id := op.Login(t, map[string]any{"email": "alice@example.com", "email_verified": true})
	client := h.Client(t, id.Key, id.Key+"-cert.pub")
	for _, spoil := range []string{
		"chmod 666 /etc/opk/auth_id", "chown alice /etc/opk/providers", "chmod 600 /etc/opk/auth_id", "chown root:root /var/cache/opkssh",
		"chmod 777 /etc/opk", "touch /var/cache/opkssh/provider-x.lock",
	} {
		if r := h.Exec(t, "root", "sh", "-c", spoil); r.ExitCode != 0 {
			t.Fatalf("%s: %+v", spoil, r)
		}
		check := h.Exec(t, "root", hostProgram, "permissions", "check")
		if check.ExitCode != 1 || check.Stdout == "" {
			t.Errorf("%s: expected a plan, got %+v", spoil, check)
		}
		if fix := h.Exec(t, "root", hostProgram, "permissions", "fix"); fix.ExitCode != 0 || fix.Stdout != check.Stdout {
			t.Errorf("%s: expected what the plan says, got %+v", spoil, fix)
		}
		if again := h.Exec(t, "root", hostProgram, "permissions", "fix"); again.ExitCode != 0 || again.Stdout != "" {
			t.Errorf("%s: a second time: got %+v", spoil, again)
		}
		wantOutput(t, h, client.SSH(t, "alice", "id -un"), "alice\n")
	}
	if r := h.Exec(t, "alice", hostProgram, "permissions", "check"); r.ExitCode != 0 && r.ExitCode != 1 {
		t.Errorf("as anybody: got %+v", r)
	}
}

// TestKeysAsRoot: what root does in the folder of the command's user is done as that user.
func TestKeysAsRoot(t *testing.T) {
	h, op := startAuditedHost(t)
	if r := h.Exec(t, "root", hostProgram, "keys", "refresh", "--all"); r.ExitCode != 0 || !strings.HasPrefix(r.Stdout, op.URL+": refreshed") {
		t.Fatalf("got %+v", r)
	}
	files, err := filepath.Glob(filepath.Join(h.CacheDir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %q, %v", files, err)
	}
	if r := h.Exec(t, "root", "find", "/var/cache/opkssh", "!", "-user", sshd.CommandUser); r.Stdout != "" {
		t.Errorf("expected the command's user to own everything, got %+v", r)
	}
	if r := h.Exec(t, "root", hostProgram, "keys", "list"); r.ExitCode != 0 || !strings.HasPrefix(r.Stdout, op.URL+": fresh for ") {
		t.Errorf("got %+v", r)
	}
	bundle := h.Exec(t, "root", hostProgram, "keys", "export", "-")
	if bundle.ExitCode != 0 {
		t.Fatalf("got %+v", bundle)
	}

	// A link that the user has put there leads root nowhere: the lock is opened as the user, who may not.
	h.ForgetKeys(t)
	secret := filepath.Join(h.LogDir, "secret")
	if err := os.WriteFile(secret, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if r := h.Exec(t, sshd.CommandUser, "ln", "-s", "/var/log/secret", "/var/cache/opkssh/"+filepath.Base(file)); r.ExitCode != 0 {
			t.Fatalf("got %+v", r)
		}
	}
	h.Exec(t, "root", hostProgram, "keys", "refresh", "--all")
	if data, err := os.ReadFile(secret); err != nil || string(data) != "untouched" {
		t.Errorf("got %q, %v", data, err)
	}

	// The bundle is opened by root, the folder is not.
	h.ForgetKeys(t)
	h.Write(t, "keys.json", bundle.Stdout)
	if err := os.Chmod(filepath.Join(h.ConfigDir, "keys.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := h.Exec(t, "root", hostProgram, "keys", "import", "/etc/opk/keys.json"); r.ExitCode != 0 || !strings.HasPrefix(r.Stdout, op.URL+": imported") {
		t.Errorf("got %+v", r)
	}
	op.Close()
	id := op.Login(t, map[string]any{"email": "alice@example.com", "email_verified": true})
	wantOutput(t, h, h.Client(t, id.Key, id.Key+"-cert.pub").SSH(t, "alice", "id -un"), "alice\n")
	if r := h.Exec(t, "root", hostProgram, "keys", "refresh", "--all"); r.ExitCode != 1 || r.Stdout != "" {
		t.Errorf("the exit status is passed on: got %+v", r)
	}
}

// TestDoctor follows a login that fails, from the outside in.
func TestDoctor(t *testing.T) {
	h, op := startAuditedHost(t)
	h.Write(t, "auth_id", "alice alice@example.com "+op.URL+"\nbob bob@example.com "+op.URL+"\n")
	ask := func(user string) (report struct {
		Healthy bool
		Steps   []struct{ Name, Result string }
		Denials []struct{ User, Email, Reason string }
		Advice  []string
	}, code int,
	) {
		t.Helper()
		r := h.Exec(t, "root", hostProgram, "doctor", "--json", user)
		if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
			t.Fatalf("%v: %+v", err, r)
		}
		return report, r.ExitCode
	}
	report, code := ask("bob")
	if !report.Healthy || code != 0 || len(report.Denials) != 0 || len(report.Advice) != 1 {
		t.Errorf("nobody has tried: got %d, %+v", code, report)
	}

	id := op.Login(t, map[string]any{"email": "alice@example.com", "email_verified": true})
	client := h.Client(t, id.Key, id.Key+"-cert.pub")
	wantRefused(t, h, client.SSH(t, "bob", "id -un"), "no-rule")
	report, code = ask("bob")
	if !report.Healthy || code != 0 || len(report.Denials) != 1 || report.Denials[0].Reason != "no-rule" || report.Denials[0].Email != "alice@example.com" ||
		len(report.Advice) != 1 || !strings.Contains(report.Advice[0], "verifier explain --log "+h.LastRecord(t)["id"].(string)) {
		t.Errorf("a refusal: got %d, %+v", code, report)
	}
	if report, _ := ask("alice"); len(report.Denials) != 0 {
		t.Errorf("another user's refusal: got %+v", report)
	}

	if r := h.Exec(t, "root", "chmod", "666", "/etc/opk/auth_id"); r.ExitCode != 0 {
		t.Fatalf("got %+v", r)
	}
	report, code = ask("bob")
	if report.Healthy || code != 1 || len(report.Advice) == 0 || !strings.Contains(report.Advice[0], "verifier permissions fix") {
		t.Errorf("rules that others can write: got %d, %+v", code, report)
	}
}
