package endtoend_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/provider"
)

// TestCAFile: the provider's certificate is of an authority that nothing on the computer knows but its ca_file.
func TestCAFile(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			p := provider.Start(t, kind)
			alice := endtoend.NewPerson(t, p, "alice")
			alice.Desktop = []string{"SSL_CERT_FILE="}
			add := []string{"config", "add", p.Issuer, p.ClientID, "--alias", "work"}
			output, code := alice.Run(t, add...)
			if code != 1 || !strings.Contains(output, "unknown authority\nhint: name a file") {
				t.Fatalf("exit code %d\n%s", code, output)
			}
			if output, code = alice.Run(t, append(add, "--ca-file", p.CAFile)...); code != 0 {
				t.Fatalf("exit code %d\n%s", code, output)
			}
			// The login asks for the documents, the token and the keys itself.
			alice.Login(t, "work")
			if _, err := os.Stat(alice.Certificate()); err != nil {
				t.Error(err)
			}

			config := filepath.Join(alice.Home, "own.yml")
			text := "providers: [{alias: own, issuer: '" + p.Issuer + "', client_id: '" + p.ClientID + "', ca_file: missing.pem}]\n"
			check(t, os.WriteFile(config, []byte(text), 0o600))
			output, code = alice.Run(t, "login", "own", "--config-path", config)
			if code != 1 || !strings.Contains(output, "ca_file: open "+filepath.Join(alice.Home, "missing.pem")) {
				t.Errorf("exit code %d\n%s", code, output)
			}
		})
	}
}
