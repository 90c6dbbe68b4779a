package attacks_test

import (
	"bytes"
	"crypto/rsa"
	"slices"
	"testing"

	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

const ciAudience = pktoken.GQAudiencePrefix + "infra"

// ciJob makes the forgery a CI job's login, whose proof commits to its key.
func ciJob(f *forgery) {
	f.place, f.proof = "cic", object{}
	f.claims["aud"], f.claims["sub"], f.claims["email"] = ciAudience, "project_path:acme/app", nil
}

// newJobHost lets alice@example.com in as alice, and a CI job.
func newJobHost(t *testing.T) (*host, *issuer.Issuer) {
	t.Helper()
	op := issuer.Start(t)
	return newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n"+op.URL+" "+ciAudience+" 24h commitment=gq\n",
		"alice alice@example.com "+op.URL+"\nalice project_path:acme/app "+op.URL+"\n"), op
}

// TestProof.
//
// Power: has the PK token of a CI job, whose proof everybody may see, and a login of the attacker's own.
// Move: changes the proof or its header.
// Expected: provider-signature for a false proof; commitment where an honest one commits to another key; algorithm and token-malformed
// where its header names no RS256 header that the provider has signed.
func TestProof(t *testing.T) {
	t.Parallel()
	h, op := newJobHost(t)
	public := op.Key().Public().(*rsa.PublicKey)
	const rounds, question = 16, 2 // for e = 65537
	size := public.Size()
	answer := func(b []byte, i int) []byte { return b[rounds*question+i*size:][:size] }
	proof := func(change edit) func(*forgery) {
		return all(ciJob, func(f *forgery) { f.opSig = change })
	}
	set := func(name string, value any) func(*forgery) {
		return all(ciJob, func(f *forgery) { f.proof[name] = value })
	}
	victim := forge(t, op.Issuer)
	ciJob(victim)
	stolen := fieldsOf(victim.compact())

	h.attacks(t, op.Issuer, []row{
		{"as made", ciJob, allowed},
		{"a person's, with a proof", func(f *forgery) { f.proof = object{} }, allowed},
		{"zero", proof(func(b []byte) []byte { return make([]byte, len(b)) }), "provider-signature"},
		{"one answer zero", proof(func(b []byte) []byte { clear(answer(b, 3)); return b }), "provider-signature"},
		{"one answer n", proof(func(b []byte) []byte { public.N.FillBytes(answer(b, 3)); return b }), "provider-signature"},
		{"one answer too large", proof(func(b []byte) []byte { copy(answer(b, 3), bytes.Repeat([]byte{255}, size)); return b }), "provider-signature"},
		{"an answer twice", proof(func(b []byte) []byte { copy(answer(b, 1), answer(b, 0)); return b }), "provider-signature"},
		{"two answers exchanged", proof(func(b []byte) []byte {
			first := slices.Clone(answer(b, 0))
			copy(answer(b, 0), answer(b, 1))
			copy(answer(b, 1), first)
			return b
		}), "provider-signature"},
		{"questions zero", proof(func(b []byte) []byte { clear(b[:rounds*question]); return b }), "provider-signature"},
		{"truncated by a byte", proof(func(b []byte) []byte { return b[:len(b)-1] }), "provider-signature"},
		{"truncated by a round", proof(func(b []byte) []byte { return b[:len(b)-size] }), "provider-signature"},
		{"a round more", proof(func(b []byte) []byte { return append(b, answer(b, 0)...) }), "provider-signature"},
		{"twice", proof(func(b []byte) []byte { return append(b, b...) }), "provider-signature"},
		{"empty", proof(func([]byte) []byte { return nil }), "provider-signature"},

		{"cic another", set("cic", commitment([]byte("{}"))), "commitment"},
		{"cic missing", set("cic", nil), "commitment"},
		{"cic an array", set("cic", []string{"x"}), "commitment"},
		{"jkt of another key", set("jkt", thumbprint(&strangerKey().PublicKey)), "provider-signature"},
		{"jkt missing", set("jkt", nil), "provider-signature"},
		{"kid another header", set("kid", b64([]byte(`{"alg":"RS256","kid":"key-1"}`))), "provider-signature"},
		{"kid another key's", set("kid", b64([]byte(`{"alg":"RS256","kid":"key-2"}`))), "no-provider-key"},
		{"kid for another algorithm", set("kid", b64([]byte(`{"alg":"HS256","kid":"key-1"}`))), "algorithm"},
		{"kid a proof again", set("kid", b64([]byte(`{"alg":"GQ256","kid":"key-1"}`))), "algorithm"},
		{"kid no header", set("kid", "key-1"), "token-malformed"},
		{"kid missing", set("kid", nil), "token-malformed"},
		{"typ of the proof COS", set("typ", "COS"), "token-type"},
		{"header changed after", all(ciJob, func(f *forgery) {
			f.fields = func(p []string) { p[1] = b64(append(unb64(f.t, p[1]), ' ')) }
		}), "provider-signature"},

		{"own cic in the header of a stolen proof", all(ciJob, func(f *forgery) {
			f.fields = func(p []string) {
				copy(p[:3], stolen)
				p[1] = b64(replace(commitment(unb64(f.t, stolen[3])), commitment(unb64(f.t, p[3])))(unb64(f.t, stolen[1])))
				p[4] = b64(userSignature(f.t, f.user, p[3]+"."+p[0]))
			}
		}), "provider-signature"},
		{"stolen proof under an own CIC", all(ciJob, func(f *forgery) {
			f.fields = func(p []string) {
				copy(p[:3], stolen)
				p[4] = b64(userSignature(f.t, f.user, p[3]+"."+p[0]))
			}
		}), "commitment"},
	})
}
