package endtoend_test

import (
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
)

// TestChain: beside ours, the keys of another AuthorizedKeysCommand let people in, for the user that it prints them for.
func TestChain(t *testing.T) {
	op := issuer.Start(t)
	h := endtoend.StartIssuerHost(t, op)
	directory := sshd.NewIdentity(t)
	// A stand-in for sss_ssh_authorizedkeys, which prints the keys that a directory has for a user.
	program := h.InstallScript(t, "directory-keys", "#!/bin/sh\n[ \"$1\" = bob ] || exit 1\necho '"+directory.AuthorizedKey+"'\n")
	ssh := h.Client(t, directory.File, "")
	if r := ssh.SSH(t, "bob", "id -un"); r.ExitCode != 255 {
		t.Fatalf("without a chain: expected a refusal, got %+v", r)
	}
	h.Config(t, "chain: ['"+program+" %u']\n")
	wantOutput(t, h, ssh.SSH(t, "bob", "id -un"), "bob\n")
	if r := ssh.SSH(t, "alice", "id -un"); r.ExitCode != 255 {
		t.Errorf("another user: expected a refusal, got %+v", r)
	}
	if records := h.Records(t); len(records) != 0 {
		t.Errorf("decisions about keys that are not ours: %v", records)
	}

	// The chain is never asked about our certificates: a denied person does not get in through it.
	id := op.Login(t, map[string]any{"email": "mallory@example.com"})
	wantRefused(t, h, h.Client(t, id.Key, id.Key+"-cert.pub", "IdentityFile none").SSH(t, "bob", "id -un"), "no-rule")

	// Without the config.yml that named it there is no chain, and one that is broken names none.
	h.Write(t, "config.yml", "chain: [\n")
	if r := ssh.SSH(t, "bob", "id -un"); r.ExitCode != 255 {
		t.Errorf("broken config.yml: expected a refusal, got %+v", r)
	}
}
