package pktoken_test

import (
	"context"
	"errors"
	"testing"

	"opkssh/pkg/pktoken"
)

// countingKeys counts what it is asked for.
type countingKeys struct {
	keys  pktoken.KeySet
	asked []string
}

func (c *countingKeys) Keys(ctx context.Context, issuer string, usable func(*pktoken.JWKS) bool) (*pktoken.JWKS, error) {
	c.asked = append(c.asked, issuer)
	return c.keys.Keys(ctx, issuer, usable)
}

func iss(value any) func(*parts) { return func(p *parts) { p.claims["iss"] = value } }

// TestIssuer: what is refused here is refused before anybody is asked for keys.
func TestIssuer(t *testing.T) {
	unknown := pktoken.ReasonUnknownIssuer
	for _, r := range []row{
		{"another", iss("https://evil.example.com"), unknown},
		{"slash at the end", iss(issuerURL + "/"), unknown},
		{"upper case host", iss("https://OP.example.com"), unknown},
		{"upper case scheme", iss("HTTPS://op.example.com"), unknown},
		{"http", iss("http://op.example.com"), unknown},
		{"port", iss("https://op.example.com:443"), unknown},
		{"without scheme", iss("op.example.com"), unknown},
		{"prefix", iss("https://op.example.co"), unknown},
		{"longer", iss(issuerURL + ".evil.example.com"), unknown},
		{"space", iss(issuerURL + " "), unknown},
		{"NUL", iss(issuerURL + "\x00"), unknown},
		{"empty", iss(""), unknown},
		{"slash in the row", func(p *parts) { p.row.Issuer += "/" }, unknown},
		{"no rows", func(p *parts) { p.row = pktoken.Provider{} }, unknown},
		{"another, and aud is odd", func(p *parts) { p.claims["iss"], p.claims["aud"] = "https://evil.example.com", 1 }, unknown},
		{"missing", iss(nil), unknown},
		{"null", iss(raw("null")), unknown},
		{"array", iss([]string{issuerURL}), unknown},
		{"number", iss(1), unknown},
		{"known, other audience", func(p *parts) { p.claims["aud"] = "other" }, pktoken.ReasonAudience},
		{"known, client's signature false", func(p *parts) { p.clientSig = flip }, pktoken.ReasonClientSignature},
		{"known, algorithm not allowed", func(p *parts) { p.header["alg"] = "HS256" }, pktoken.ReasonAlgorithm},
		{"known, typ not allowed", headerTyp("at+jwt"), pktoken.ReasonTokenType},
		{"known, crit", func(p *parts) { p.header["crit"] = []string{"b64"} }, pktoken.ReasonCritical},
	} {
		t.Run(r.name, func(t *testing.T) {
			p := newParts(t, pktoken.CommitmentNonce)
			keys := &countingKeys{keys: p.verifier().Keys}
			p.keySet = keys
			r.change(p)
			_, err := p.verify()
			wantReason(t, err, r.want)
			if len(keys.asked) > 0 {
				t.Errorf("keys were asked for: %q", keys.asked)
			}
		})
	}
}

// TestUnknownIssuerIsNamed: the refusal says which issuer it was.
func TestUnknownIssuerIsNamed(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	p.claims["iss"] = "https://other.example.com"
	_, err := p.verify()
	var r *pktoken.RejectError
	if !errors.As(err, &r) || r.Got != "https://other.example.com" {
		t.Errorf("expected the issuer, got %+v", r)
	}
}

func TestKeysOfTheIssuerAreAskedFor(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	keys := &countingKeys{keys: p.verifier().Keys}
	p.keySet = keys
	if _, err := p.verify(); err != nil {
		t.Fatal(err)
	}
	if len(keys.asked) != 1 || keys.asked[0] != issuerURL {
		t.Errorf("expected to be asked once for %q, got %q", issuerURL, keys.asked)
	}
}

