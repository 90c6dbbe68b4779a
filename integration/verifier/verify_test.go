package verifier_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

func TestAllowed(t *testing.T) {
	h := newHost(t)
	id := h.issuer.Login(t, alice)
	a := h.verify(t, "root", id.Certificate)
	wantLine(t, a, id)
	d := a.decision(t)
	for name, want := range map[string]any{
		"decision": "allow", "user": "root", "issuer": h.issuer.URL, "sub": "user-1", "email": "alice@example.com",
		"rule_file": filepath.Join(h.config, "auth_id"), "rule_line": 2.0,
		"key_fingerprint": ssh.FingerprintSHA256(id.Certificate.Key), "key_id": "alice@example.com",
	} {
		if d[name] != want {
			t.Errorf("log: %s: expected %v, got %v", name, want, d[name])
		}
	}
	if h.issuer.Requests() != 2 {
		t.Errorf("expected two requests, got %d", h.issuer.Requests())
	}
	wantLine(t, h.verify(t, "alice", id.Certificate), id)
	if h.issuer.Requests() != 2 {
		t.Errorf("with the keys cached: expected no further request, got %d", h.issuer.Requests()-2)
	}
}

func TestFurtherTokensOfSSHD(t *testing.T) {
	h := newHost(t)
	id := h.issuer.Login(t, alice)
	a := h.verify(t, "alice", id.Certificate, "192.0.2.7 51820 192.0.2.1 22", "--config-dir=/tmp")
	wantLine(t, a, id)
}

// TestHostileUserNames: what stands before the key is a name, whatever it looks like.
func TestHostileUserNames(t *testing.T) {
	h := newHost(t)
	id := h.issuer.Login(t, alice)
	for _, user := range []string{
		"--help", "-h", "--version", "--config-dir=/nonexistent", "--config-dir", "--", "-", "", "a b", "alice\n", "root\x00", "ALICE",
		"../alice", "alice,root", strings.Repeat("a", 5000), "\x1b[2J", "\u202eecila", "AAAA", "ssh-rsa",
	} {
		if strings.Contains(user, "\x00") {
			continue // no program can be given one
		}
		wantReason(t, h.verify(t, user, id.Certificate), "no-rule")
	}
}

func TestUsage(t *testing.T) {
	h := newHost(t)
	for _, test := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"verify", "--help"}, 0, "AuthorizedKeysCommand"},
		{[]string{"verify"}, 2, "AuthorizedKeysCommand"},
		{[]string{"verify", "alice"}, 2, "%u %k %t"},
		{[]string{"verify", "alice", "AAAA"}, 2, "%u %k %t"},
		{append([]string{"verify", "--no-such-flag"}, h.arguments("alice", h.issuer.Login(t, alice).Certificate)[3:]...), 2, "no-such-flag"},
		{[]string{"no-such-command"}, 2, "no-such-command"},
		{[]string{"unlok", "x"}, 2, "did you mean unlock\n"},
		{[]string{"--help"}, 0, "verify"},
	} {
		a := run(t, test.args...)
		if a.code != test.code || !strings.Contains(a.stdout+a.stderr, test.text) {
			t.Errorf("%q: expected exit code %d and %q, got %d and\n%s%s", test.args, test.code, test.text, a.code, a.stdout, a.stderr)
		}
	}
}

