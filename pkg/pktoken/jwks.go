package pktoken

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// KeySet finds an issuer's public keys.
//
// Keys returns the issuer's key set. usable reports whether a set can serve the token at hand: an implementation that
// holds a set which is not usable may fetch a newer one, and then returns the newer one whether usable or not.
// usable must not be called by several goroutines at once, nor after Keys has returned.
type KeySet interface {
	Keys(ctx context.Context, issuer string, usable func(*JWKS) bool) (*JWKS, error)
}

// StaticKeySet is a [KeySet] that never changes: issuer to keys.
type StaticKeySet map[string]*JWKS

// Keys implements [KeySet].
func (s StaticKeySet) Keys(_ context.Context, issuer string, _ func(*JWKS) bool) (*JWKS, error) {
	keys, ok := s[issuer]
	if !ok {
		return nil, fmt.Errorf("no keys for issuer %q", issuer)
	}
	return keys, nil
}

// JWKS is a provider's key set (RFC 7517 §5). Keys that cannot be used are passed over when a token is verified, so that
// one odd key does not harm the others.
type JWKS struct {
	keys []map[string]any
}

// ParseJWKS reads a JWK Set document. It fails when data is not one strict JSON object with an array `keys`.
func ParseJWKS(data []byte) (*JWKS, error) {
	object, err := ParseObject(data)
	if err != nil {
		return nil, err
	}
	list, ok := object["keys"].([]any)
	if !ok {
		return nil, errors.New(`JWK set: expected an array "keys"`)
	}
	set := &JWKS{}
	for _, v := range list {
		if key, ok := v.(map[string]any); ok {
			set.keys = append(set.keys, key)
		}
	}
	return set, nil
}

// KeyIDs lists the `kid` of each key that has one, in the order of the document.
func (s *JWKS) KeyIDs() []string {
	var ids []string
	for _, key := range s.keys {
		if kid, ok := key["kid"].(string); ok {
			ids = append(ids, kid)
		}
	}
	return ids
}

// Usable counts the keys that can verify a signature with one of the allowed algorithms.
func (s *JWKS) Usable() int {
	n := 0
	for _, key := range s.keys {
		if slices.ContainsFunc(jwsAlgorithms, func(alg string) bool { _, err := publicKeyFor(key, alg); return err == nil }) {
			n++
		}
	}
	return n
}

// candidates are the keys that a token with this algorithm and key ID may have been signed with.
func (s *JWKS) candidates(alg, kid string, hasKeyID bool) []providerKey {
	var found []providerKey
	for _, key := range s.keys {
		if id, ok := key["kid"].(string); hasKeyID && (!ok || id != kid) {
			continue
		}
		if public, err := publicKeyFor(key, alg); err == nil {
			found = append(found, providerKey{jwk: key, public: public})
		}
	}
	return found
}

type providerKey struct {
	jwk    map[string]any
	public crypto.PublicKey
}

// privateMembers of a JWK (RFC 7518 §6). A published key that has one is nobody's secret any more.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// publicKeyFor decodes a JWK that may verify alg signatures, or says why it may not.
func publicKeyFor(key map[string]any, alg string) (crypto.PublicKey, error) {
	if use, present := key["use"]; present && use != "sig" {
		return nil, fmt.Errorf("JWK: expected use %q, got %s", "sig", quoteShort(describe(use)))
	}
	if ops, present := key["key_ops"]; present {
		if list, ok := ops.([]any); !ok || !slices.Contains(list, any("verify")) {
			return nil, errors.New(`JWK: key_ops without "verify"`)
		}
	}
	if own, present := key["alg"]; present && own != alg {
		return nil, fmt.Errorf("JWK: expected alg %q, got %s", alg, quoteShort(describe(own)))
	}
	for _, name := range privateMembers {
		if _, present := key[name]; present {
			return nil, fmt.Errorf("JWK: private member %q", name)
		}
	}
	want, ok := keyTypes[alg]
	if !ok {
		return nil, fmt.Errorf("JWK: no key type for alg %q", alg)
	}
	if key["kty"] != want.kty || want.crv != "" && key["crv"] != want.crv {
		kty, crv := quoteShort(describe(key["kty"])), quoteShort(describe(key["crv"]))
		return nil, fmt.Errorf("JWK: kty %s, crv %s cannot be for alg %s", kty, crv, alg)
	}
	_, public, err := decodeJWK(key)
	if err != nil {
		return nil, err
	}
	if k, ok := public.(*rsa.PublicKey); ok {
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("JWK: expected an RSA modulus of %d to %d bits, got %d", minRSABits, maxRSABits, bits)
		}
		if k.E < 3 || k.E%2 == 0 {
			return nil, fmt.Errorf("JWK: RSA exponent %d", k.E)
		}
	}
	return public, nil
}

const (
	minRSABits = 2048
	maxRSABits = 16384
)

// keyMembers are the members that a public key consists of beside `kty` (RFC 7638 §3.2, RFC 8037 §2).
var keyMembers = map[string][]string{"RSA": {"e", "n"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}

// decodeJWK hands keyMembers alone to the library, which would also read names of other case and base64 of other alphabets.
func decodeJWK(object map[string]any) (jwk.Key, crypto.PublicKey, error) {
	kty, _, err := stringMember(object, "kty")
	if err != nil {
		return nil, nil, err
	}
	public := map[string]string{"kty": kty}
	for _, name := range keyMembers[kty] {
		value, _, err := stringMember(object, name)
		if err != nil {
			return nil, nil, err
		}
		if name != "crv" {
			if _, err := decodeBase64(value); err != nil {
				return nil, nil, fmt.Errorf("JWK: member %q: %w", name, err)
			}
		}
		public[name] = value
	}
	encoded, err := json.Marshal(public)
	if err != nil {
		return nil, nil, err
	}
	key, err := jwk.ParseKey(encoded)
	if err != nil {
		return nil, nil, err
	}
	var raw any
	if err := jwk.Export(key, &raw); err != nil {
		return nil, nil, err
	}
	switch raw.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		return key, raw, nil
	}
	return nil, nil, fmt.Errorf("JWK: expected a public RSA, EC or Ed25519 key, got %T", raw)
}

// thumbprint is the RFC 7638 SHA-256 thumbprint of a JWK, base64url.
func thumbprint(object map[string]any) (string, error) {
	key, _, err := decodeJWK(object)
	if err != nil {
		return "", err
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// canonicalJSON sorts the members, leaves no white space, and escapes `<`, `>`, `&`, U+2028 and U+2029.
func canonicalJSON(object map[string]any) ([]byte, error) {
	encoded, err := json.Marshal(object)
	return bytes.TrimSpace(encoded), err
}
