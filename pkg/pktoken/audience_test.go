package pktoken_test

import (
	"testing"

	"opkssh/pkg/pktoken"
)

func aud(value any) func(*parts) { return func(p *parts) { p.claims["aud"] = value } }

func azp(value any) func(*parts) { return func(p *parts) { p.claims["azp"] = value } }

func TestAudience(t *testing.T) {
	runRows(t, pktoken.CommitmentNonce, []row{
		{"string", aud(clientID), accepted},
		{"array of one", aud([]string{clientID}), accepted},
		{"array, first", aud([]string{clientID, "other"}), accepted},
		{"array, last", aud([]string{"other", clientID}), accepted},
		{"another", aud("other"), pktoken.ReasonAudience},
		{"array without it", aud([]string{"a", "b"}), pktoken.ReasonAudience},
		{"empty string", aud(""), pktoken.ReasonAudience},
		{"empty array", aud([]string{}), pktoken.ReasonAudience},
		{"joined by a comma", aud(clientID + ",other"), pktoken.ReasonAudience},
		{"joined by a space", aud("other " + clientID), pktoken.ReasonAudience},
		{"row's client ID with a comma, array", func(p *parts) {
			p.row.ClientID, p.claims["aud"] = "a,b", []string{"a", "b"}
		}, pktoken.ReasonAudience},
		{"row's client ID with a comma, string", func(p *parts) { p.row.ClientID, p.claims["aud"] = "a,b", "a,b" }, accepted},
		{"other case", aud("Test-Client"), pktoken.ReasonAudience},
		{"prefix", aud(clientID[:4]), pktoken.ReasonAudience},
		{"longer", aud(clientID + "2"), pktoken.ReasonAudience},
		{"missing", aud(nil), pktoken.ReasonMalformed},
		{"null", aud(raw("null")), pktoken.ReasonMalformed},
		{"number", aud(42), pktoken.ReasonMalformed},
		{"number that reads like the client ID", func(p *parts) { p.row.ClientID, p.claims["aud"] = "42", 42 }, pktoken.ReasonMalformed},
		{"object", aud(object{clientID: true}), pktoken.ReasonMalformed},
		{"array with a number", aud([]any{clientID, 42}), pktoken.ReasonMalformed},
		{"array with null", aud([]any{clientID, nil}), pktoken.ReasonMalformed},
		{"array in an array", aud([]any{[]string{clientID}}), pktoken.ReasonMalformed},
		{"client ID elsewhere", and(aud("other"), azp(clientID)), pktoken.ReasonAudience},
	})
}

func TestAuthorizedParty(t *testing.T) {
	two := []string{clientID, "other"}
	runRows(t, pktoken.CommitmentNonce, []row{
		{"array, client ID", and(aud(two), azp(clientID)), accepted},
		{"array, another", and(aud(two), azp("other")), pktoken.ReasonAuthorizedParty},
		{"array of one, another", and(aud([]string{clientID}), azp("other")), pktoken.ReasonAuthorizedParty},
		{"array, empty", and(aud(two), azp("")), pktoken.ReasonAuthorizedParty},
		{"array, null", and(aud(two), azp(raw("null"))), pktoken.ReasonAuthorizedParty},
		{"array, number", and(aud(two), azp(1)), pktoken.ReasonAuthorizedParty},
		{"array, array", and(aud(two), azp([]string{clientID})), pktoken.ReasonAuthorizedParty},
		{"string, client ID", azp(clientID), accepted},
		{"string, another", azp("other"), accepted},
	})
}

func TestGQAudience(t *testing.T) {
	plainRow := func(p *parts) { p.row.ClientID = "plain" }
	runRows(t, pktoken.CommitmentGQ, []row{
		{"as made", func(*parts) {}, accepted},
		{"another of the kind", aud("OPENPUBKEY-PKTOKEN:other"), pktoken.ReasonAudience},
		{"array", aud([]string{"OPENPUBKEY-PKTOKEN:infra"}), pktoken.ReasonAudience},
		{"longer", aud("OPENPUBKEY-PKTOKEN:infra2"), pktoken.ReasonAudience},
		{"plain row, any of the kind", and(plainRow, aud("OPENPUBKEY-PKTOKEN:other")), accepted},
		{"plain row, its own client ID", and(plainRow, aud("plain")), pktoken.ReasonAudience},
		{"plain row, a login's audience", and(plainRow, aud(clientID)), pktoken.ReasonAudience},
		{"plain row, prefix in other case", and(plainRow, aud("openpubkey-pktoken:x")), pktoken.ReasonAudience},
		{"plain row, prefix in the middle", and(plainRow, aud("x OPENPUBKEY-PKTOKEN:x")), pktoken.ReasonAudience},
		{"plain row, prefix without its colon", and(plainRow, aud("OPENPUBKEY-PKTOKEN")), pktoken.ReasonAudience},
		{"plain row, array", and(plainRow, aud([]string{"OPENPUBKEY-PKTOKEN:x"})), pktoken.ReasonAudience},
		{"plain row, array with a login's", and(plainRow, aud([]string{"OPENPUBKEY-PKTOKEN:x", clientID})), pktoken.ReasonAudience},
		{"plain row, empty array", and(plainRow, aud([]string{})), pktoken.ReasonAudience},
		{"arrays allowed, a string", allowArray, accepted},
		{"arrays allowed, one", and(allowArray, aud([]string{"OPENPUBKEY-PKTOKEN:infra"})), accepted},
		{"arrays allowed, one for others", and(allowArray, aud([]string{"OPENPUBKEY-PKTOKEN:other"})), pktoken.ReasonAudience},
		{"arrays allowed, two", and(allowArray, aud([]string{"OPENPUBKEY-PKTOKEN:infra", "x"})), pktoken.ReasonAudience},
		{"arrays allowed, the same twice", and(allowArray, aud([]string{"OPENPUBKEY-PKTOKEN:infra", "OPENPUBKEY-PKTOKEN:infra"})), pktoken.ReasonAudience},
		{"arrays allowed, none", and(allowArray, and(plainRow, aud([]string{}))), pktoken.ReasonAudience},
		{"arrays allowed, plain row, one", and(allowArray, and(plainRow, aud([]string{"OPENPUBKEY-PKTOKEN:x"}))), accepted},
	})
}

func allowArray(p *parts) { p.row.AllowAudienceArray = true }

func TestJobAudience(t *testing.T) {
	change := func(to func(aud any) any) func(*parts) {
		return func(p *parts) {
			p.claimsJSON = func(b []byte) []byte {
				c := decode(p.t, b)
				c["aud"] = to(c["aud"])
				return encodeJSON(p.t, c, nil)
			}
		}
	}
	inArray := change(func(aud any) any { return []any{aud} })
	runRows(t, pktoken.CommitmentAudience, []row{
		{"as made", func(*parts) {}, accepted},
		{"no client ID in the row", func(p *parts) { p.row.ClientID = "" }, accepted},
		{"array", inArray, pktoken.ReasonAudience},
		{"arrays allowed, one", and(allowArray, inArray), accepted},
		{"arrays allowed, two", and(allowArray, change(func(aud any) any { return []any{aud, "x"} })), pktoken.ReasonAudience},
		{"arrays allowed, another one", and(allowArray, change(func(any) any { return []any{"x"} })), pktoken.ReasonCommitment},
	})
}
