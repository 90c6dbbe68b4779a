package endtoend_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/pkg/pktoken/pktokentest"
)

// TestKeyBinding: an ID token with the key in it opens a host whose row says commitment=cnf, and none that expects a nonce.
func TestKeyBinding(t *testing.T) {
	p := endtoend.StartBoundKeyProvider(t)
	h := endtoend.StartEmptyHost(t, endtoend.Command)
	h.Write(t, "auth_id", "alice alice@example.com "+p.URL+"\n")
	row := p.URL + " " + pktokentest.ClientID + " 24h"
	for name, login := range map[string]func(t *testing.T, alice *endtoend.Person, config, keyType string){
		"browser": func(t *testing.T, alice *endtoend.Person, config, keyType string) {
			login := alice.StartLogin(t, "--config-path", config, "-t", keyType)
			answer, err := http.Get(login.URL)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if output, code := login.Wait(t); code != 0 {
				t.Fatalf("exit code %d\n%s", code, output)
			}
		},
		"device": func(t *testing.T, alice *endtoend.Person, config, keyType string) {
			if output, code := alice.Run(t, "login", "--flow", "device", "--config-path", config, "-t", keyType); code != 0 {
				t.Fatalf("exit code %d\n%s", code, output)
			}
		},
		"chosen in an ssh session": func(t *testing.T, alice *endtoend.Person, config, keyType string) {
			login := alice.StartAtTerminal(t, sshSession, "login", "--config-path", config, "-t", keyType)
			login.WaitFor(t, "WDJB-MJHT")
			if shown, code := login.Wait(t); code != 0 {
				t.Fatalf("exit code %d\n%s", code, shown)
			}
		},
	} {
		for _, keyType := range []string{"ecdsa", "ed25519"} {
			t.Run(name+"/"+keyType, func(t *testing.T) {
				alice := p.Person(t)
				config := filepath.Join(alice.Home, "config.yml")
				text := "providers: [{alias: work, issuer: '" + p.URL + "', client_id: " + pktokentest.ClientID + ", key_binding: true}]\n"
				if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				login(t, alice, config, keyType)
				key := filepath.Join(alice.Home, ".ssh", "id_"+keyType)
				ssh := h.Client(t, key, key+"-cert.pub")
				h.Write(t, "providers", row+" commitment=cnf\n")
				wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
				h.Write(t, "providers", row+"\n")
				wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "token-type")
			})
		}
	}
}
