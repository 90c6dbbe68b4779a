// Package issuer is an OpenID provider's public face, discovery and keys, on loopback, and makes identities without a login: for
// tests and benchmarks about the host alone, and for tokens that no honest provider would sign.
package issuer

import (
	"crypto"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// Issuer answers at its URL, and counts.
type Issuer struct {
	*pktokentest.Issuer

	Discovery, JWKS, Userinfo atomic.Int64 // requests

	// Claims are the answers of the userinfo endpoint, by access token. They are set before the first login.
	Claims map[string]map[string]any
	// Asked, if it is not nil, is called before each answer. It is set before the first login.
	Asked func(*http.Request)

	server *httptest.Server
}

// Start runs an issuer that signs with RS256 until the test ends.
func Start(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{}
	i.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.Asked != nil {
			i.Asked(r)
		}
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			i.Discovery.Add(1)
			_, _ = fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q,"userinfo_endpoint":%q}`,
				i.URL, i.URL+"/auth", i.URL+"/token", i.URL+"/keys", i.URL+"/userinfo")
		case "/keys":
			i.JWKS.Add(1)
			_, _ = w.Write(pktokentest.JWKS(t, i.JWK(t)))
		case "/userinfo":
			i.Userinfo.Add(1)
			claims, ok := i.Claims[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
			if !ok {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_ = json.NewEncoder(w).Encode(claims)
		default:
			http.NotFound(w, r)
		}
	}))
	i.Issuer = pktokentest.NewIssuer(t, "http://"+i.server.Listener.Addr().String(), "RS256")
	i.server.Start()
	t.Cleanup(i.server.Close)
	return i
}

// Close ends the issuer before the test does.
func (i *Issuer) Close() { i.server.Close() }

// Requests counts all requests.
func (i *Issuer) Requests() int64 { return i.Discovery.Load() + i.JWKS.Load() }

// Identity is what a login leaves: a private key and its certificate.
type Identity struct {
	Key         string // the private key's file; the certificate is in Key-cert.pub
	Token       *pktoken.Token
	Certificate *ssh.Certificate
	Signer      ssh.Signer
}

// Login makes an identity with the claims given.
func (i *Issuer) Login(t testing.TB, claims map[string]any) *Identity {
	t.Helper()
	user := pktokentest.UserKey(t)
	id := &Identity{Key: filepath.Join(t.TempDir(), "id_ecdsa"), Token: i.Token(t, user, claims)}
	var err error
	if id.Signer, err = ssh.NewSignerFromSigner(user); err != nil {
		t.Fatal(err)
	}
	if id.Certificate, err = sshcert.New(rand.Reader, id.Signer, id.Token, sshcert.Template{}); err != nil {
		t.Fatal(err)
	}
	writeKey(t, id.Key, user)
	id.Write(t)
	return id
}

// Write writes the certificate again, signed as it is now.
func (id *Identity) Write(t testing.TB) {
	t.Helper()
	if err := id.Certificate.SignCert(rand.Reader, id.Signer); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(id.Key+"-cert.pub", sshcert.MarshalLine(id.Certificate, sshcert.Comment), 0o644); err != nil {
		t.Fatal(err)
	}
}

func writeKey(t testing.TB, file string, key crypto.Signer) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
}
