package attacks_test

import (
	"testing"

	"opkssh/pkg/pktoken/pktokentest"
)

// TestLoginTokenAsJob.
//
// Power: has a person's ID token with the provider's signature, an own one, or one that was made for another key: whoever has a signature
// can make a proof of it, with any key in its header.
// Move: passes it off as a CI job's, whose proof commits to the attacker's key; or a CI job's as a person's.
// Expected: commitment where the ID token itself commits to another key; algorithm where the provider's signature stands in the
// proof's place; audience where a row takes proofs for a client of people's.
func TestLoginTokenAsJob(t *testing.T) {
	t.Parallel()
	h, op := newJobHost(t)
	h.attacks(t, op.Issuer, []row{
		{"a person's as made", asMade, allowed},
		{"a CI job's as made", ciJob, allowed},
		{"a person's ID token for another key, with a proof that commits to this one", func(f *forgery) {
			f.place, f.proof = "cic", object{}
			f.claims["nonce"] = commitment([]byte("{}"))
		}, "commitment"},
		{"a CI job's ID token without a proof", all(ciJob, func(f *forgery) { f.proof = nil }), "algorithm"},
		{"the commitment of a CI job in nonce", all(ciJob, func(f *forgery) { f.place = "nonce" }), "commitment"},
	})

	t.Run("row for people's tokens", func(t *testing.T) {
		// An administrator's mistake must not open what the format keeps apart.
		h := newHost(t, op.URL+" "+pktokentest.ClientID+" 24h commitment=gq\n", "alice alice@example.com "+op.URL+"\n")
		f := forge(t, op.Issuer)
		f.place, f.proof = "cic", object{}
		h.attack(t, f.offer(), "audience")
	})
}
