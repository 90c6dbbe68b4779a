package attacks_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"opkssh/pkg/pktoken/pktokentest"
)

// TestAlgorithmConfusion.
//
// Power: knows the provider's public key and writes any header.
// Move: names an algorithm that needs no secret, takes the public key for the secret, or was never meant for this key.
// Expected: algorithm; no-provider-key where the algorithm is a good one that the provider has no key for.
func TestAlgorithmConfusion(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	public := op.Key().Public().(*rsa.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	check(t, err)
	hs256 := func(secret []byte) func(*forgery) {
		return all(header("alg", "HS256"), func(f *forgery) {
			f.opSignature = func(signed string) []byte {
				mac := hmac.New(sha256.New, secret)
				_, _ = mac.Write([]byte(signed))
				return mac.Sum(nil)
			}
		})
	}
	named := func(alg any) func(*forgery) {
		return all(header("alg", alg), func(f *forgery) { f.opSignature = func(string) []byte { return nil } })
	}
	stranger := func(alg string, sign func(signed string) []byte) func(*forgery) {
		return all(header("alg", alg), func(f *forgery) { f.opSignature = sign })
	}
	h.attacks(t, op.Issuer, []row{
		{"as made", asMade, allowed},
		{"none", named("none"), "algorithm"},
		{"None", named("None"), "algorithm"},
		{"nOnE with a signature", header("alg", "nOnE"), "algorithm"},
		{"empty", named(""), "algorithm"},
		{"missing", named(nil), "algorithm"},
		{"null", named(raw("null")), "algorithm"},
		{"a number", named(256), "algorithm"},
		{"an array", named([]string{"RS256"}), "algorithm"},
		{"unknown", header("alg", "XS256"), "algorithm"},
		{"rs256", header("alg", "rs256"), "algorithm"},
		{"RS256 and a blank", header("alg", "RS256 "), "algorithm"},
		{"RS256 and NUL", header("alg", "RS256\x00"), "algorithm"},
		{"Alg beside alg", header("Alg", "none"), allowed},
		{"Alg instead of alg", all(header("alg", nil), header("Alg", "RS256")), "algorithm"},
		{"HS256 keyed with the PEM", hs256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "algorithm"},
		{"HS256 keyed with the DER", hs256(der), "algorithm"},
		{"HS256 keyed with the modulus", hs256(public.N.Bytes()), "algorithm"},
		{"HS256 keyed with nothing", hs256(nil), "algorithm"},
		{"RS384 by the right key", all(header("alg", "RS384"), func(f *forgery) {
			f.opSignature = func(signed string) []byte {
				sum := sha512.Sum384([]byte(signed))
				sig, err := rsa.SignPKCS1v15(rand.Reader, f.op.Key().(*rsa.PrivateKey), crypto.SHA384, sum[:])
				check(f.t, err)
				return sig
			}
		}), "algorithm"},
		{"PS256 by the right key, which is for RS256", all(header("alg", "PS256"), func(f *forgery) {
			f.opSignature = func(signed string) []byte { return pktokentest.Signature(f.t, f.op.Key(), "PS256", []byte(signed)) }
		}), "no-provider-key"},
		{"ES256 without such a key", stranger("ES256", func(string) []byte { return make([]byte, 64) }), "no-provider-key"},
		{"EdDSA without such a key", stranger("EdDSA", func(string) []byte { return make([]byte, 64) }), "no-provider-key"},
		{"GQ256 without a proof", header("alg", "GQ256"), "token-malformed"},
		{"RS256 by the attacker's key", stranger("RS256", func(signed string) []byte {
			return pktokentest.Signature(t, strangerKey(), "RS256", []byte(signed))
		}), "provider-signature"},
		{"RS256 by the attacker's key in jwk", all(header("jwk", pktokentest.PublicJWK(t, strangerKey().Public())), stranger("RS256",
			func(signed string) []byte { return pktokentest.Signature(t, strangerKey(), "RS256", []byte(signed)) })), "provider-signature"},
		{"jku and x5u", all(header("jku", "http://127.0.0.1:1/"), header("x5u", "http://127.0.0.1:1/")), allowed},
		{"crit", header("crit", []string{"b64"}), "critical-header"},
		{"empty signature", func(f *forgery) { f.opSig = func([]byte) []byte { return nil } }, "provider-signature"},
		{"signature of zeros", func(f *forgery) { f.opSig = func(b []byte) []byte { return make([]byte, len(b)) } }, "provider-signature"},
	})
	for _, alg := range []string{"none", "ES256", "HS256"} {
		t.Run("client's "+alg, func(t *testing.T) {
			f := forge(t, op.Issuer)
			f.client["alg"] = alg
			want := "client-header"
			if alg == "ES256" {
				want = "client-signature"
			}
			f.fields = func(p []string) { p[4] = "" }
			h.attack(t, f.offer(), want)
		})
	}
}
