package userkeys_test

import (
	"testing"
	"time"

	"opkssh/internal/userkeys"
)

// TestMayBeLocked: an agent that shows a key, or takes one, is not locked. What OpenSSH's agent says, which knows sessions, the scripts of
// opkssh logout look at.
func TestMayBeLocked(t *testing.T) {
	recording, client := startAgent(t)
	recording.refuse = true
	if !client.MayBeLocked() {
		t.Error("an agent that shows nothing and takes nothing: expected that it may be locked")
	}
	recording.refuse = false
	if client.MayBeLocked() {
		t.Error("an agent that takes a key: expected that it is not locked")
	}
	if left, err := recording.List(); err != nil || len(left) > 0 || len(recording.added) != 1 || recording.added[0].LifetimeSecs != 1 {
		t.Errorf("expected one key for a second, and that it is gone; got %+v, and %v, %v there", recording.added, left, err)
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
