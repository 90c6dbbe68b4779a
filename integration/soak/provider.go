package soak

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// Provider is an OpenID provider's public face, whose keys change while it runs, and the people who have logged in there.
type Provider struct {
	URL      string
	Requests atomic.Int64 // for discovery and keys

	mu    sync.Mutex
	signs *pktokentest.Issuer
}

// StartProvider runs it until the test ends.
func StartProvider(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.Requests.Add(1)
		answer(w, map[string]string{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"userinfo_endpoint": p.URL + "/userinfo",
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.Requests.Add(1)
		answer(w, map[string]any{"keys": []any{p.signer().JWK(t)}})
	})
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, r *http.Request) {
		// An access token here is the sub claim of whom it belongs to.
		answer(w, map[string]string{"sub": strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.URL = server.URL
	p.Rotate(t)
	return p
}

func answer(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document)
}

// Rotate makes a new key the only one.
func (p *Provider) Rotate(t testing.TB) {
	t.Helper()
	signs := p.stranger(t, rand.Text())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signs = signs
}

func (p *Provider) signer() *pktokentest.Issuer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signs
}

// stranger signs in the provider's name, with a key that the provider does not know.
func (p *Provider) stranger(t testing.TB, kid string) *pktokentest.Issuer {
	t.Helper()
	s := pktokentest.NewIssuer(t, p.URL, "ES256")
	s.Kid = kid
	return s
}

// Alice may log in, as somebody new each time: with a key of her own, and another sub.
func (p *Provider) Alice(t testing.TB) ssh.Signer { return identity(t, p.signer(), person(), "") }

// AliceWithAccessToken has an access token of her own in the certificate.
func (p *Provider) AliceWithAccessToken(t testing.TB) ssh.Signer {
	claims := person()
	return identity(t, p.signer(), claims, claims["sub"].(string))
}

// Denied is somebody for whom no rule speaks.
func (p *Provider) Denied(t testing.TB) ssh.Signer {
	claims := person()
	claims["email"] = rand.Text() + "@example.com"
	return identity(t, p.signer(), claims, "")
}

// Expired logged in two days ago.
func (p *Provider) Expired(t testing.TB) ssh.Signer {
	claims := person()
	at := time.Now().Add(-48 * time.Hour)
	claims["iat"], claims["exp"] = at.Unix(), at.Add(time.Hour).Unix()
	return identity(t, p.signer(), claims, "")
}

// UnknownKeyID has a token that could be from a key that the provider has just taken into use.
func (p *Provider) UnknownKeyID(t testing.TB) ssh.Signer {
	return identity(t, p.stranger(t, rand.Text()), person(), "")
}

// Forged names the provider's key, and is signed by another.
func (p *Provider) Forged(t testing.TB) ssh.Signer {
	return identity(t, p.stranger(t, p.signer().Kid), person(), "")
}

// OwnKey is a key that has nothing to do with a provider.
func OwnKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// Email is whom the rule should let in.
const Email = "alice@example.com"

func person() map[string]any {
	return map[string]any{"email": Email, "email_verified": true, "sub": rand.Text(), "jti": rand.Text()}
}

func identity(t testing.TB, signs *pktokentest.Issuer, claims map[string]any, accessToken string) ssh.Signer {
	t.Helper()
	user := pktokentest.UserKey(t)
	signer, err := ssh.NewSignerFromSigner(user)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := sshcert.New(rand.Reader, signer, signs.Token(t, user, claims), sshcert.Template{AccessToken: accessToken})
	if err != nil {
		t.Fatal(err)
	}
	certified, err := ssh.NewCertSigner(cert, signer)
	if err != nil {
		t.Fatal(err)
	}
	return certified
}
