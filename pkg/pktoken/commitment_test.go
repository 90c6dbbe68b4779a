package pktoken_test

import (
	"strings"
	"testing"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

// commitmentIs puts another value where the commitment belongs.
func commitmentIs(change func(string) string) func(*parts) {
	return func(p *parts) { p.commitment = change }
}

func constant(s string) func(string) string { return func(string) string { return s } }

var wrongCommitments = []row{
	{"as made", func(*parts) {}, accepted},
	{"empty", commitmentIs(constant("")), pktoken.ReasonCommitment},
	{"of another header", commitmentIs(constant(commitment([]byte("{}")))), pktoken.ReasonCommitment},
	{"padded", commitmentIs(func(s string) string { return s + "=" }), pktoken.ReasonCommitment},
	{"shorter", commitmentIs(func(s string) string { return s[:42] }), pktoken.ReasonCommitment},
	{"longer", commitmentIs(func(s string) string { return s + "A" }), pktoken.ReasonCommitment},
	{"other case", commitmentIs(strings.ToUpper), pktoken.ReasonCommitment},
	{"space before", commitmentIs(func(s string) string { return " " + s }), pktoken.ReasonCommitment},
	{"of the header's base64", commitmentFrom(func(h []byte) string { return commitment([]byte(b64(h))) }), pktoken.ReasonCommitment},
	{"of the header with other white space", commitmentFrom(func(h []byte) string { return commitment(append(h, '\n')) }), pktoken.ReasonCommitment},
}

// commitmentFrom makes the commitment of the CIC header's bytes.
func commitmentFrom(make func([]byte) string) func(*parts) {
	return func(p *parts) {
		var header []byte
		p.clientJSON = func(b []byte) []byte { header = append([]byte{}, b...); return b }
		p.commitment = func(string) string { return make(header) }
	}
}

// stolen is what somebody can make of another person's ID token: a CIC token of their own.
func stolen(p *parts) {
	p.fields = func(f []string) {
		thief := newParts(p.t, pktoken.CommitmentNonce)
		f[3] = b64(encodeJSON(p.t, thief.client, nil))
		f[4] = b64(signAs(p.t, thief.user, "", f[3]+"."+f[0]))
	}
}

func TestNonce(t *testing.T) {
	nonce := func(value any) func(*parts) { return func(p *parts) { p.claims["nonce"] = value } }
	elsewhere := func(name string) func(*parts) {
		return func(p *parts) {
			p.claims["nonce"] = "x"
			p.claimsJSON = func(b []byte) []byte {
				c := decode(p.t, b)
				c[name] = commitment(encodeJSON(p.t, p.client, nil))
				return encodeJSON(p.t, c, nil)
			}
		}
	}
	runRows(t, pktoken.CommitmentNonce, append(wrongCommitments, []row{
		{"absent", nonce(nil), pktoken.ReasonCommitment},
		{"null", nonce(raw("null")), pktoken.ReasonCommitment},
		{"number", nonce(1), pktoken.ReasonCommitment},
		{"boolean", nonce(true), pktoken.ReasonCommitment},
		{"in an array", func(p *parts) { p.claimsJSON = wrapMember(p, "nonce") }, pktoken.ReasonCommitment},
		{"in at_hash", elsewhere("at_hash"), pktoken.ReasonCommitment},
		{"in sub", elsewhere("sub"), pktoken.ReasonCommitment},
		{"in jti", elsewhere("jti"), pktoken.ReasonCommitment},
		{"in aud beside the client ID", func(p *parts) {
			p.claims["nonce"] = "x"
			p.claims["aud"] = []string{clientID, commitment(encodeJSON(p.t, p.client, nil))}
		}, pktoken.ReasonCommitment},
		{"in the proof's cic", func(p *parts) {
			p.gq()
			p.claims["nonce"], p.proof["cic"] = "x", commitment(encodeJSON(p.t, p.client, nil))
		}, pktoken.ReasonCommitment},
		{"in the header's cic", func(p *parts) {
			p.claims["nonce"], p.header["cic"] = "x", commitment(encodeJSON(p.t, p.client, nil))
		}, pktoken.ReasonCommitment},
		{"key in cnf", func(p *parts) { p.claims["nonce"], p.claims["cnf"] = "x", object{"jwk": p.upk()} }, pktoken.ReasonCommitment},
		{"stolen ID token", stolen, pktoken.ReasonCommitment},
		{"same key, another header", func(p *parts) {
			p.fields = func(f []string) {
				other := append(unb64(p.t, f[3]), ' ')
				f[3] = b64(other)
				f[4] = b64(signAs(p.t, p.user, "", f[3]+"."+f[0]))
			}
		}, pktoken.ReasonCommitment},
		{"unknown kind of row", func(p *parts) {
			p.claims["nonce"] = commitment(encodeJSON(p.t, p.client, nil))
			p.row.Commitment = 9
		}, pktoken.ReasonCommitment},
	}...))
}

func wrapMember(p *parts, name string) edit {
	return func(b []byte) []byte {
		c := decode(p.t, b)
		c[name] = []any{c[name]}
		return encodeJSON(p.t, c, nil)
	}
}

func TestAudienceCommitment(t *testing.T) {
	runRows(t, pktoken.CommitmentAudience, append(wrongCommitments, []row{
		{"in nonce", func(p *parts) {
			p.claims["nonce"] = commitment(encodeJSON(p.t, p.client, nil))
			p.commitment = constant(clientID)
		}, pktoken.ReasonCommitment},
		{"in cic", func(p *parts) {
			p.proof["cic"] = commitment(encodeJSON(p.t, p.client, nil))
			p.commitment = constant(clientID)
		}, pktoken.ReasonCommitment},
		{"stolen ID token", stolen, pktoken.ReasonCommitment},
	}...))
}

func TestGQCommitment(t *testing.T) {
	runRows(t, pktoken.CommitmentGQ, append(wrongCommitments, []row{
		{"absent", setProof("cic", nil), pktoken.ReasonCommitment},
		{"null", setProof("cic", raw("null")), pktoken.ReasonCommitment},
		{"number", setProof("cic", 1), pktoken.ReasonCommitment},
		{"in nonce", func(p *parts) {
			p.proof["cic"], p.claims["nonce"] = nil, commitment(encodeJSON(p.t, p.client, nil))
		}, pktoken.ReasonCommitment},
		{"in the original header", func(p *parts) {
			p.proof["cic"], p.header["cic"] = nil, commitment(encodeJSON(p.t, p.client, nil))
		}, pktoken.ReasonCommitment},
		{"stolen proof", stolen, pktoken.ReasonCommitment},
		{"stolen proof with cic changed", func(p *parts) {
			stolen(p)
			swap := p.fields
			p.fields = func(f []string) {
				swap(f)
				header := decode(p.t, unb64(p.t, f[1]))
				header["cic"] = commitment(unb64(p.t, f[3]))
				f[1] = b64(encodeJSON(p.t, header, nil))
			}
		}, pktoken.ReasonSignature},
		{"login token made into a proof", func(p *parts) { p.row.ClientID, p.claims["aud"] = "plain", clientID }, pktoken.ReasonAudience},
	}...))
}

func TestKeyBinding(t *testing.T) {
	refused := pktoken.ReasonCommitment
	cnf := func(value any) func(*parts) { return func(p *parts) { p.claims["cnf"] = value } }
	bound := func(change func(p *parts, key object)) func(*parts) {
		return func(p *parts) { change(p, p.claims["cnf"].(object)["jwk"].(object)) }
	}
	without := func(name string) func(*parts) { return bound(func(_ *parts, key object) { delete(key, name) }) }
	set := func(name string, value any) func(*parts) {
		return bound(func(_ *parts, key object) { key[name] = value })
	}
	runRows(t, pktoken.CommitmentKeyBinding, []row{
		{"as made", func(*parts) {}, accepted},
		{"without alg", without("alg"), accepted},
		{"further members", set("kid", "x"), accepted},
		{"names in other case beside", bound(func(p *parts, key object) {
			for name, value := range upperMembers(newParts(p.t, pktoken.CommitmentNonce).upk()) {
				key[name] = value
			}
		}), accepted},
		{"Ed25519", func(p *parts) { userEd25519(p); p.claims["cnf"] = object{"jwk": p.upk()} }, accepted},
		{"absent", cnf(nil), refused},
		{"null", cnf(raw("null")), refused},
		{"string", cnf("x"), refused},
		{"empty", cnf(object{}), refused},
		{"the key itself", func(p *parts) { p.claims["cnf"] = p.upk() }, refused},
		{"JWK in other case", func(p *parts) { p.claims["cnf"] = object{"JWK": p.upk()} }, refused},
		{"thumbprint alone", func(p *parts) { p.claims["cnf"] = object{"jkt": "x"} }, refused},
		{"jwk a string", cnf(object{"jwk": "x"}), refused},
		{"jwk empty", cnf(object{"jwk": object{}}), refused},
		{"another key", func(p *parts) { p.claims["cnf"] = object{"jwk": newParts(p.t, pktoken.CommitmentNonce).upk()} }, refused},
		{"a key of another type", func(p *parts) {
			p.claims["cnf"] = object{"jwk": pktokentest.PublicJWK(p.t, issuers()["EdDSA"].Key().Public())}
		}, refused},
		{"another alg", set("alg", "ES384"), refused},
		{"for encryption", set("use", "enc"), refused},
		{"private d", set("d", "AA"), refused},
		{"without y", without("y"), refused},
		{"x padded", bound(func(_ *parts, key object) { key["x"] = key["x"].(string) + "=" }), refused},
		{"right nonce, another key", func(p *parts) {
			p.claims["nonce"] = commitment(encodeJSON(p.t, p.client, nil))
			p.claims["cnf"] = object{"jwk": newParts(p.t, pktoken.CommitmentNonce).upk()}
		}, refused},
		{"stolen ID token", stolen, refused},
		{"another audience", aud("other"), pktoken.ReasonAudience},
	})
}
