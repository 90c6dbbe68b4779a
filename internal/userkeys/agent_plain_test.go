package userkeys_test

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"opkssh/internal/userkeys"
	"opkssh/pkg/sshcert"
)

// TestRemovePlain: the key of a certificate of ours goes, whatever its comment is, and no certificate and no other key.
func TestRemovePlain(t *testing.T) {
	recording, client := startAgent(t)
	key, cert := alice.login(t, userkeys.ECDSA)
	other, otherCert := alice.login(t, userkeys.Ed25519)
	for _, added := range []agent.AddedKey{
		{PrivateKey: key, Comment: "/home/alice/.ssh/id_ecdsa"},
		{PrivateKey: other, Comment: sshcert.Comment},
	} {
		if err := recording.Agent.Add(added); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Add(key, cert, "", userkeys.Constraints{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	id, err := userkeys.Of(cert)
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.Complete(nil)
	if err != nil || len(list) != 1 || !list[0].InAgent || !list[0].PlainInAgent {
		t.Fatalf("expected the key with and without its certificate, got %+v, %v", list, err)
	}
	for _, want := range []int{1, 0} {
		// One key may be in files and in the agent, under two certificates.
		if removed, err := client.RemovePlain([]userkeys.Identity{id, list[0]}); err != nil || len(removed) != want {
			t.Errorf("expected %d removed, got %d, %v", want, len(removed), err)
		}
	}
	if list, err = client.Complete(nil); err != nil || len(list) != 1 || list[0].PlainInAgent {
		t.Errorf("expected the certificate alone, got %+v, %v", list, err)
	}
	held, err := recording.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []ssh.PublicKey{cert, otherCert.Key} {
		if !slices.ContainsFunc(held, func(k *agent.Key) bool { return string(k.Blob) == string(want.Marshal()) }) || len(held) != 2 {
			t.Errorf("expected %s to stay, and one more, got %v", want.Type(), held)
		}
	}
}