// TestOtherPeoplesKeys: no output, no line in a log, no file of the host opened.
func TestOtherPeoplesKeys(t *testing.T) {
	h := newHost(t)
	id := h.issuer.Login(t, alice)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaPublic, err := ssh.NewPublicKey(rsaKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	foreign := *id.Certificate
	foreign.Extensions = map[string]string{"permit-pty": ""}
	if err := foreign.SignCert(rand.Reader, id.Signer); err != nil {
		t.Fatal(err)
	}
	blob := func(key ssh.PublicKey) string { return base64.StdEncoding.EncodeToString(key.Marshal()) }
	for name, key := range map[string][2]string{
		"plain":                {blob(id.Signer.PublicKey()), id.Signer.PublicKey().Type()},
		"RSA":                  {blob(rsaPublic), "ssh-rsa"},
		"other certificate":    {blob(&foreign), foreign.Type()},
		"unknown type":         {"AAAAEHNrLXVua25vd25AYS5iLmM=", "sk-unknown@a.b.c"},
		"not base64":           {"AAAA=%%", "ssh-rsa"},
		"not a key":            {"AAAA", "ssh-rsa"},
		"of another type":      {blob(id.Certificate), "ssh-ed25519"},
		"truncated":            {blob(id.Certificate)[:400], id.Certificate.Type()},
		"with something after": {base64.StdEncoding.EncodeToString(append(id.Certificate.Marshal(), 0)), id.Certificate.Type()},
	} {
		t.Run(name, func(t *testing.T) {
			trace := filepath.Join(t.TempDir(), "trace")
			a := runCommand(t, exec.Command("strace", "-f", "-o", trace, "-e", "trace=file,connect",
				endtoend.Verifier(t), "verify", "--config-dir", h.config, "--cache-dir", h.cache, "alice", key[0], key[1]))
			if a.code != 0 || a.stdout != "" || a.stderr != "" {
				t.Errorf("expected exit code 0 and silence, got %+v", a)
			}
			calls, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{"providers", "auth_id", h.cache, "/dev/log", "connect("} {
				if strings.Contains(strings.ReplaceAll(string(calls), "--cache-dir\", \""+h.cache, ""), file) {
					t.Errorf("%s was touched:\n%s", file, calls)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name, reason string
		claims       map[string]any
		prepare      func(t *testing.T, h *host)
	}{
		{"somebody else", "no-rule", map[string]any{"email": "bob@example.com"}, nil},
		{"another client's token", "audience", map[string]any{"email": "alice@example.com", "aud": "other"}, nil},
		{"expired", "expired", map[string]any{"email": "alice@example.com", "iat": 1_000_000_000}, nil},
		{"unknown issuer", "unknown-issuer", alice, func(t *testing.T, h *host) { h.write(t, "providers", "https://op.example.com x 24h\n") }},
		{"no providers file", "unknown-issuer", alice, func(t *testing.T, h *host) { remove(t, h, "providers") }},
		{"no rules", "no-rule", alice, func(t *testing.T, h *host) { remove(t, h, "auth_id") }},
		{"denied email", "denied-email", alice, func(t *testing.T, h *host) {
			h.write(t, "config.yml", "deny_emails: [Alice@Example.com]\nlog: {to: stderr}\n")
		}},
		{"denied user", "denied-user", alice, func(t *testing.T, h *host) { h.write(t, "config.yml", "deny_users: [root]\nlog: {to: stderr}\n") }},
		{"provider gone", "keys-unavailable", alice, func(t *testing.T, h *host) { h.issuer.Close() }},
		{"providers writable by others", "unknown-issuer", alice, func(t *testing.T, h *host) { chmod(t, h, "providers", 0o666) }},
		{"rules writable by the group", "rule-untrusted", alice, func(t *testing.T, h *host) { chmod(t, h, "auth_id", 0o660) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			id := h.issuer.Login(t, test.claims)
			if test.prepare != nil {
				test.prepare(t, h)
			}
			wantReason(t, h.verify(t, "root", id.Certificate), test.reason)
		})
	}
}

func remove(t *testing.T, h *host, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(h.config, name)); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, h *host, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Join(h.config, name), mode); err != nil {
		t.Fatal(err)
	}
}

// TestConfigThatCannotBeUsedDeniesEveryone: it may hold a deny list.
func TestConfigThatCannotBeUsedDeniesEveryone(t *testing.T) {
	tests := []struct {
		name, text string
		mode       os.FileMode
		detail     string // a regular expression
	}{
		{"unknown member", "log: {to: stderr}\ndeny_mails: [x@example.com]\n", 0o644, `config\.yml:2: .*deny_emails`},
		{"syntax", "deny_users: [\n", 0o644, `config\.yml:\d`},
		{"type", "deny_users: root\n", 0o644, `config\.yml:1: `},
		{"writable by others", "", 0o666, `config\.yml: mode`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			h.write(t, "config.yml", test.text)
			chmod(t, h, "config.yml", test.mode)
			// Where the log goes is in config.yml, too: it falls back to syslog or standard error. -v is the latter.
			id := h.issuer.Login(t, alice)
			args := h.arguments("alice", id.Certificate)
			a := run(t, append([]string{"verify", "-v"}, args[1:]...)...)
			d := wantReason(t, a, "configuration")
			if detail, _ := d["detail"].(string); !regexp.MustCompile(test.detail).MatchString(detail) {
				t.Errorf("detail: expected %s, got %s", test.detail, detail)
			}
		})
	}
}

// TestBrokenRowsHarmNobodyElse: alice still gets in, and the log names the rows.
func TestBrokenRowsHarmNobodyElse(t *testing.T) {
	h := newHost(t)
	h.write(t, "providers", "http://op.example.com x 24h\nnonsense\n"+h.issuer.URL+" "+pktokentest.ClientID+" 24h\n\"\n")
	h.write(t, "auth_id", "alice oidc:groups\n'\nalice alice@example.com "+h.issuer.URL+" # ours\nalice\x00 x y\n")
	h.write(t, "auth_id.d/10-more.conf", "\xff\xfe\x00\n")
	id := h.issuer.Login(t, alice)
	a := h.verify(t, "alice", id.Certificate)
	wantLine(t, a, id)
	lines := map[string]bool{}
	for _, row := range a.log["row left out"] {
		lines[filepath.Base(row["file"].(string))+":"+strings.TrimSuffix(jsonNumber(row["line"]), ".0")] = true
	}
	for _, want := range []string{"providers:1", "providers:2", "providers:4", "auth_id:1", "auth_id:2"} {
		if !lines[want] {
			t.Errorf("the log does not name %s: %v", want, lines)
		}
	}
}

func jsonNumber(v any) string {
	n, _ := v.(float64)
	return string(rune('0' + int(n)))
}

func TestDropIns(t *testing.T) {
	h := newHost(t)
	remove(t, h, "auth_id")
	remove(t, h, "providers")
	h.write(t, "providers.d/10-op.conf", h.issuer.URL+" "+pktokentest.ClientID+" 24h\n")
	h.write(t, "auth_id.d/20-team.conf", `alice alice@example.com `+h.issuer.URL+` from="192.0.2.0/24",no-pty`+"\n")
	h.write(t, "auth_id.d/30-later.conf", "alice alice@example.com "+h.issuer.URL+"\n")
	h.write(t, "auth_id.d/05-ignored.bak", "alice alice@example.com "+h.issuer.URL+"\n")
	id := h.issuer.Login(t, alice)
	a := h.verify(t, "alice", id.Certificate)
	want := `cert-authority,principals="opkssh-wildcard",from="192.0.2.0/24",no-pty `
	if a.code != 0 || !strings.HasPrefix(a.stdout, want) {
		t.Fatalf("expected %q…, got %q\n%s", want, a.stdout, a.stderr)
	}
	if got := a.decision(t)["rule_file"]; got != filepath.Join(h.config, "auth_id.d/20-team.conf") {
		t.Errorf("rule_file: got %v", got)
	}
}

// TestNoSecretsInTheLog: neither the PK token, nor a signature of it, nor an access token.
func TestNoSecretsInTheLog(t *testing.T) {
	h := newHost(t)
	id := h.issuer.Login(t, alice)
	id.Certificate.Extensions[sshcert.ExtensionAccessToken] = "the-access-token"
	id.Write(t)
	var said string
	for _, user := range []string{"alice", "nobody"} {
		args := h.arguments(user, id.Certificate)
		a := run(t, append([]string{"verify", "-v"}, args[1:]...)...)
		said += a.stderr
	}
	secrets := append(regexp.MustCompile(`[:.]`).Split(id.Token.Compact(), -1), "the-access-token")
	for _, secret := range secrets {
		if strings.Contains(said, secret) {
			t.Errorf("the log holds %q:\n%s", secret, said)
		}
	}
}

// TestLogIsEscaped: what the other side wrote cannot start a new line in the log or reach a terminal.
func TestLogIsEscaped(t *testing.T) {
	h := newHost(t)
	evil := "x\x1b[2J\n{\"decision\":\"allow\"}\u2028\u202e@example.com"
	id := h.issuer.Login(t, map[string]any{"email": evil, "sub": evil})
	id.Certificate.KeyId = evil
	id.Write(t)
	a := h.verify(t, "alice", id.Certificate)
	wantReason(t, a, "no-rule")
	if strings.ContainsAny(a.stderr, "\x1b\u2028\u202e") {
		t.Errorf("unescaped: %q", a.stderr)
	}
}

// TestSlowProvider: a provider that never answers costs a bounded time, and the login.
func TestSlowProvider(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	h := newHost(t)
	h.issuer.Issuer = pktokentest.NewIssuer(t, server.URL, "RS256")
	h.write(t, "providers", server.URL+" "+pktokentest.ClientID+" 24h\n")
	h.write(t, "auth_id", "alice alice@example.com "+server.URL+"\n")
	wantReason(t, h.verify(t, "alice", h.issuer.Login(t, alice).Certificate), "keys-unavailable")
}

func TestUnusableCacheFolder(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, h *host){
		"missing":  func(t *testing.T, h *host) { h.cache = h.config + "/providers/cache" },
		"not ours": func(t *testing.T, h *host) { check(t, os.Chmod(h.cache, 0o777)) },
		"a file":   func(t *testing.T, h *host) { check(t, os.Remove(h.cache)); check(t, os.WriteFile(h.cache, nil, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			prepare(t, h)
			id := h.issuer.Login(t, alice)
			wantLine(t, h.verify(t, "alice", id.Certificate), id)
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestExpiryTimeIsNotForSSHD: an expiry-time is the verifier's to enforce, in the host's time zone or in UTC. OpenSSH before 9.1 passes
// over a line with a Z in it, and reads other times differently in summer; so sshd gets the other options alone.
func TestExpiryTimeIsNotForSSHD(t *testing.T) {
	h := newHost(t)
	id := h.issuer.Login(t, alice)
	tokyo := time.FixedZone("Asia/Tokyo", 9*60*60)
	minute := func(zone *time.Location, d time.Duration) string {
		return time.Now().In(zone).Add(d).Format("200601021504")
	}
	for _, test := range []struct{ expiry, reason string }{
		{"20991231", ""},
		{"20991231Z", ""},
		{"99991231235959Z", ""},
		{minute(time.UTC, 30*time.Minute) + "Z", ""},
		{minute(tokyo, 30*time.Minute), ""},
		{"20200101", "rule-expired"},
		{"20200101Z", "rule-expired"},
		{minute(time.UTC, -30*time.Minute) + "Z", "rule-expired"},
		{minute(tokyo, -30*time.Minute), "rule-expired"},
	} {
		h.write(t, "auth_id", "alice alice@example.com "+h.issuer.URL+` command="a, b",expiry-time="`+test.expiry+`",no-pty`+"\n")
		a := runCommand(t, exec.Command("env", append([]string{"TZ=Asia/Tokyo", endtoend.Verifier(t)}, h.arguments("alice", id.Certificate)...)...))
		if test.reason != "" {
			wantReason(t, a, test.reason)
			continue
		}
		want := `cert-authority,principals="opkssh-wildcard",command="a, b",no-pty ` + string(ssh.MarshalAuthorizedKey(id.Certificate.Key))
		if a.code != 0 || a.stdout != want {
			t.Errorf("%s: expected %q, got %d and %q\n%s", test.expiry, want, a.code, a.stdout, a.stderr)
		}
		if got, want := a.decision(t)["options"], []any{"command=a, b", "no-pty"}; !equalJSON(got, any(want)) {
			t.Errorf("%s: the log: expected %q, got %q", test.expiry, want, got)
		}
	}
}
