package load_test

import (
	"fmt"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
)

// crowd is how many log in at once.
const crowd = 200

// decisions counts records by reason.
func decisions(records []endtoend.Record) map[string]int {
	by := map[string]int{}
	for _, r := range records {
		by[fmt.Sprint(r["decision"], " ", r["reason"])]++
	}
	return by
}

// TestCrowd: on a host that has never asked the provider, all get in and one of them asks. Once more, and nobody asks.
func TestCrowd(t *testing.T) {
	op := issuer.Start(t)
	h := startHost(t, op, "LoginGraceTime 600")
	id := op.Login(t, alice)
	client := h.Client(t, id.Key, id.Key+"-cert.pub", "ConnectTimeout 600")
	// A verification must not take longer than 5 s. What else this machine does, and the crowd itself, come after the host.
	if r := h.Exec(t, "root", "renice", "-n", "-20", "-p", "1"); r.ExitCode != 0 {
		t.Fatalf("%+v", r)
	}
	for i, state := range []string{"cold", "warm"} {
		stdout, stderr := client.Crowd(t, crowd, "alice", "id -un")
		records := h.Records(t)
		if in := strings.Count(stdout, "alice\n"); in != crowd || len(stdout) != crowd*len("alice\n") {
			t.Fatalf("%s: expected %d logins, got %d\n%s\nthe host's decisions: %v", state, crowd, in, stderr, decisions(records))
		}
		if d, k := op.Discovery.Load(), op.JWKS.Load(); d != 1 || k != 1 {
			t.Errorf("%s: expected one request for discovery and one for keys, got %d and %d", state, d, k)
		}
		// sshd asks twice a login, which makes one record where both are in time. What cannot be told apart for sure is logged twice.
		if want := (i + 1) * crowd; len(records) < want || len(records) > 2*want {
			t.Errorf("%s: expected %d to %d records, got %d", state, want, 2*want, len(records))
		}
		for _, r := range records {
			if r["decision"] != "allow" {
				t.Errorf("%s: %v", state, r)
			}
		}
	}
}
