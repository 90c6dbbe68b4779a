package endtoend_test

import (
	"regexp"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/pkg/sshcert"
)

// TestNoTokensInTheLogOfSSHD: sshd logs a command that fails with all its arguments, and the certificate among them holds an ID
// token and perhaps an access token. So a refusal is no failure.
func TestNoTokensInTheLogOfSSHD(t *testing.T) {
	op := issuer.Start(t)
	// The tests' sshd is at DEBUG, where it shows each command: this one is as on every host.
	h := endtoend.StartIssuerHost(t, op, "LogLevel INFO")
	h.Write(t, "auth_id", "alice alice@example.com "+op.URL+"\n")
	id := op.Login(t, map[string]any{"email": "alice@example.com"})
	id.Certificate.Extensions[sshcert.ExtensionAccessToken] = "the-access-token"
	id.Write(t)
	ssh := h.Client(t, id.Key, id.Key+"-cert.pub")
	wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	wantRefused(t, h, ssh.SSH(t, "bob", "id -un"), "no-rule")
	h.Write(t, "config.yml", "[\n")
	if r := ssh.SSH(t, "alice", "id -un"); r.ExitCode != 255 {
		t.Errorf("expected a refusal, got %+v", r)
	}
	h.WaitLog(t, "Connection closed by authenticating user alice")
	log := h.Log()
	// A certificate is one long word of base64.
	if blob := regexp.MustCompile(`[A-Za-z0-9+/]{80,}`).FindString(log); blob != "" || strings.Contains(log, "the-access-token") {
		t.Errorf("sshd's log shows a certificate: %.200s", blob)
	}
}