func TestSeveralRows(t *testing.T) {
	other := func(change func(*pktoken.Provider)) func(*parts) {
		return func(p *parts) {
			second := p.row
			change(&second)
			p.more = []pktoken.Provider{second}
		}
	}
	firstOther := func(p *parts) {
		p.more = []pktoken.Provider{p.row}
		p.row.ClientID = "other-client"
	}
	old := pktoken.Expiry{Kind: pktoken.ExpiryMaxAge, MaxAge: 1}
	runRows(t, pktoken.CommitmentNonce, []row{
		{"second row has the audience", firstOther, accepted},
		{"first row has the audience", other(func(r *pktoken.Provider) { r.ClientID = "other" }), accepted},
		{"neither has it", and(other(func(r *pktoken.Provider) { r.ClientID = "other" }), func(p *parts) {
			p.claims["aud"] = "third"
		}), pktoken.ReasonAudience},
		{"the first refuses, the second accepts", and(other(func(*pktoken.Provider) {}), func(p *parts) {
			p.row.Expiry = old
		}), accepted},
		{"both refuse, the one that got furthest tells why", and(other(func(r *pktoken.Provider) { r.ACR = "gold" }), func(p *parts) {
			p.row.Expiry = old
		}), pktoken.ReasonRequiredClaim},
		{"both refuse, the other way round", and(other(func(r *pktoken.Provider) { r.Expiry = old }), func(p *parts) {
			p.row.ACR = "gold"
		}), pktoken.ReasonRequiredClaim},
		{"another issuer's row with the audience", func(p *parts) {
			p.more = []pktoken.Provider{{Issuer: "https://other.example.com", ClientID: clientID}}
			p.row.ClientID = "other"
		}, pktoken.ReasonAudience},
		{"a row without client ID takes no token", func(p *parts) { p.row.ClientID = "" }, pktoken.ReasonAudience},
		{"nor one with an empty audience", func(p *parts) { p.row.ClientID, p.claims["aud"] = "", "" }, pktoken.ReasonAudience},
	})
}

// TestRowThatAccepted: the result names its row.
func TestRowThatAccepted(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	second := p.row
	second.Origin = "providers:2"
	p.row.Origin, p.row.ACR = "providers:1", "gold"
	p.more = []pktoken.Provider{second}
	v, err := p.verify()
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Provider().Origin; got != "providers:2" {
		t.Errorf("expected the second row, got %q", got)
	}
}

// TestLoginTokenAndJobRow: a row that fits any audience is not tried when another names the token's.
func TestLoginTokenAndJobRow(t *testing.T) {
	jobs := []pktoken.Provider{
		{Issuer: issuerURL, ClientID: "ignored", Commitment: pktoken.CommitmentAudience},
		{Issuer: issuerURL, ClientID: "OPENPUBKEY-PKTOKEN:x", Commitment: pktoken.CommitmentAudience},
		{Issuer: issuerURL, ClientID: "plain", Commitment: pktoken.CommitmentGQ},
	}
	p := newParts(t, pktoken.CommitmentNonce)
	p.more = jobs
	if _, err := p.verify(); err != nil {
		t.Errorf("login token: %v", err)
	}

	// The login row refuses; had a job's row been tried, it would have been reached further.
	p = newParts(t, pktoken.CommitmentNonce)
	p.gq()
	p.claims["nonce"] = "not the commitment"
	p.more = jobs
	p.row.ClientID, p.claims["aud"] = "OPENPUBKEY-PKTOKEN:x", "OPENPUBKEY-PKTOKEN:x"
	keys := &countingKeys{keys: p.verifier().Keys}
	p.keySet = keys
	_, err := p.verify()
	wantReason(t, err, pktoken.ReasonCommitment)
	if len(keys.asked) != 1 {
		t.Errorf("expected one row to be tried, got %d", len(keys.asked))
	}

	// And a job's token finds its row beside a login row.
	p = newParts(t, pktoken.CommitmentAudience)
	p.more = []pktoken.Provider{{Issuer: issuerURL, ClientID: clientID}}
	if _, err := p.verify(); err != nil {
		t.Errorf("job's token: %v", err)
	}
}
