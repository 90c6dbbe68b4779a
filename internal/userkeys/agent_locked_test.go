package userkeys_test

import (
	"testing"
	"time"

	"opkssh/internal/userkeys"
)

// TestMayBeLocked: an agent that shows a key is not locked. One that shows none, and knows no sessions, may be. What OpenSSH's agent says, the
// scripts of opkssh logout look at.
func TestMayBeLocked(t *testing.T) {
	_, client := startAgent(t)
	if !client.MayBeLocked() {
		t.Error("an agent that shows nothing and answers nothing: expected that it may be locked")
	}
	key, cert := alice.login(t, userkeys.ECDSA)
	if err := client.Add(key, cert, "", userkeys.Constraints{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if client.MayBeLocked() {
		t.Error("an agent that shows a key: expected that it is not locked")
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if !client.MayBeLocked() {
		t.Error("an agent that does not answer: expected that it may be locked")
	}
}
