package attacks_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/pkg/sshcert"
)

// TestThroughSSHD.
//
// Power: an ssh client, and whatever certificate the attacker puts into its file.
// Move: one of each class, against a real sshd: what sshd itself reads and logs must agree with what we refuse.
// Expected: no session, and our reason in the host's log.
func TestThroughSSHD(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	h := endtoend.StartIssuerHost(t, op)
	h.Write(t, "auth_id", "alice alice@example.com "+op.URL+"\n")
	victim := forge(t, op.Issuer)
	stolen := fieldsOf(victim.compact())
	for _, r := range []row{
		{"as made", asMade, allowed},
		{"none", all(header("alg", "none"), func(f *forgery) { f.opSig = func([]byte) []byte { return nil } }), "algorithm"},
		{"stolen ID token", func(f *forgery) {
			f.fields = func(p []string) {
				copy(p[:3], stolen)
				p[4] = b64(userSignature(f.t, f.user, p[3]+"."+p[0]))
			}
		}, "commitment"},
		{"access token", header("typ", "at+jwt"), "token-type"},
		{"expired", claim("iat", 1_000_000_000), "expired"},
		{"email with a line", claim("email", "alice@example.com\nx"), "no-rule"},
		{"key ID with a log line", func(f *forgery) {
			id := "alice@example.com\nAccepted publickey for root"
			f.keyID = &id
		}, "certificate-key-id"},
		{"principal with an option", func(f *forgery) { f.principals = []string{`alice",command="id`, "alice"} }, "certificate-principals"},
		{"wrong signer", func(f *forgery) { f.signer = sshSigner(f.t, victim.user) }, "certificate-signer"},
		{"90 000 colons", func(f *forgery) { f.text = func(s string) string { return s + strings.Repeat(":", 90_000) } }, "token-malformed"},
		{"refreshed, unsigned", func(f *forgery) {
			f.text = func(s string) string {
				return s + "." + b64([]byte(`{"alg":"none"}`)) + "." + strings.Split(s, ":")[0] + "."
			}
		}, "refreshed-token"},
		{"root", func(f *forgery) { f.login = "root" }, "no-rule"},
	} {
		t.Run(r.name, func(t *testing.T) {
			f := forge(t, op.Issuer)
			r.change(f)
			tryToLogIn(t, h, f, r.want)
		})
	}
	t.Run("plugin that floods", func(t *testing.T) {
		h.Write(t, "policy.d/p.yml", "name: p\ncommand: /usr/bin/yes allow\nmode: allow\n")
		f := forge(t, op.Issuer)
		f.login = "bob"
		tryToLogIn(t, h, f, "no-rule")
	})
}

// tryToLogIn offers the forgery with ssh.
func tryToLogIn(t *testing.T, h *endtoend.Host, f *forgery, want string) {
	t.Helper()
	key := filepath.Join(t.TempDir(), "id_ecdsa")
	block, err := ssh.MarshalPrivateKey(f.user, "")
	check(t, err)
	check(t, os.WriteFile(key, pem.EncodeToMemory(block), 0o600))
	public, err := ssh.ParsePublicKey(f.offer().wire)
	check(t, err)
	check(t, os.WriteFile(key+"-cert.pub", sshcert.MarshalLine(public.(*ssh.Certificate), sshcert.Comment), 0o644))
	r := h.Client(t, key, key+"-cert.pub").SSH(t, f.login, "id -un")
	last := h.LastRecord(t)
	switch {
	case want == allowed && (r.ExitCode != 0 || r.Stdout != f.login+"\n" || last["decision"] != "allow"):
		t.Errorf("expected a session, got %+v\nthe host's log: %v", r, last)
	case want != allowed && (r.ExitCode != 255 || r.Stdout != ""):
		t.Errorf("expected no session, got %+v\nthe host's log: %v", r, last)
	case want != allowed && (last["decision"] != "deny" || last["reason"] != want):
		t.Errorf("expected the reason %q, got %v", want, last)
	}
}
