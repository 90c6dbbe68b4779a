package userkeys_test

import (
	"crypto/rand"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// A host closes the connection after six tries: the keys that a person had before us come first, and then the latest login's.
func TestTheOrderOfKeys(t *testing.T) {
	folder := t.TempDir()
	now := time.Now()
	if _, err := userkeys.Configure(folder, now); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"a": 2 * time.Hour, "b": time.Hour, "c": 3 * time.Hour} {
		key, err := userkeys.Generate(userkeys.ECDSA)
		if err != nil {
			t.Fatal(err)
		}
		claims := map[string]any{"sub": name, "iat": now.Add(-age).Unix()}
		token := pktokentest.NewIssuer(t, "https://op.example.com", "ES256").Token(t, key, claims)
		signer, err := ssh.NewSignerFromKey(key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := sshcert.New(rand.Reader, signer, token, sshcert.Template{})
		if err != nil {
			t.Fatal(err)
		}
		if err := userkeys.At(filepath.Join(folder, userkeys.Folder, name)).Write(key, cert); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(folder, "id_ed25519"), ownKey(t, ""))
	write(t, filepath.Join(folder, "id_rsa"), ownKey(t, ""))
	if _, err := userkeys.UpdateFolderConfig(folder, now); err != nil {
		t.Fatal(err)
	}
	config := string(read(t, filepath.Join(folder, userkeys.Folder, "config")))
	got := strings.Join(regexp.MustCompile("(?m)^IdentityFile .*$").FindAllString(config, -1), "|")
	const want = "IdentityFile ~/.ssh/id_rsa|IdentityFile ~/.ssh/id_ed25519|" +
		"IdentityFile ~/.ssh/opkssh/b|IdentityFile ~/.ssh/opkssh/a|IdentityFile ~/.ssh/opkssh/c"
	if got != want {
		t.Errorf("expected\n%s\ngot\n%s", want, got)
	}
}
