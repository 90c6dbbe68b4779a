package pktoken_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

func setClient(name string, value any) func(*parts) {
	return func(p *parts) { p.client[name] = value }
}

func setUPK(name string, value any) func(*parts) {
	return func(p *parts) {
		key := p.client["upk"].(object)
		if key[name] = value; value == nil {
			delete(key, name)
		}
	}
}

func userEd25519(p *parts) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	p.setUser(key)
}

func TestClientHeader(t *testing.T) {
	header := pktoken.ReasonClientHeader
	zero32 := b64(make([]byte, 32))
	runRows(t, pktoken.CommitmentNonce, []row{
		{"Ed25519", userEd25519, accepted},
		{"RSA of 2048 bits", func(p *parts) { p.setUser(strangerRSA()) }, accepted},
		{"RSA of 1024 bits", func(p *parts) {
			p.setUser(strangerRSA())
			setUPK("n", b64([]byte(strings.Repeat("\xff", 128))))(p)
		}, header},
		{"further members", setClient("mfa", object{"at": 1}), accepted},

		{"no alg", setClient("alg", nil), header},
		{"alg a number", setClient("alg", 256), header},
		{"alg null", setClient("alg", raw("null")), header},
		{"alg in other case", and(setClient("alg", "es256"), setUPK("alg", "es256")), header},
		{"alg none", and(setClient("alg", "none"), setUPK("alg", "none")), header},
		{"alg HS256", and(setClient("alg", "HS256"), setUPK("alg", "HS256")), header},
		{"alg ES384", and(setClient("alg", "ES384"), setUPK("alg", "ES384")), header},
		{"alg GQ256", and(setClient("alg", "GQ256"), setUPK("alg", "GQ256")), header},
		{"PS256 with an RSA key", func(p *parts) {
			p.setUser(strangerRSA())
			and(setClient("alg", "PS256"), setUPK("alg", "PS256"))(p)
		}, header},
		{"alg for another key type", and(setClient("alg", "EdDSA"), setUPK("alg", "EdDSA")), header},
		{"no alg in upk", setUPK("alg", nil), header},
		{"alg in neither", and(setClient("alg", nil), setUPK("alg", nil)), header},
		{"alg empty in both", and(setClient("alg", ""), setUPK("alg", "")), header},
		{"another alg in upk", setUPK("alg", "EdDSA"), header},
		{"another alg beside upk", setClient("alg", "RS256"), header},
		{"alg in upk a number", setUPK("alg", 256), header},

		{"no rz", setClient("rz", nil), header},
		{"rz empty", setClient("rz", ""), header},
		{"rz of 31 bytes", setClient("rz", strings.Repeat("0f", 31)), header},
		{"rz of 33 bytes", setClient("rz", strings.Repeat("0f", 33)), header},
		{"rz not hexadecimal", setClient("rz", strings.Repeat("0g", 32)), header},
		{"rz of 65 digits", setClient("rz", strings.Repeat("0f", 32)+"0"), header},
		{"rz of 64 digits and more", setClient("rz", strings.Repeat("0f", 32)+"zz"), header},
		{"rz a number", setClient("rz", 1), header},
		{"rz null", setClient("rz", raw("null")), header},

		{"no upk", setClient("upk", nil), header},
		{"upk a string", setClient("upk", "{}"), header},
		{"upk null", setClient("upk", raw("null")), header},
		{"upk an array", setClient("upk", []object{{}}), header},
		{"upk empty", setClient("upk", object{}), header},
		{"no kty", setUPK("kty", nil), header},
		{"kty oct", and(setUPK("kty", "oct"), setUPK("k", "AAAA")), header},
		{"kty RSA", setUPK("kty", "RSA"), header},
		{"kty a number", setUPK("kty", 1), header},
		{"no crv", setUPK("crv", nil), header},
		{"crv P-384", setUPK("crv", "P-384"), header},
		{"crv P-256K", setUPK("crv", "secp256k1"), header},
		{"crv in other case", setUPK("crv", "p-256"), header},
		{"key on P-384", func(p *parts) {
			key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
			if err != nil {
				p.t.Fatal(err)
			}
			p.setUser(key)
		}, header},
		{"no x", setUPK("x", nil), header},
		{"no y", setUPK("y", nil), header},
		{"x empty", setUPK("x", ""), header},
		{"x a number", setUPK("x", 1), header},
		{"not on the curve", setUPK("x", zero32), header},
		{"the point 0, 0", and(setUPK("x", zero32), setUPK("y", zero32)), header},
		{"x too long", func(p *parts) {
			key := p.client["upk"].(object)
			key["x"] = b64(append([]byte{0}, unb64(p.t, key["x"].(string))...))
		}, header},
		{"x padded", func(p *parts) { setUPK("x", p.upk()["x"].(string)+"=")(p) }, header},
		{"x with a line break", func(p *parts) { setUPK("x", p.upk()["x"].(string)+"\n")(p) }, header},
		{"x in the standard alphabet", standardAlphabet, header},
		{"Ed25519 key too short", and(userEd25519, setUPK("x", "AAAA")), header},
		{"Ed25519 key too long", and(userEd25519, setUPK("x", b64(make([]byte, 33)))), header},
		{"X25519", and(userEd25519, setUPK("crv", "X25519")), header},
		{"Ed448", and(userEd25519, setUPK("crv", "Ed448")), header},
		{"RSA exponent 1", func(p *parts) { p.setUser(strangerRSA()); setUPK("e", "AQ")(p) }, header},
		{"RSA exponent 2", func(p *parts) { p.setUser(strangerRSA()); setUPK("e", "Ag")(p) }, header},
		{"RSA exponent of 9 bytes", func(p *parts) { p.setUser(strangerRSA()); setUPK("e", "AQAAAAAAAQAB")(p) }, header},
		{"RSA modulus of 16 400 bits", func(p *parts) {
			p.setUser(strangerRSA())
			setUPK("n", b64([]byte(strings.Repeat("\xff", 2050))))(p)
		}, header},
		{"RSA modulus padded", func(p *parts) {
			p.setUser(strangerRSA())
			setUPK("n", p.upk()["n"].(string)+"==")(p)
		}, header},
		{"private d", setUPK("d", zero32), header},
		{"private d null", setUPK("d", raw("null")), header},
		{"private p", setUPK("p", "AA"), header},
		{"private q", setUPK("q", "AA"), header},
		{"private dp", setUPK("dp", "AA"), header},
		{"private dq", setUPK("dq", "AA"), header},
		{"private qi", setUPK("qi", "AA"), header},
		{"private oth", setUPK("oth", []int{}), header},
		{"private k", setUPK("k", "AA"), header},
		{"use enc", setUPK("use", "enc"), header},
		{"use a number", setUPK("use", 1), header},
		{"use sig", setUPK("use", "sig"), accepted},
		{"key_ops without verify", setUPK("key_ops", []string{"sign"}), header},

		{"crit", setClient("crit", []string{"x"}), pktoken.ReasonCritical},
		{"crit empty", setClient("crit", []string{}), pktoken.ReasonCritical},
		{"crit null", setClient("crit", raw("null")), pktoken.ReasonCritical},
	})
}

