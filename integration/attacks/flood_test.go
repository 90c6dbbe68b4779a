package attacks_test

import (
	"fmt"
	"sync"
	"testing"
)

// TestFlood.
//
// Power: may try to log in as often as sshd lets anybody.
// Move: each time with another key ID, or as a token of another issuer, so that the host asks the provider.
// Expected: no-provider-key and unknown-issuer; two requests for all of the first, none for the second.
func TestFlood(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	h.write(t, "config.yml", logToStderr+"key_cache: {min_refresh: 10m}\n")
	h.attack(t, forge(t, op.Issuer).offer(), allowed)
	before := op.Requests()
	var running sync.WaitGroup
	for i := range 40 {
		f := forge(t, op.Issuer)
		want := "no-provider-key"
		f.header["kid"] = fmt.Sprintf("unknown-%d", i)
		if i%4 == 3 {
			f.claims["iss"], want = fmt.Sprintf("https://op-%d.example.com", i), "unknown-issuer"
		}
		o := f.offer()
		running.Go(func() {
			a := h.verify(t, o)
			if decisions := a.log["login"]; a.stdout != "" || len(decisions) != 1 || decisions[0]["reason"] != want {
				t.Errorf("expected the reason %s, got\n%s%s", want, a.stdout, a.stderr)
			}
		})
	}
	running.Wait()
	if n := op.Requests() - before; n > 2 {
		t.Errorf("expected at most two requests, got %d", n)
	}
	h.attack(t, forge(t, op.Issuer).offer(), allowed)
}
