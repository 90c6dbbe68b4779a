package pktoken_test

import (
	"testing"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

func setProof(name string, value any) func(*parts) {
	return func(p *parts) {
		if p.proof == nil {
			p.gq()
		}
		p.proof[name] = value
	}
}

// original changes the header that the provider signed, beneath the proof.
func original(name string, value any) func(*parts) {
	return func(p *parts) { p.gq(); p.header[name] = value }
}

func TestGQProof(t *testing.T) {
	malformed, refused := pktoken.ReasonMalformed, pktoken.ReasonSignature
	sig := func(change edit) func(*parts) { return func(p *parts) { p.gq(); p.opSig = change } }
	runRows(t, pktoken.CommitmentNonce, []row{
		{"as made", func(p *parts) { p.gq() }, accepted},
		{"without use and alg in the key", func(p *parts) { p.gq(); setKey("alg", nil)(p); setKey("use", nil)(p) }, accepted},
		{"cic says nothing under nonce", setProof("cic", "x"), accepted},
		{"further member", setProof("x", 1), accepted},

		{"kid missing", setProof("kid", nil), malformed},
		{"kid empty", setProof("kid", ""), malformed},
		{"kid a number", setProof("kid", 1), malformed},
		{"kid null", setProof("kid", raw("null")), malformed},
		{"kid not base64url", setProof("kid", "key-1?"), malformed},
		{"kid the key's", setProof("kid", "key-1"), malformed},
		{"kid padded", func(p *parts) {
			p.gq()
			p.proof["kid"] = b64(encodeJSON(p.t, p.header, nil)) + "="
		}, malformed},
		{"kid with a line break", func(p *parts) {
			p.gq()
			p.proof["kid"] = b64(encodeJSON(p.t, p.header, nil)) + "\n"
		}, malformed},
		{"kid no object", setProof("kid", b64([]byte(`[]`))), malformed},
		{"kid with a duplicate", setProof("kid", b64([]byte(`{"alg":"RS256","alg":"RS256"}`))), malformed},
		{"kid another header", setProof("kid", b64([]byte(`{"alg":"RS256","kid":"key-1"}`))), refused},
		{"jkt missing", setProof("jkt", nil), refused},
		{"jkt empty", setProof("jkt", ""), refused},
		{"jkt a number", setProof("jkt", 1), refused},
		{"jkt of another key", func(p *parts) { p.gq(); p.proof["jkt"] = thumbprint(p.t, &strangerRSA().PublicKey) }, refused},
		{"jkt padded", func(p *parts) {
			p.gq()
			p.proof["jkt"] = thumbprint(p.t, publicRSA(p.op)) + "="
		}, refused},
		{"crit in the proof", setProof("crit", []string{"x"}), pktoken.ReasonCritical},
		{"crit in the original", original("crit", []string{"x"}), pktoken.ReasonCritical},

		{"original alg missing", original("alg", nil), pktoken.ReasonAlgorithm},
		{"original alg none", original("alg", "none"), pktoken.ReasonAlgorithm},
		{"original alg HS256", original("alg", "HS256"), pktoken.ReasonAlgorithm},
		{"original alg RS512", original("alg", "RS512"), pktoken.ReasonAlgorithm},
		{"original alg PS256", original("alg", "PS256"), pktoken.ReasonAlgorithm},
		{"original alg GQ256", original("alg", "GQ256"), pktoken.ReasonAlgorithm},
		{"original alg a number", original("alg", 256), pktoken.ReasonAlgorithm},

		{"flipped answer", sig(flip), refused},
		{"flipped question", sig(func(b []byte) []byte { b[0] ^= 1; return b }), refused},
		{"empty", sig(func([]byte) []byte { return nil }), refused},
		{"truncated", sig(func(b []byte) []byte { return b[:len(b)-1] }), refused},
		{"a byte more", sig(func(b []byte) []byte { return append(b, 0) }), refused},
		{"all zero", sig(func(b []byte) []byte { return make([]byte, len(b)) }), refused},
		{"the RSA signature itself", func(p *parts) {
			p.gq()
			p.fields = func(f []string) {
				f[2] = b64(signAs(p.t, p.op.Key(), "RS256", p.proof["x"].(string)+"."+f[0]))
			}
			p.proof["x"] = b64(encodeJSON(p.t, p.header, nil))
		}, refused},
		{"header of the proof changed", func(p *parts) {
			p.gq()
			p.fields = func(f []string) { f[1] = b64(append(unb64(p.t, f[1]), ' ')) }
		}, refused},
		{"another key of the provider", func(p *parts) {
			p.gq()
			stranger := pktokentest.PublicJWK(p.t, strangerRSA().Public())
			stranger["kid"] = "key-1"
			p.keys = []object{stranger}
		}, refused},
	})
}

// TestGQPayload: the proof is of this payload and no other.
func TestGQPayload(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	p.gq()
	p.fields = func(f []string) {
		f[0] = b64([]byte(replaceOnce(string(unb64(t, f[0])), "user-1", "user-2")))
		f[4] = b64(signAs(t, p.user, "", f[3]+"."+f[0]))
	}
	_, err := p.verify()
	wantReason(t, err, pktoken.ReasonSignature)
}
