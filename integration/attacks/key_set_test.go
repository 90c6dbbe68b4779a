package attacks_test

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"opkssh/pkg/pktoken/pktokentest"
)

// TestKeySetPoisoning.
//
// Power: puts keys into the provider's key set beside its own, or makes it large: another tenant, a provider's mistake, a key
// that leaked.
// Move: a login whose key ID names such a key.
// Expected: no-provider-key, or algorithm where the login names the algorithm of a secret; keys-unavailable where no key is left.
// The provider's honest login gets in as long as its key stands there.
func TestKeySetPoisoning(t *testing.T) {
	t.Parallel()
	public := func(t *testing.T, op *pktokentest.Issuer, members object) object {
		key := maps.Clone(op.JWK(t))
		for name, value := range members {
			if key[name] = value; value == nil {
				delete(key, name)
			}
		}
		return key
	}
	modulus := func(n *big.Int, e int64) object {
		return object{"n": b64(n.Bytes()), "e": b64(big.NewInt(e).Bytes())}
	}
	own := func(op *pktokentest.Issuer) *big.Int { return op.Key().Public().(*rsa.PublicKey).N }
	one := func(members object) func(*testing.T, *pktokentest.Issuer) []object {
		return func(t *testing.T, op *pktokentest.Issuer) []object { return []object{public(t, op, members)} }
	}
	weak := func(members func(*pktokentest.Issuer) object) func(*testing.T, *pktokentest.Issuer) []object {
		return func(t *testing.T, op *pktokentest.Issuer) []object { return []object{public(t, op, members(op))} }
	}
	// Whoever signs with e = 1 writes the padded hash itself.
	withoutSecret := func(f *forgery) {
		f.opSignature = func(signed string) []byte {
			sum := sha256.Sum256([]byte(signed))
			info := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
			padded := slices.Concat([]byte{0, 1}, slices.Repeat([]byte{255}, 256-3-len(info)-len(sum)), []byte{0}, info, sum[:])
			return padded
		}
	}
	for _, test := range []struct {
		name   string
		keys   func(*testing.T, *pktokentest.Issuer) []object // with the key ID key-1; the attacker's login names it
		change func(*forgery)
		want   string // of the attacker's login
		honest string // of the login by the key key-2, which stands beside
	}{
		{"as made", one(nil), asMade, allowed, allowed},
		{"without use and alg", one(object{"use": nil, "alg": nil}), asMade, allowed, allowed},
		{"use enc", one(object{"use": "enc"}), asMade, "no-provider-key", allowed},
		{"use in an array", one(object{"use": []string{"sig"}}), asMade, "no-provider-key", allowed},
		{"key_ops without verify", one(object{"key_ops": []string{"encrypt"}}), asMade, "no-provider-key", allowed},
		{"wrong alg", one(object{"alg": "RS512"}), asMade, "no-provider-key", allowed},
		{"alg of another case", one(object{"alg": "rs256"}), asMade, "no-provider-key", allowed},
		{"alg for encryption", one(object{"alg": "RSA-OAEP"}), asMade, "no-provider-key", allowed},
		{"secret", one(object{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "n": nil, "e": nil}), func(f *forgery) {
			f.header["alg"] = "HS256"
			f.opSignature = func(signed string) []byte {
				mac := hmac.New(sha256.New, []byte("secret"))
				_, _ = mac.Write([]byte(signed))
				return mac.Sum(nil)
			}
		}, "algorithm", allowed},
		{"secret for RS256", one(object{"kty": "oct", "k": "c2VjcmV0"}), asMade, "no-provider-key", allowed},
		{"its private half published", one(object{"d": "AQAB"}), asMade, "no-provider-key", allowed},
		{"a prime published", one(object{"p": "AQAB"}), asMade, "no-provider-key", allowed},
		{"kty missing", one(object{"kty": nil}), asMade, "no-provider-key", allowed},
		{"kty of another case", one(object{"kty": "rsa"}), asMade, "no-provider-key", allowed},
		{"padded modulus", weak(func(op *pktokentest.Issuer) object { return object{"n": b64(own(op).Bytes()) + "="} }), asMade, "no-provider-key", allowed},
		{"exponent 0", weak(func(op *pktokentest.Issuer) object { return modulus(own(op), 0) }), withoutSecret, "no-provider-key", allowed},
		{"exponent 1", weak(func(op *pktokentest.Issuer) object { return modulus(own(op), 1) }), withoutSecret, "no-provider-key", allowed},
		{"exponent 2", weak(func(op *pktokentest.Issuer) object { return modulus(own(op), 2) }), withoutSecret, "no-provider-key", allowed},
		{"exponent even", weak(func(op *pktokentest.Issuer) object { return modulus(own(op), 65536) }), withoutSecret, "no-provider-key", allowed},
		{"exponent 3", weak(func(op *pktokentest.Issuer) object { return modulus(own(op), 3) }), withoutSecret, "provider-signature", allowed},
		{"modulus of 1024 bits", weak(func(op *pktokentest.Issuer) object {
			return modulus(new(big.Int).Rsh(own(op), 1024), 65537)
		}), withoutSecret, "no-provider-key", allowed},
		{"modulus of 40 000 bits", weak(func(op *pktokentest.Issuer) object {
			return modulus(new(big.Int).Lsh(own(op), 40_000-2048), 65537)
		}), withoutSecret, "no-provider-key", allowed},
		{"modulus 1", weak(func(*pktokentest.Issuer) object { return modulus(big.NewInt(1), 65537) }), withoutSecret, "no-provider-key", allowed},
		{"modulus even", weak(func(op *pktokentest.Issuer) object {
			return modulus(new(big.Int).Sub(own(op), big.NewInt(1)), 65537)
		}), withoutSecret, "provider-signature", allowed},
		{"curve that does not hold the point", one(object{"kty": "EC", "crv": "P-256", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32)), "alg": "ES256"}),
			func(f *forgery) {
				f.header["alg"] = "ES256"
				f.opSignature = func(string) []byte { return make([]byte, 64) }
			}, "no-provider-key", allowed},
		{"key ID twice, the right key second", func(t *testing.T, op *pktokentest.Issuer) []object {
			stranger := pktokentest.PublicJWK(t, strangerKey().Public())
			stranger["kid"] = op.Kid
			return []object{stranger, op.JWK(t)}
		}, asMade, allowed, allowed},
		{"key ID nine times", func(t *testing.T, op *pktokentest.Issuer) []object {
			return slices.Repeat([]object{op.JWK(t)}, 9)
		}, asMade, "no-provider-key", allowed},
		{"no key ID in the token, one key", one(nil), header("kid", nil), allowed, allowed},
		{"no key ID in the token, two keys", func(t *testing.T, op *pktokentest.Issuer) []object {
			stranger := pktokentest.PublicJWK(t, strangerKey().Public())
			stranger["kid"] = "key-3"
			return []object{op.JWK(t), stranger}
		}, header("kid", nil), "no-provider-key", allowed},
		{"4 000 keys", func(t *testing.T, op *pktokentest.Issuer) []object {
			return append(ballast(4_000), op.JWK(t))
		}, asMade, allowed, allowed},
		{"10 000 keys", func(t *testing.T, op *pktokentest.Issuer) []object {
			return append(ballast(10_000), op.JWK(t))
		}, asMade, "keys-unavailable", "keys-unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			op := startHostile(t, false)
			beside := pktokentest.NewIssuer(t, op.URL, "ES256")
			beside.Kid = "key-2"
			op.jwks = pktokentest.JWKS(t, append(test.keys(t, op.Issuer), beside.JWK(t))...)
			h := op.host(t)
			f := forge(t, op.Issuer)
			test.change(f)
			h.attack(t, f.offer(), test.want)
			h.attack(t, forge(t, beside).offer(), test.honest)
		})
	}

	for name, document := range map[string]string{
		"secrets alone": `{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"key-1"}]}`, "no keys": `{"keys":[]}`, "no array": `{"keys":{}}`, "member in capitals": `{"Keys":KEY}`,
		"keys twice": `{"keys":[],"keys":KEY}`, "an array": `KEY`, "two documents": `{"keys":KEY}{"keys":[]}`, "empty": ``, "null": `null`,
	} {
		t.Run(name, func(t *testing.T) {
			op := startHostile(t, false)
			key, err := json.Marshal([]object{op.JWK(t)})
			check(t, err)
			op.jwks = []byte(strings.Replace(document, "KEY", string(key), 1))
			op.host(t).attack(t, forge(t, op.Issuer).offer(), "keys-unavailable")
		})
	}
}

// ballast are keys of some 150 bytes each.
func ballast(n int) []object {
	keys := make([]object, n)
	for i := range keys {
		keys[i] = object{"kty": "OKP", "crv": "Ed25519", "x": b64(slices.Repeat([]byte{byte(i)}, 32)), "kid": fmt.Sprintf("ballast-%d-of-many-more-keys", i), "alg": "EdDSA", "use": "sig"}
	}
	return keys
}
