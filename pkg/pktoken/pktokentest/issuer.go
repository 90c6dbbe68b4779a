// Package pktokentest makes ID tokens and PK tokens for tests, like net/http/httptest makes servers.
package pktokentest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/dsig"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"opkssh/pkg/pktoken"
)

// ClientID is the audience of every token that does not say otherwise.
const ClientID = "test-client"

// Issuer is an OpenID provider's signing half.
type Issuer struct {
	URL string
	Alg string // RS256, PS256, ES256, ES384 or EdDSA
	Kid string // "" leaves the header out

	key crypto.Signer
}

// NewIssuer has a key for alg. RSA keys are made once in a test binary, for they take long.
func NewIssuer(t testing.TB, url, alg string) *Issuer {
	t.Helper()
	i := &Issuer{URL: url, Alg: alg, Kid: "key-1"}
	var err error
	switch alg {
	case "RS256", "PS256":
		i.key = rsaKey()
	case "ES256":
		i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		i.key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, i.key, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("algorithm %q", alg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return i
}

var rsaKey = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// Key is the issuer's key, for tokens that Sign cannot make.
func (i *Issuer) Key() crypto.Signer { return i.key }

// JWK is the issuer's public key, for changes before it goes into a set.
func (i *Issuer) JWK(t testing.TB) map[string]any {
	t.Helper()
	object := PublicJWK(t, i.key.Public())
	object["alg"], object["use"] = i.Alg, "sig"
	if i.Kid != "" {
		object["kid"] = i.Kid
	}
	return object
}

// PublicJWK is a public key as a JWK with nothing else in it.
func PublicJWK(t testing.TB, public crypto.PublicKey) map[string]any {
	t.Helper()
	key, err := jwk.Import(public)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(encoded, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// JWKS is the key set document of several keys.
func JWKS(t testing.TB, keys ...map[string]any) []byte {
	t.Helper()
	document, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// KeySet serves the keys of issuers to a verifier.
func KeySet(t testing.TB, issuers ...*Issuer) pktoken.StaticKeySet {
	t.Helper()
	set := pktoken.StaticKeySet{}
	for _, i := range issuers {
		keys, err := pktoken.ParseJWKS(JWKS(t, i.JWK(t)))
		if err != nil {
			t.Fatal(err)
		}
		set[i.URL] = keys
	}
	return set
}

// Header is the protected header of the issuer's tokens.
func (i *Issuer) Header() map[string]any {
	header := map[string]any{"alg": i.Alg, "typ": "JWT"}
	if i.Kid != "" {
		header["kid"] = i.Kid
	}
	return header
}

// IDToken signs claims: those given over `iss`, `aud`, `sub`, `iat` (now) and `exp` (in an hour). A nil value leaves a claim out.
func (i *Issuer) IDToken(t testing.TB, claims map[string]any) string {
	t.Helper()
	return i.Sign(t, i.Header(), i.payload(t, claims))
}

// Sign makes a JWT of a header and payload as they are.
func (i *Issuer) Sign(t testing.TB, header map[string]any, payload []byte) string {
	t.Helper()
	protected, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	signed := encode(protected) + "." + encode(payload)
	return signed + "." + encode(Signature(t, i.key, i.Alg, []byte(signed)))
}

func (i *Issuer) payload(t testing.TB, claims map[string]any) []byte {
	t.Helper()
	now := time.Now().Unix()
	all := map[string]any{"iss": i.URL, "aud": ClientID, "sub": "user-1", "iat": now, "exp": now + 3600}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// Signature is a JWS signature.
func Signature(t testing.TB, key crypto.Signer, alg string, signed []byte) []byte {
	t.Helper()
	scheme := map[string]string{
		"RS256": dsig.RSAPKCS1v15WithSHA256, "PS256": dsig.RSAPSSWithSHA256, "ES256": dsig.ECDSAWithP256AndSHA256,
		"ES384": dsig.ECDSAWithP384AndSHA384, "EdDSA": dsig.EdDSA,
	}[alg]
	signature, err := dsig.Sign(key, scheme, signed, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// UserKey is a fresh P-256 key.
func UserKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Token makes a PK token with the commitment in `nonce`.
func (i *Issuer) Token(t testing.TB, user crypto.Signer, claims map[string]any) *pktoken.Token {
	t.Helper()
	client, err := pktoken.NewClientInstance(rand.Reader, user, nil)
	if err != nil {
		t.Fatal(err)
	}
	committed := maps.Clone(claims)
	if committed == nil {
		committed = map[string]any{}
	}
	committed["nonce"] = client.Commitment()
	token, err := client.Bind(i.IDToken(t, committed))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Provider is the row that accepts the issuer's tokens for people.
func (i *Issuer) Provider() pktoken.Provider {
	return pktoken.Provider{Issuer: i.URL, ClientID: ClientID}
}

// Verified makes a token with claims for user and verifies it.
func (i *Issuer) Verified(t testing.TB, user crypto.Signer, claims map[string]any) *pktoken.Verified {
	t.Helper()
	v := &pktoken.Verifier{Providers: []pktoken.Provider{i.Provider()}, Keys: KeySet(t, i)}
	verified, err := v.Verify(context.Background(), i.Token(t, user, claims))
	if err != nil {
		t.Fatal(err)
	}
	return verified
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