// standardAlphabet finds a key whose x has a letter that the two alphabets write differently.
func standardAlphabet(p *parts) {
	for {
		p.setUser(pktokentest.UserKey(p.t))
		x := p.upk()["x"].(string)
		if other := strings.NewReplacer("-", "+", "_", "/").Replace(x); other != x {
			setUPK("x", other)(p)
			return
		}
	}
}

func TestClientSignature(t *testing.T) {
	false_ := pktoken.ReasonClientSignature
	sig := func(change edit) func(*parts) { return func(p *parts) { p.clientSig = change } }
	runRows(t, pktoken.CommitmentNonce, []row{
		{"flipped", sig(flip), false_},
		{"empty", sig(func([]byte) []byte { return nil }), false_},
		{"truncated", sig(func(b []byte) []byte { return b[:63] }), false_},
		{"a byte more", sig(func(b []byte) []byte { return append(b, 0) }), false_},
		{"all zero", sig(func(b []byte) []byte { return make([]byte, len(b)) }), false_},
		{"DER", sig(der), false_},
		{"made with another key", func(p *parts) { p.client["upk"] = newParts(p.t, pktoken.CommitmentNonce).upk() }, false_},
		{"Ed25519, flipped", and(userEd25519, sig(flip)), false_},
		{"Ed25519, empty", and(userEd25519, sig(func([]byte) []byte { return nil })), false_},
		{"RSA, flipped", func(p *parts) { p.setUser(strangerRSA()); p.clientSig = flip }, false_},
		{"over another payload", func(p *parts) {
			p.fields = func(f []string) {
				other := newParts(p.t, pktoken.CommitmentNonce)
				other.user, other.client = p.user, p.client
				other.claims["sub"] = "user-2"
				f[4] = strings.Split(other.compact(), ":")[4]
			}
		}, false_},
		{"the provider's", func(p *parts) { p.fields = func(f []string) { f[4] = f[2] } }, false_},
		{"header changed after signing", func(p *parts) {
			p.fields = func(f []string) {
				f[3] = b64([]byte(strings.Replace(string(unb64(p.t, f[3])), "0f0f", "0f0e", 1)))
			}
		}, false_},
		{"white space in the header after signing", func(p *parts) {
			p.fields = func(f []string) { f[3] = b64(append(unb64(p.t, f[3]), ' ')) }
		}, false_},
	})
}

func der(b []byte) []byte {
	out, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(b[:32]), new(big.Int).SetBytes(b[32:])})
	if err != nil {
		panic(err)
	}
	return out
}
