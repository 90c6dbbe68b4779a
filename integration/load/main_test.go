// Package load_test does a lot at once, or with a lot, in a few seconds; package soak_test does it for as long as one likes.
// It needs root.
package load_test

import (
	"os"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
)

func TestMain(m *testing.M) {
	code := m.Run()
	endtoend.RemovePrograms()
	os.Exit(code)
}

var alice = map[string]any{"email": "alice@example.com", "email_verified": true}

// startHost lets alice in. lines go into sshd_config.
func startHost(t *testing.T, op *issuer.Issuer, lines ...string) *endtoend.Host {
	t.Helper()
	h := endtoend.StartIssuerHost(t, op, lines...)
	h.Write(t, "auth_id", ruleOf(op.URL))
	return h
}

func ruleOf(issuerURL string) string { return "alice alice@example.com " + issuerURL + "\n" }

func clientOf(t *testing.T, h *endtoend.Host, id *issuer.Identity) *sshd.Client {
	t.Helper()
	return h.Client(t, id.Key, id.Key+"-cert.pub")
}

func wantIn(t *testing.T, h *endtoend.Host, c *sshd.Client) {
	t.Helper()
	if r := c.SSH(t, "alice", "id -un"); r.ExitCode != 0 || r.Stdout != "alice\n" {
		t.Fatalf("expected a login, got %+v\nthe host's log: %v", r, h.Records(t))
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
