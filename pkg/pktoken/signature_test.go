package pktoken_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

func TestProviderSignature(t *testing.T) {
	refused := pktoken.ReasonSignature
	for alg := range issuers() {
		t.Run(alg, func(t *testing.T) {
			sig := func(change edit) func(*parts) {
				return func(p *parts) { p.signWith(alg); p.opSig = change }
			}
			runRows(t, pktoken.CommitmentNonce, []row{
				{"as made", sig(nil), accepted},
				{"flipped", sig(flip), refused},
				{"empty", sig(func([]byte) []byte { return nil }), refused},
				{"truncated", sig(func(b []byte) []byte { return b[:len(b)-1] }), refused},
				{"a byte more", sig(func(b []byte) []byte { return append(b, 0) }), refused},
				{"a zero byte before", sig(func(b []byte) []byte { return append([]byte{0}, b...) }), refused},
				{"all zero", sig(func(b []byte) []byte { return make([]byte, len(b)) }), refused},
				{"all ones", sig(func(b []byte) []byte {
					for i := range b {
						b[i] = 0xff
					}
					return b
				}), refused},
				{"header changed", and(sig(nil), editField(1, func(s string) string { return b64(append(unb64(t, s), ' ')) })), refused},
			})
		})
	}
	runRows(t, pktoken.CommitmentNonce, []row{
		{"DER", func(p *parts) { p.opSig = der }, refused},
		{"RS256 read as PS256", func(p *parts) { p.signWith("RS256"); setKey("alg", nil)(p); alg("PS256")(p) }, refused},
		{"PS256 read as RS256", func(p *parts) { p.signWith("PS256"); setKey("alg", nil)(p); alg("RS256")(p) }, refused},
		{"PS256 with a salt of 20 bytes", func(p *parts) {
			p.signWith("PS256")
			p.fields = func(f []string) {
				hash := sha256.Sum256([]byte(f[1] + "." + f[0]))
				sig, err := rsa.SignPSS(rand.Reader, p.op.Key().(*rsa.PrivateKey), crypto.SHA256, hash[:], &rsa.PSSOptions{SaltLength: 20})
				if err != nil {
					p.t.Fatal(err)
				}
				f[2] = b64(sig)
			}
		}, refused},
		{"another issuer's key", func(p *parts) { p.op = pktokentest.NewIssuer(p.t, "https://other.example.com", "ES256") }, refused},
		{"the user's own key", func(p *parts) {
			p.fields = func(f []string) { f[2] = b64(signAs(p.t, p.user, "", f[1]+"."+f[0])) }
		}, refused},
	})
}

// TestSwappedPayloads: two valid tokens of one person do not make a third.
func TestSwappedPayloads(t *testing.T) {
	a, b := newParts(t, pktoken.CommitmentNonce), newParts(t, pktoken.CommitmentNonce)
	b.claims["sub"] = "user-2"
	fa, fb := splitColons(a.compact()), splitColons(b.compact())
	swap := func(from ...int) string {
		f := append([]string{}, fa...)
		for _, i := range from {
			f[i] = fb[i]
		}
		return joinColons(f)
	}
	for _, c := range []struct {
		name string
		text string
		want pktoken.Reason
	}{
		{"nothing", swap(), accepted},
		{"payload", swap(0), pktoken.ReasonClientSignature},
		{"OP signature", swap(2), pktoken.ReasonSignature},
		{"OP token", swap(1, 2), pktoken.ReasonSignature},
		{"payload and OP token", swap(0, 1, 2), pktoken.ReasonClientSignature},
		{"CIC token", swap(3, 4), pktoken.ReasonClientSignature},
		{"CIC header", swap(3), pktoken.ReasonClientSignature},
		{"CIC signature", swap(4), pktoken.ReasonClientSignature},
		{"payload and CIC token", swap(0, 3, 4), pktoken.ReasonSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := pktoken.Parse(c.text)
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.verifier().Verify(context.Background(), token)
			wantReason(t, err, c.want)
		})
	}
}

// TestKeyOfAnotherConfiguredIssuer: each issuer's tokens are held against that issuer's keys alone.
func TestKeyOfAnotherConfiguredIssuer(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	other := pktokentest.NewIssuer(t, "https://other.example.com", "ES256")
	set := pktokentest.KeySet(t, other, p.op)
	p.keySet = set
	p.more = []pktoken.Provider{{Issuer: other.URL, ClientID: clientID}}
	if _, err := p.verify(); err != nil {
		t.Fatal(err)
	}
	p.op = other // signs, while iss still names the first
	_, err := p.verify()
	wantReason(t, err, pktoken.ReasonSignature)
}
