package attacks_test

import (
	"strings"
	"testing"

	"opkssh/pkg/pktoken/pktokentest"
)

// TestForeignAuthorizedParty.
//
// Power: has tokens that the same provider made for a client of the attacker's own, with the host's client among the audiences.
// Move: lets `azp` name that other client, or write it so that careless comparison takes it for the host's.
// Expected: authorized-party; audience where `azp` alone names the host's client.
func TestForeignAuthorizedParty(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	const id = pktokentest.ClientID
	h.attacks(t, op.Issuer, []row{
		{"as made", asMade, allowed},
		{"its own client", audiences(id, id), allowed},
		{"in azp alone", all(claim("aud", "other"), claim("azp", id)), "audience"},
		{"azp of another", audiences("other", id, "other"), "authorized-party"},
		{"azp of another, array of one", audiences("other", id), "authorized-party"},
		{"azp in capitals", audiences(strings.ToUpper(id), id), "authorized-party"},
		{"azp empty", audiences("", id), "authorized-party"},
		{"azp null", audiences(raw("null"), id), "authorized-party"},
		{"azp an array", audiences([]string{id}, id), "authorized-party"},
	})
}

// audiences are the members of an `aud` that is an array.
func audiences(azp any, values ...string) func(*forgery) {
	return all(claim("aud", values), claim("azp", azp))
}
