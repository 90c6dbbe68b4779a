package userkeys_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// certify makes one more certificate for a key.
func certify(t *testing.T, key crypto.Signer) *ssh.Certificate {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	token := pktokentest.NewIssuer(t, "https://op.example.com", "ES256").Token(t, key, map[string]any{"email": "alice@example.com"})
	cert, err := sshcert.New(rand.Reader, signer, token, sshcert.Template{})
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestRenew(t *testing.T) {
	for _, kind := range []userkeys.KeyType{userkeys.ECDSA, userkeys.Ed25519} {
		t.Run(string(kind), func(t *testing.T) {
			pair := userkeys.At(filepath.Join(t.TempDir(), "id"))
			key, cert := credential(t, kind)
			mark := userkeys.Mark{Alias: "work"}
			if err := pair.WriteMarked(key, cert, mark); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(pair.Key)
			if err != nil {
				t.Fatal(err)
			}
			read, err := pair.PrivateKey()
			if err != nil {
				t.Fatal(err)
			}
			next := certify(t, read)
			if err := pair.Renew(next); err != nil {
				t.Fatal(err)
			}
			id, found := userkeys.Read(pair)
			if !found || id.Problem != "" || !bytes.Equal(id.Certificate.Marshal(), next.Marshal()) || id.Mark != mark {
				t.Errorf("expected the new certificate and the old mark, got %t, %q, %+v", found, id.Problem, id.Mark)
			}
			if after, err := os.ReadFile(pair.Key); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the private key has changed: %v", err)
			}
			if entries, err := os.ReadDir(filepath.Dir(pair.Key)); err != nil || len(entries) != 2 {
				t.Errorf("expected two files, got %v, %v", entries, err)
			}
		})
	}
}

func TestRenewTouchesNothingElse(t *testing.T) {
	key, cert := credential(t, userkeys.ECDSA)
	pair := userkeys.At(filepath.Join(t.TempDir(), "id"))
	var foreign *userkeys.ForeignError
	if err := pair.Renew(cert); !errors.As(err, &foreign) {
		t.Errorf("nothing there: expected a ForeignError, got %v", err)
	}
	login(t, pair)
	before, err := os.ReadFile(pair.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Renew(cert); !errors.Is(err, userkeys.ErrReplaced) {
		t.Errorf("another key's: expected %v, got %v", userkeys.ErrReplaced, err)
	}
	if after, err := os.ReadFile(pair.Certificate); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the certificate has changed: %v", err)
	}
	if err := os.WriteFile(pair.Certificate, []byte("ssh-ed25519 AAAA alice@laptop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pair.Renew(certify(t, key)); !errors.As(err, &foreign) {
		t.Errorf("somebody's own: expected a ForeignError, got %v", err)
	}
}

func TestPrivateKeyThatIsNotThere(t *testing.T) {
	var foreign *userkeys.ForeignError
	if _, err := userkeys.At(filepath.Join(t.TempDir(), "id")).PrivateKey(); !errors.As(err, &foreign) {
		t.Errorf("expected a ForeignError, got %v", err)
	}
}
