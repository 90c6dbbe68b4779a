package compatibility_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/issuer"
	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// style is how a certificate names its principals.
type style string

const (
	wildcard style = "opkssh-wildcard"
	empty    style = "none"
)

var styles = []style{wildcard, empty}

// keyType is a type of keys.
type keyType struct {
	name     string
	logged   string // what sshd calls it
	file     string // where opkssh puts such a key, in ~/.ssh
	generate func(t *testing.T) crypto.Signer
}

const (
	ecdsaKey   = "ECDSA P-256"
	ed25519Key = "Ed25519"
)

var allKeys = []string{ecdsaKey, ed25519Key}

var keyTypes = []keyType{
	{ecdsaKey, "ECDSA", "id_ecdsa", func(t *testing.T) crypto.Signer { return pktokentest.UserKey(t) }},
	{ed25519Key, "ED25519", "id_ed25519", func(t *testing.T) crypto.Signer {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}},
}

// identity is what a login with opkssh makes.
type identity struct {
	kind   keyType
	key    crypto.Signer
	signer ssh.Signer
	cert   *ssh.Certificate
}

func newIdentity(t *testing.T, op *issuer.Issuer, kind keyType, email string, s style) *identity {
	t.Helper()
	id := &identity{kind: kind, key: kind.generate(t)}
	var err error
	if id.signer, err = ssh.NewSignerFromSigner(id.key); err != nil {
		t.Fatal(err)
	}
	token := op.Token(t, id.key, map[string]any{"email": email, "email_verified": true})
	if id.cert, err = sshcert.New(rand.Reader, id.signer, token, sshcert.Template{}); err != nil {
		t.Fatal(err)
	}
	if s == empty {
		id.cert.ValidPrincipals = nil
		if err := id.cert.SignCert(rand.Reader, id.signer); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

// hold gives the identity, and no other, to root of the release, as opkssh does.
func (r *release) hold(t *testing.T, id *identity, where place) {
	t.Helper()
	held, err := userkeys.DialAgent(t.Context(), func(string) string { return r.path(agentSocket) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	if _, err := held.Remove(func(userkeys.Identity) bool { return true }); err != nil {
		t.Fatal(err)
	}
	old, err := filepath.Glob(r.path("root/.ssh/id_*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if where == agent {
		err = held.Add(id.key, id.cert, "", userkeys.Constraints{}, time.Now())
	} else {
		err = userkeys.At(r.path("root/.ssh/"+id.kind.file)).Write(id.key, id.cert)
	}
	if err != nil {
		t.Fatal(err)
	}
}
