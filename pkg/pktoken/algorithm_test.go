package pktoken_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"testing"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

func alg(value any) func(*parts) { return func(p *parts) { p.header["alg"] = value } }

// hmacWith signs with HS256 under a key that everybody has.
func hmacWith(key func(p *parts) []byte) func(*parts) {
	return func(p *parts) {
		p.signWith("RS256")
		p.header["alg"] = "HS256"
		p.fields = func(f []string) {
			mac := hmac.New(sha256.New, key(p))
			mac.Write([]byte(f[1] + "." + f[0]))
			f[2] = b64(mac.Sum(nil))
		}
	}
}

func publicPEM(p *parts) []byte {
	der, err := x509.MarshalPKIXPublicKey(p.op.Key().Public())
	if err != nil {
		p.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func publicJWK(p *parts) []byte {
	data, err := json.Marshal(p.keys[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return data
}

func signedWith(alg string) func(*parts) { return func(p *parts) { p.signWith(alg) } }

func TestAlgorithm(t *testing.T) {
	refused := pktoken.ReasonAlgorithm
	rs := signedWith("RS256")
	octKey := func(p *parts) {
		p.keys = append(p.keys, object{"kty": "oct", "k": b64([]byte("secret")), "kid": "key-1", "alg": "HS256"})
	}
	runRows(t, pktoken.CommitmentNonce, []row{
		{"RS256", rs, accepted},
		{"PS256", signedWith("PS256"), accepted},
		{"ES256", signedWith("ES256"), accepted},
		{"ES384", signedWith("ES384"), accepted},
		{"EdDSA", signedWith("EdDSA"), accepted},
		{"GQ256", func(p *parts) { p.gq() }, accepted},
		{"missing", alg(nil), refused},
		{"null", alg(raw("null")), refused},
		{"empty", alg(""), refused},
		{"number", alg(256), refused},
		{"array", alg([]string{"ES256"}), refused},
		{"none", alg("none"), refused},
		{"None", alg("None"), refused},
		{"none, no signature", and(alg("none"), func(p *parts) { p.opSig = func([]byte) []byte { return nil } }), refused},
		{"ES256 in other case", alg("es256"), refused},
		{"ES256 with a space", alg("ES256 "), refused},
		{"RS256 in other case", and(rs, alg("rs256")), refused},
		{"EdDSA in other case", and(signedWith("EdDSA"), alg("EDDSA")), refused},
		{"Ed25519", and(signedWith("EdDSA"), alg("Ed25519")), refused},
		{"RS1", and(rs, alg("RS1")), refused},
		{"RS384", and(rs, alg("RS384")), refused},
		{"RS512", and(rs, alg("RS512")), refused},
		{"PS384", and(rs, alg("PS384")), refused},
		{"PS512", and(rs, alg("PS512")), refused},
		{"ES512", alg("ES512"), refused},
		{"ES256K", alg("ES256K"), refused},
		{"GQ256 in other case", alg("gq256"), refused},
		{"RSA-OAEP", and(rs, alg("RSA-OAEP")), refused},
		{"HS256", alg("HS256"), refused},
		{"HS384", alg("HS384"), refused},
		{"HS512", alg("HS512"), refused},
		{"HS256 under the public key, PEM", hmacWith(publicPEM), refused},
		{"HS256 under the public key, JWK", hmacWith(publicJWK), refused},
		{"HS256 under an oct key", and(hmacWith(func(*parts) []byte { return []byte("secret") }), octKey), refused},
		{"HS256, and the key set says so", and(hmacWith(publicPEM), func(p *parts) { p.keys[0]["alg"] = "HS256" }), refused},
		{"crit", func(p *parts) { p.header["crit"] = []string{"exp"} }, pktoken.ReasonCritical},
		{"crit b64", func(p *parts) { p.header["crit"], p.header["b64"] = []string{"b64"}, false }, pktoken.ReasonCritical},
		{"crit empty", func(p *parts) { p.header["crit"] = []string{} }, pktoken.ReasonCritical},
		{"crit null", func(p *parts) { p.header["crit"] = raw("null") }, pktoken.ReasonCritical},
		{"b64 without crit says nothing", func(p *parts) { p.header["b64"] = false }, accepted},
		{"key in the header says nothing", func(p *parts) { p.header["jwk"] = p.upk() }, accepted},
		{"address of keys in the header says nothing", func(p *parts) { p.header["jku"] = "https://evil.example.com" }, accepted},
		{"signed with the key in the header", func(p *parts) {
			stranger := pktokentest.NewIssuer(p.t, issuerURL, "ES256")
			p.op, p.header["jwk"] = stranger, stranger.JWK(p.t)
		}, pktoken.ReasonSignature},
	})
}

// TestAlgorithmOfJobs: CI jobs need a proof.
func TestAlgorithmOfJobs(t *testing.T) {
	plain := func(p *parts) { p.proof = nil }
	t.Run("aud", func(t *testing.T) {
		runRows(t, pktoken.CommitmentAudience, []row{{"RS256", plain, pktoken.ReasonAlgorithm}})
	})
	t.Run("gq", func(t *testing.T) {
		runRows(t, pktoken.CommitmentGQ, []row{{"RS256", func(p *parts) {
			p.fields = func(f []string) {
				p.proof, p.fields = nil, nil
				p.header["cic"] = commitment(unb64(p.t, f[3]))
				p.row.Commitment = pktoken.CommitmentKeyBinding // adds no commitment of its own
				copy(f, splitColons(p.compact()))
				p.row.Commitment = pktoken.CommitmentGQ
			}
		}, pktoken.ReasonAlgorithm}})
	})
}
