package attacks_test

import (
	"testing"
)

// TestSwappedPayload.
//
// Power: has another person's PK token, and keys and tokens of the attacker's own from the same provider.
// Move: puts the payload of one under signatures of the other, or changes a claim in an own one.
// Expected: provider-signature for an honest signature on something else; client-signature where the client has signed another payload.
func TestSwappedPayload(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	victim := forge(t, op.Issuer)
	stolen := fieldsOf(victim.compact())

	h.attacks(t, op.Issuer, []row{
		{"as made", asMade, allowed},
		{"the attacker's own login", mallorys, "no-rule"},
		{"own signatures on the stolen payload", all(mallorys, func(f *forgery) {
			f.fields = func(p []string) { p[0] = stolen[0] }
		}), "client-signature"},
		{"own provider signature on the stolen payload", all(mallorys, func(f *forgery) {
			f.fields = func(p []string) {
				p[0] = stolen[0]
				p[4] = b64(userSignature(f.t, f.user, p[3]+"."+p[0]))
			}
		}), "provider-signature"},
		{"own payload under the stolen signature", func(f *forgery) { f.fields = func(p []string) { p[1], p[2] = stolen[1], stolen[2] } },
			"provider-signature"},
		{"email changed in the own payload", all(mallorys, func(f *forgery) {
			f.fields = func(p []string) {
				p[0] = b64(replace("mallory", "alice")(unb64(f.t, p[0])))
				p[4] = b64(userSignature(f.t, f.user, p[3]+"."+p[0]))
			}
		}), "provider-signature"},
	})
}
