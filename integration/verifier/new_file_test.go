package verifier_test

import (
	"os"
	"path/filepath"
	"testing"

	"opkssh/pkg/pktoken/pktokentest"
)

// TestNewFileIsReadByLogins: on a host with drop-ins alone, neither the first lock nor the first rule of a command keeps anybody else out.
func TestNewFileIsReadByLogins(t *testing.T) {
	h := newHost(t)
	for _, name := range []string{"config.yml", "providers", "auth_id"} {
		check(t, os.Remove(filepath.Join(h.config, name)))
	}
	h.write(t, "providers.d/a.conf", h.issuer.URL+" "+pktokentest.ClientID+" 24h\n")
	h.write(t, "auth_id.d/a.conf", "alice alice@example.com "+h.issuer.URL+"\n")
	verifier := h.forNobody(t)
	id := h.issuer.Login(t, alice)
	login := func() *answer { return runCommand(t, verifier(h.arguments("alice", id.Certificate)...)) }
	asRoot := func(command string, arguments ...string) {
		t.Helper()
		if a := run(t, append([]string{command, "--config-dir", h.config}, arguments...)...); a.code != 0 {
			t.Fatalf("%s: %s", command, a.stderr)
		}
	}

	wantLine(t, login(), id)
	asRoot("lock", "mallory@example.com")
	wantLine(t, login(), id)
	asRoot("add", "root", "bob@example.com", h.issuer.URL)
	wantLine(t, login(), id)
	asRoot("lock", "alice@example.com")
	if a := login(); a.code != 0 || a.stdout != "" {
		t.Errorf("expected that the lock counts, got %d and %q", a.code, a.stdout)
	}
}
