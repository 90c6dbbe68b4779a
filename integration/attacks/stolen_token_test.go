package attacks_test

import (
	"testing"

	"opkssh/pkg/pktoken/pktokentest"
)

// TestStolenToken.
//
// Power: has another person's PK token, from a certificate that was seen, or the ID token in it; has keys and tokens of the
// attacker's own from the same provider.
// Move: puts parts of both together.
// Expected: commitment for another key in an honest ID token; client-signature and certificate-key where the thief lacks the key.
func TestStolenToken(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	victim := forge(t, op.Issuer)
	stolen := fieldsOf(victim.compact())

	h.attacks(t, op.Issuer, []row{
		{"the attacker's own login", mallorys, "no-rule"},
		{"own CIC on the stolen ID token", func(f *forgery) {
			f.fields = func(p []string) {
				copy(p[:3], stolen)
				p[4] = b64(userSignature(f.t, f.user, p[3]+"."+p[0]))
			}
		}, "commitment"},
		{"own key in the stolen CIC", func(f *forgery) { f.fields = func(p []string) { copy(p, stolen) } }, "certificate-key"},
		{"stolen token, CIC signed again by the thief", func(f *forgery) {
			f.fields = func(p []string) {
				copy(p, stolen)
				p[4] = b64(userSignature(f.t, f.user, p[3]+"."+p[0]))
			}
		}, "client-signature"},
		{"CIC and OP tokens in each other's place", func(f *forgery) {
			f.fields = func(p []string) { p[1], p[2], p[3], p[4] = p[3], p[4], p[1], p[2] }
		}, "token-type"},
		{"no commitment", claim("nonce", ""), "commitment"},
		{"commitment missing", func(f *forgery) { f.place = "none" }, "commitment"},
		{"commitment to the victim's key", claim("nonce", commitment(unb64(t, stolen[3]))), "commitment"},
		{"commitment padded", func(f *forgery) { f.commit = func(s string) string { return s + "=" } }, "commitment"},
		{"commitment in an array", func(f *forgery) {
			f.claims["nonce"] = []string{commitment(encodeJSON(f.t, f.client, nil))}
		}, "commitment"},
		{"commitment in cnf", all(claim("nonce", ""), func(f *forgery) {
			f.claims["cnf"] = object{"jwk": pktokentest.PublicJWK(f.t, f.user.Public())}
		}), "commitment"},
		{"rz missing", func(f *forgery) { f.client["rz"] = nil }, "client-header"},
		{"upk with its private half", func(f *forgery) { f.client["upk"].(object)["d"] = "AQ" }, "client-header"},
		{"upk a secret", func(f *forgery) { f.client["upk"] = object{"kty": "oct", "k": "c2VjcmV0", "alg": "ES256"} }, "client-header"},
	})
	t.Run("stolen certificate signed again", func(t *testing.T) {
		f := forge(t, op.Issuer)
		h.attack(t, f.carry(victim.compact()), "certificate-key")
	})
}

// mallorys makes the forgery the attacker's own login.
func mallorys(f *forgery) { f.claims["email"], f.claims["sub"] = "mallory@example.com", "user-2" }

func fieldsOf(compact string) []string {
	var fields []string
	start := 0
	for i := range compact {
		if compact[i] == ':' {
			fields = append(fields, compact[start:i])
			start = i + 1
		}
	}
	return append(fields, compact[start:])
}
