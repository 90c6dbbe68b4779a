// Package compatibility_test lets the SSH clients of each Debian release log in to the sshd of each, with our verifier behind it, and
// writes docs/compatibility.md. It fetches the releases from the mirror of this machine's apt, so it is not part of make test: make
// compatibility. It needs root and debootstrap.
package compatibility_test

import (
	"os"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	endtoend.RemovePrograms()
	os.Exit(code)
}

// TestReleases: each client at each server, both types of keys, both styles of principals; and nobody who has no rule. Then the project's
// integration tests with each release's ssh and sshd.
func TestReleases(t *testing.T) {
	op := issuer.Start(t)
	config := map[string]string{
		"providers":  op.URL + " " + pktokentest.ClientID + " 24h\n",
		"auth_id":    "alice alice@example.com " + op.URL + "\n",
		"config.yml": "log: {to: stderr}\nhome_policy: false\n",
	}
	var all []*release
	for _, name := range releases {
		r := bootstrap(t, name)
		r.serve(t, config)
		all = append(all, r)
	}
	makeIdentity := func(t *testing.T, kind keyType, email string, s style) *identity {
		return newIdentity(t, op, kind, email, s)
	}
	clients := []*client{newGoClient(t)}
	// Those of one release share its files.
	groups := map[string][]*client{"go": clients}
	for _, r := range all {
		groups[r.name] = r.clients(t, all)
		clients = append(clients, groups[r.name]...)
	}
	t.Run("clients", func(t *testing.T) {
		for name, group := range groups {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, c := range group {
					c.try(t, all, makeIdentity)
				}
			})
		}
	})
	passed := map[*release]int{}
	for _, r := range all {
		t.Run("suite/"+r.name, func(t *testing.T) { passed[r] = r.suite(t) })
	}
	if t.Failed() {
		return
	}
	if err := os.WriteFile(pageFile, []byte(page(clients, all, passed)), 0o644); err != nil {
		t.Fatal(err)
	}
}
