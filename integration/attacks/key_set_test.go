package attacks_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/bits"
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
		f.opSignature = func(signed string) []byte { return paddedHash(signed).FillBytes(make([]byte, 256)) }
	}
	// What is odd has an inverse modulo a power of two, and a root that everybody can find.
	twos := new(big.Int).Lsh(big.NewInt(1), 2047)
	root := func(padded *big.Int) *big.Int {
		d := new(big.Int).ModInverse(big.NewInt(65537), new(big.Int).Rsh(twos, 1))
		return d.Exp(padded, d, twos)
	}
	proven := func(key func(own *big.Int) *rsa.PublicKey, sign func(f *forgery, padded *big.Int) *big.Int) func(*forgery) {
		return func(f *forgery) {
			f.proveWith(key(own(f.op)), func(padded *big.Int) *big.Int { return sign(f, padded) })
		}
	}
	provenWithoutSecret := func(e int) func(*forgery) {
		return proven(func(own *big.Int) *rsa.PublicKey { return &rsa.PublicKey{N: own, E: e} },
			func(_ *forgery, padded *big.Int) *big.Int { return padded })
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
		{"modulus a power of two", weak(func(*pktokentest.Issuer) object { return modulus(twos, 65537) }), func(f *forgery) {
			f.saltUntil(b64(encodeJSON(f.t, f.header, nil)), isOdd)
			f.opSignature = func(signed string) []byte { return root(paddedHash(signed)).FillBytes(make([]byte, 256)) }
		}, "provider-signature", allowed},
		{"GQ256 as made", one(nil), proven(func(own *big.Int) *rsa.PublicKey { return &rsa.PublicKey{N: own, E: 65537} },
			func(f *forgery, padded *big.Int) *big.Int {
				private := f.op.Key().(*rsa.PrivateKey)
				return new(big.Int).Exp(padded, private.D, private.N)
			}), allowed, allowed},
		{"GQ256, no secret", one(nil), provenWithoutSecret(65537), "provider-signature", allowed},
		{"GQ256, exponent 1", weak(func(op *pktokentest.Issuer) object { return modulus(own(op), 1) }), provenWithoutSecret(1), "no-provider-key", allowed},
		{"GQ256, exponent 2", weak(func(op *pktokentest.Issuer) object { return modulus(own(op), 2) }), provenWithoutSecret(2), "no-provider-key", allowed},
		{"GQ256, exponent even", weak(func(op *pktokentest.Issuer) object { return modulus(own(op), 65536) }), provenWithoutSecret(65536),
			"no-provider-key", allowed},
		{"GQ256, exponent 3", weak(func(op *pktokentest.Issuer) object { return modulus(own(op), 3) }), provenWithoutSecret(3), "provider-signature", allowed},
		{"GQ256, modulus even", weak(func(op *pktokentest.Issuer) object {
			return modulus(new(big.Int).Sub(own(op), big.NewInt(1)), 65537)
		}), proven(func(own *big.Int) *rsa.PublicKey {
			return &rsa.PublicKey{N: new(big.Int).Sub(own, big.NewInt(1)), E: 65537}
		},
			func(_ *forgery, padded *big.Int) *big.Int { return padded }), "provider-signature", allowed},
		{"GQ256, modulus a power of two", weak(func(*pktokentest.Issuer) object { return modulus(twos, 65537) }),
			proven(func(*big.Int) *rsa.PublicKey { return &rsa.PublicKey{N: twos, E: 65537} },
				func(_ *forgery, padded *big.Int) *big.Int { return root(padded) }), "provider-signature", allowed},
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

// paddedHash is EMSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §9.2) for a modulus of 256 bytes.
func paddedHash(signed string) *big.Int {
	sum := sha256.Sum256([]byte(signed))
	info := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
	return new(big.Int).SetBytes(slices.Concat([]byte{0, 1}, slices.Repeat([]byte{255}, 256-3-len(info)-len(sum)), []byte{0}, info, sum[:]))
}

// proveWith puts a GQ256 proof in the signature's place, made by the book for a key that no honest program makes one for. sign gives
// what the proof is to show knowledge of: a signature, if the proof is to be true.
func (f *forgery) proveWith(key *rsa.PublicKey, sign func(padded *big.Int) *big.Int) {
	original := b64(encodeJSON(f.t, f.header, nil))
	f.header = object{"alg": "GQ256", "typ": "JWT", "kid": original, "jkt": thumbprint(key)}
	f.saltUntil(original, func(padded *big.Int) bool {
		return isOdd(padded) && new(big.Int).ModInverse(sign(padded), key.N) != nil
	})
	f.opSignature = func(message string) []byte {
		_, payload, _ := strings.Cut(message, ".")
		b := max(bits.Len(uint(key.E))-1, 1)
		rounds, width := (256+b-1)/b, (b+7)/8
		e := big.NewInt(int64(key.E))
		inverse := new(big.Int).ModInverse(sign(paddedHash(original+"."+payload)), key.N)
		if inverse == nil {
			f.t.Fatal("expected a number that has an inverse")
		}
		random := make([]*big.Int, rounds)
		questions := sha3.NewSHAKE256()
		for i := range random {
			var err error
			random[i], err = rand.Int(rand.Reader, key.N)
			check(f.t, err)
			_, _ = questions.Write(new(big.Int).Exp(random[i], e, key.N).FillBytes(make([]byte, 256)))
		}
		_, _ = questions.Write([]byte(message))
		proof := make([]byte, rounds*width)
		_, _ = questions.Read(proof)
		for i, r := range random {
			question := new(big.Int).SetBytes(proof[i*width:][:width])
			answer := question.Exp(inverse, question, key.N)
			answer.Mod(answer.Mul(answer, r), key.N)
			proof = append(proof, answer.FillBytes(make([]byte, 256))...)
		}
		return proof
	}
}

func isOdd(n *big.Int) bool { return n.Bit(0) == 1 }

// saltUntil adds a claim that makes the padded hash of header and payload fit.
func (f *forgery) saltUntil(header64 string, fits func(padded *big.Int) bool) {
	f.claimsJSON = func(payload []byte) []byte {
		for i := 0; ; i++ {
			salted := replace("{", fmt.Sprintf(`{"salt":%d,`, i))(payload)
			if fits(paddedHash(header64 + "." + b64(salted))) {
				return salted
			}
		}
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
