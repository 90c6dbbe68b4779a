package pktoken_test

import (
	"testing"

	"opkssh/pkg/pktoken"
)

func headerTyp(typ any) func(*parts) { return func(p *parts) { p.header["typ"] = typ } }

func clientTyp(typ any) func(*parts) { return func(p *parts) { p.client["typ"] = typ } }

func freshTyp(typ any) func(*parts) { return func(p *parts) { p.refreshed().header["typ"] = typ } }

// and makes one change after another.
func and(changes ...func(*parts)) func(*parts) {
	return func(p *parts) {
		for _, change := range changes {
			change(p)
		}
	}
}

func allowAccessTokens(p *parts) { p.row.AllowAccessTokenType = true }

func TestTokenType(t *testing.T) {
	runRows(t, pktoken.CommitmentNonce, []row{
		{"JWT", headerTyp("JWT"), accepted},
		{"jwt", headerTyp("jwt"), accepted},
		{"Jwt", headerTyp("Jwt"), accepted},
		{"absent", headerTyp(nil), accepted},
		{"empty", headerTyp(""), pktoken.ReasonTokenType},
		{"null", headerTyp(raw("null")), pktoken.ReasonTokenType},
		{"number", headerTyp(1), pktoken.ReasonTokenType},
		{"array", headerTyp([]string{"JWT"}), pktoken.ReasonTokenType},
		{"with a space", headerTyp("JWT "), pktoken.ReasonTokenType},
		{"application/jwt", headerTyp("application/jwt"), pktoken.ReasonTokenType},
		{"OP token says CIC", headerTyp("CIC"), pktoken.ReasonTokenType},
		{"OP token says COS", headerTyp("COS"), pktoken.ReasonTokenType},
		{"logout token", headerTyp("logout+jwt"), pktoken.ReasonTokenType},
		{"key-bound", headerTyp("dpop+id_token"), pktoken.ReasonTokenType},
		{"key-bound in other case", headerTyp("DPOP+id_token"), pktoken.ReasonTokenType},
		{"access token", headerTyp("at+jwt"), pktoken.ReasonTokenType},
		{"access token in other case", headerTyp("AT+JWT"), pktoken.ReasonTokenType},
		{"access token where asked for", and(headerTyp("at+jwt"), allowAccessTokens), accepted},
		{"access token in other case where asked for", and(headerTyp("AT+JWT"), allowAccessTokens), accepted},
		{"JWT where access tokens are asked for too", and(headerTyp("JWT"), allowAccessTokens), accepted},
		{"key-bound where access tokens are asked for", and(headerTyp("dpop+id_token"), allowAccessTokens), pktoken.ReasonTokenType},

		{"client's absent", clientTyp(nil), pktoken.ReasonTokenType},
		{"client's in other case", clientTyp("cic"), pktoken.ReasonTokenType},
		{"client says JWT", clientTyp("JWT"), pktoken.ReasonTokenType},
		{"client says COS", clientTyp("COS"), pktoken.ReasonTokenType},
		{"client's a number", clientTyp(1), pktoken.ReasonTokenType},
		{"OP and CIC tokens change places", func(p *parts) {
			p.fields = func(f []string) { f[1], f[2], f[3], f[4] = f[3], f[4], f[1], f[2] }
		}, pktoken.ReasonTokenType},
		{"two CIC tokens", func(p *parts) {
			p.fields = func(f []string) { f[1], f[2] = f[3], f[4] }
		}, pktoken.ReasonTokenType},
		{"two OP tokens", func(p *parts) {
			p.fields = func(f []string) { f[3], f[4] = f[1], f[2] }
		}, pktoken.ReasonTokenType},

		{"refreshed without typ", freshTyp(nil), accepted},
		{"refreshed jwt", freshTyp("jwt"), accepted},
		{"refreshed says CIC", freshTyp("CIC"), pktoken.ReasonTokenType},
		{"refreshed with a number", freshTyp(1), pktoken.ReasonTokenType},
		{"refreshed key-bound", freshTyp("dpop+id_token"), pktoken.ReasonRefreshed},
		{"refreshed access token", freshTyp("at+jwt"), pktoken.ReasonRefreshed},
		{"refreshed access token where asked for", and(freshTyp("at+jwt"), allowAccessTokens), accepted},
	})
}

func TestKeyBoundTokenType(t *testing.T) {
	bindFresh := func(p *parts) {
		freshTyp("dpop+id_token")(p)
	}
	runRows(t, pktoken.CommitmentKeyBinding, []row{
		{"as made", func(*parts) {}, accepted},
		{"absent", headerTyp(nil), pktoken.ReasonTokenType},
		{"JWT", headerTyp("JWT"), pktoken.ReasonTokenType},
		{"access token", headerTyp("at+jwt"), pktoken.ReasonTokenType},
		{"access token where asked for", and(headerTyp("at+jwt"), allowAccessTokens), pktoken.ReasonTokenType},
		{"in other case", headerTyp("Dpop+id_token"), pktoken.ReasonTokenType},
		{"refreshed and bound again", bindFresh, accepted},
		{"refreshed and not bound", freshTyp("JWT"), accepted},
		{"refreshed and bound to another key", and(bindFresh, func(p *parts) {
			p.fresh.claims["cnf"] = object{"jwk": newParts(p.t, pktoken.CommitmentNonce).upk()}
		}), pktoken.ReasonRefreshed},
		{"refreshed, says bound, is not", and(bindFresh, func(p *parts) { p.fresh.claims["cnf"] = nil }), pktoken.ReasonRefreshed},
	})
}

func TestGQTokenType(t *testing.T) {
	proofTyp := func(typ any) func(*parts) { return func(p *parts) { p.gq(); p.proof["typ"] = typ } }
	inner := func(typ any) func(*parts) { return func(p *parts) { p.gq(); p.header["typ"] = typ } }
	runRows(t, pktoken.CommitmentNonce, []row{
		{"JWT", proofTyp("JWT"), accepted},
		{"absent", proofTyp(nil), accepted},
		{"proof says key-bound", proofTyp("dpop+id_token"), pktoken.ReasonTokenType},
		{"proof says access token", and(proofTyp("at+jwt"), allowAccessTokens), pktoken.ReasonTokenType},
		{"proof says CIC", proofTyp("CIC"), pktoken.ReasonTokenType},
		{"original without typ", inner(nil), accepted},
		{"original key-bound", inner("dpop+id_token"), pktoken.ReasonTokenType},
		{"original an access token", inner("at+jwt"), pktoken.ReasonTokenType},
		{"original an access token, where asked for", and(inner("at+jwt"), allowAccessTokens), accepted},
		{"original says CIC", inner("CIC"), pktoken.ReasonTokenType},
		{"original with a number", inner(1), pktoken.ReasonTokenType},
	})
	runRows(t, pktoken.CommitmentKeyBinding, []row{
		{"proof of a key-bound token", func(p *parts) { p.gq(); p.header["typ"] = "dpop+id_token" }, pktoken.ReasonAlgorithm},
		{"proof of a token that is not key-bound", func(p *parts) { p.gq() }, pktoken.ReasonAlgorithm},
	})
}
