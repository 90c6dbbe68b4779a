package attacks_test

import (
	"fmt"
	"testing"
	"time"

	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// TestControlCharactersInRequiredClaims.
//
// Power: gets the provider to write text of the attacker's into the claims that a row of providers looks at: `azp`, `amr`, `acr`,
// `auth_time`, `cnf`.
// Move: lines, quotes and terminal escapes around the value that the row wants.
// Expected: authorized-party, required-claim and commitment, with a log in ASCII and one decision. Where the row looks at none of them,
// exactly the one line.
func TestControlCharactersInRequiredClaims(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	const id = pktokentest.ClientID
	h := newHost(t, op.URL+" "+id+" 24h\n"+op.URL+" by-amr 24h require=amr:mfa\n"+op.URL+" by-acr 24h acr=high\n"+
		op.URL+" by-auth-time 24h max-auth-age=1h\n"+op.URL+" by-cnf 24h commitment=cnf\n", "alice alice@example.com "+op.URL+"\n")
	now := time.Now().Unix()
	by := func(name string, value any) func(*forgery) {
		client := map[string]string{"amr": "by-amr", "acr": "by-acr", "auth_time": "by-auth-time"}[name]
		return all(claim("aud", client), claim(name, value))
	}
	bound := func(change func(cnf, jwk object)) func(*forgery) {
		return all(claim("aud", "by-cnf"), header("typ", "dpop+id_token"), func(f *forgery) {
			f.place = "none"
			jwk := pktokentest.PublicJWK(f.t, f.user.Public())
			cnf := object{"jwk": jwk}
			change(cnf, jwk)
			f.claims["cnf"] = cnf
		})
	}
	rows := []row{
		{"amr as made", by("amr", []string{"pwd", "mfa"}), allowed},
		{"acr as made", by("acr", "high"), allowed},
		{"auth_time as made", by("auth_time", now), allowed},
		{"cnf as made", bound(func(_, _ object) {}), allowed},
		{"azp as made", audiences(id, id), allowed},
	}
	for name, text := range injections {
		rows = append(rows,
			row{name + " after azp", audiences(id+text, id), "authorized-party"},
			row{name + " before azp", audiences(text+id, id), "authorized-party"},
			row{name + " in azp beside one audience, where it does not count", claim("azp", text), allowed},
			row{name + " after amr", by("amr", []string{"mfa" + text}), "required-claim"},
			row{name + " before amr, which is no list", by("amr", text+"mfa"), "required-claim"},
			row{name + " beside amr", by("amr", []string{text, "mfa"}), allowed},
			row{name + " as a member of amr", by("amr", object{"mfa": text, text: "mfa"}), "required-claim"},
			row{name + " after acr", by("acr", "high"+text), "required-claim"},
			row{name + " in auth_time", by("auth_time", fmt.Sprint(now)+text), "required-claim"},
			row{name + " in cnf", bound(func(cnf, _ object) { cnf["jwk"] = text }), "commitment"},
			row{name + " in the type of cnf's key", bound(func(_, jwk object) { jwk["kty"] = "EC" + text }), "commitment"},
			row{name + " in cnf's key", bound(func(_, jwk object) { jwk["x"] = jwk["x"].(string) + text }), "commitment"},
			row{name + " beside cnf's key", bound(func(cnf, jwk object) { cnf[text], jwk[text] = text, text }), allowed},
			row{name + " where none of them counts", func(f *forgery) {
				f.claims["amr"], f.claims["acr"], f.claims["auth_time"], f.claims["cnf"] = []string{text}, text, text, object{"jwk": text, "jkt": text}
			}, allowed},
		)
	}
	h.attacks(t, op.Issuer, rows)
}
