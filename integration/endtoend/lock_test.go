package endtoend_test

import (
	"os/exec"
	"testing"
	"time"

	"opkssh/integration/endtoend"
	"opkssh/integration/provider"
)

// verifierOn runs a command of the administrator on the host.
func verifierOn(t *testing.T, h *endtoend.Host, command string, args ...string) {
	t.Helper()
	cmd := exec.Command(endtoend.Verifier(t), append([]string{command, "--config-dir", h.ConfigDir}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("verifier %s %q: %v\n%s", command, args, err, out)
	}
}

// TestLock: alice loses her access with one command and gets it back with another, and bob notices nothing.
func TestLock(t *testing.T) {
	p := provider.Start(t, provider.OIDCProvider)
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice alice@example.com", "bob bob@example.com")
	alice, bob := endtoend.NewPerson(t, p, "alice"), endtoend.NewPerson(t, p, "bob")
	alice.Login(t)
	bob.Login(t)
	alices, bobs := h.Client(t, alice.Key(), alice.Certificate()), h.Client(t, bob.Key(), bob.Certificate())
	wantOutput(t, h, alices.SSH(t, "alice", "id -un"), "alice\n")

	for _, test := range []struct {
		args   []string
		reason string
	}{
		{[]string{"alice@example.com"}, "denied-email"},
		{[]string{"--key-file", alice.Certificate()}, "denied-key"},
		{[]string{"--user", "alice"}, "denied-user"},
		{[]string{"--claim", "email:alice@example.com", "--issuer", p.Issuer}, "denied-claim"},
	} {
		verifierOn(t, h, "lock", test.args...)
		wantRefused(t, h, alices.SSH(t, "alice", "id -un"), test.reason)
		wantOutput(t, h, bobs.SSH(t, "bob", "id -un"), "bob\n")
		verifierOn(t, h, "unlock", test.args...)
		wantOutput(t, h, alices.SSH(t, "alice", "id -un"), "alice\n")
	}
}

// TestLockUntilNewLogin: the key that alice has is worth nothing any more, and the next one is good.
func TestLockUntilNewLogin(t *testing.T) {
	p := provider.Start(t, provider.OIDCProvider)
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice alice@example.com")
	alice := endtoend.NewPerson(t, p, "alice")
	alice.Login(t)
	ssh := h.Client(t, alice.Key(), alice.Certificate())
	wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")

	// Both clocks are this machine's: the minute that lock gives a provider's is not needed.
	locked := time.Now()
	verifierOn(t, h, "lock", "--until-new-login", "--before", locked.UTC().Format(time.RFC3339), "alice@example.com")
	wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "revoked")

	// Times in tokens are whole seconds: a login in the second of the lock does not count.
	endtoend.Eventually(t, "the next second", func() bool { return time.Now().Unix() > locked.Unix() })
	alice.Login(t)
	wantOutput(t, h, h.Client(t, alice.Key(), alice.Certificate()).SSH(t, "alice", "id -un"), "alice\n")
}
