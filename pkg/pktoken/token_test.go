package pktoken_test

import (
	"context"
	"encoding/json"
	"reflect"
	"sync"
	"testing"

	"opkssh/pkg/pktoken"
)

func TestUnverifiedView(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	p.claimsJSON = func(b []byte) []byte { return append(b, ' ') }
	p.refreshed()
	compact := p.compact()
	token, err := pktoken.Parse(compact)
	if err != nil {
		t.Fatal(err)
	}
	if token.Compact() != compact {
		t.Error("the compact form changed")
	}
	if token.UnverifiedIssuer() != issuerURL || token.UnverifiedClaims()["sub"] != "user-1" {
		t.Errorf("claims: %v", token.UnverifiedClaims())
	}
	if payload := token.UnverifiedPayload(); payload[len(payload)-1] != ' ' {
		t.Error("the payload is not as the provider encoded it")
	}
	provider, client := token.UnverifiedHeaders()
	if provider["alg"] != "ES256" || client["typ"] != "CIC" {
		t.Errorf("headers: %v, %v", provider, client)
	}
	if token.UnverifiedRefreshedClaims()["sub"] != "user-1" {
		t.Error("no claims of the refreshed token")
	}
	f := splitColons(compact[:len(compact)-1-len(p.fresh.compact(t))])
	if jwt, ok := token.IDToken(); !ok || jwt[:len(f[1])] != f[1] {
		t.Errorf("ID token: %s", jwt)
	}
}

func TestUserKeyOfBadHeader(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	p.client["upk"].(object)["d"] = "AA"
	token, err := pktoken.Parse(p.compact())
	if err != nil {
		t.Fatal(err)
	}
	_, err = token.UserKey()
	wantReason(t, err, pktoken.ReasonClientHeader)
}

// TestZeroToken: a token that nobody parsed does not pass, and nothing panics.
func TestZeroToken(t *testing.T) {
	v := newParts(t, pktoken.CommitmentNonce).verifier()
	_, err := v.Verify(context.Background(), &pktoken.Token{})
	wantReason(t, err, pktoken.ReasonClientHeader)
}

func TestParseObject(t *testing.T) {
	got, err := pktoken.ParseObject([]byte(` {"s":"é\u00e9","n":1.50,"b":[true,false,null],"o":{"":{}},"e":[]} `))
	if err != nil {
		t.Fatal(err)
	}
	want := object{
		"s": "éé", "n": json.Number("1.50"), "b": []any{true, false, nil}, "o": object{"": object{}}, "e": []any{},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("expected %v, got %v", want, got)
	}
}

// TestConcurrentUse: one token, one verifier, many at once. The race detector looks on.
func TestConcurrentUse(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	token, v := mustParse(t, p.compact()), p.verifier()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := v.Verify(context.Background(), token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestVerifyUser looks at the user's half alone.
func TestVerifyUser(t *testing.T) {
	for _, r := range []row{
		{"as made", func(*parts) {}, accepted},
		{"false signature of the provider", func(p *parts) { p.opSig = flip }, accepted},
		{"false signature of the user", func(p *parts) { p.clientSig = flip }, pktoken.ReasonClientSignature},
		{"unusable key", setUPK("d", "AA"), pktoken.ReasonClientHeader},
		{"crit", setClient("crit", []string{"x"}), pktoken.ReasonCritical},
	} {
		t.Run(r.name, func(t *testing.T) {
			p := newParts(t, pktoken.CommitmentNonce)
			r.change(p)
			token := mustParse(t, p.compact())
			wantReason(t, token.VerifyUser(), r.want)
			if got := token.Commitment(); got != commitment(unb64(t, splitColons(token.Compact())[3])) {
				t.Errorf("commitment: got %s", got)
			}
		})
	}
}
