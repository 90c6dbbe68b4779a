package pktoken_test

import (
	"errors"
	"testing"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

// fresh adds a refreshed token and changes one claim of it.
func fresh(name string, value any) func(*parts) {
	return func(p *parts) { p.refreshed().claims[name] = value }
}

func freshHeader(name string, value any) func(*parts) {
	return func(p *parts) { p.refreshed().header[name] = value }
}

var badRefreshed = []row{
	{"no signature", func(p *parts) { p.refreshed().sig = func([]byte) []byte { return nil } }, pktoken.ReasonRefreshed},
	{"flipped signature", func(p *parts) { p.refreshed().sig = flip }, pktoken.ReasonRefreshed},
	{"another key", func(p *parts) { p.refreshed().op = pktokentest.NewIssuer(p.t, issuerURL, "ES256") }, pktoken.ReasonRefreshed},
	{"the user's key", func(p *parts) {
		f := p.refreshed()
		f.text = func(b []byte) []byte {
			signed := string(b[:lastDot(b)])
			return []byte(signed + "." + b64(signAs(p.t, p.user, "", signed)))
		}
	}, pktoken.ReasonRefreshed},
	{"alg none", freshHeader("alg", "none"), pktoken.ReasonRefreshed},
	{"alg HS256", freshHeader("alg", "HS256"), pktoken.ReasonRefreshed},
	{"alg missing", freshHeader("alg", nil), pktoken.ReasonRefreshed},
	{"crit", freshHeader("crit", []string{"x"}), pktoken.ReasonRefreshed},
	{"unknown kid", freshHeader("kid", "key-2"), pktoken.ReasonRefreshed},
	{"another issuer", fresh("iss", "https://other.example.com"), pktoken.ReasonRefreshed},
	{"issuer with a slash", fresh("iss", issuerURL+"/"), pktoken.ReasonRefreshed},
	{"no issuer", fresh("iss", nil), pktoken.ReasonRefreshed},
	{"issuer in an array", fresh("iss", []string{issuerURL}), pktoken.ReasonRefreshed},
	{"another subject", fresh("sub", "user-2"), pktoken.ReasonRefreshed},
	{"subject in other case", fresh("sub", "User-1"), pktoken.ReasonRefreshed},
	{"no subject", fresh("sub", nil), pktoken.ReasonRefreshed},
	{"subject null", fresh("sub", raw("null")), pktoken.ReasonRefreshed},
	{"subject a number", fresh("sub", 1), pktoken.ReasonRefreshed},
	{"another nonce", fresh("nonce", "x"), pktoken.ReasonRefreshed},
	{"no text as nonce", fresh("nonce", 1), pktoken.ReasonRefreshed},
	{"nonce null", fresh("nonce", raw("null")), pktoken.ReasonRefreshed},
	{"another audience", fresh("aud", "other"), pktoken.ReasonRefreshed},
	{"no audience", fresh("aud", nil), pktoken.ReasonRefreshed},
	{"audience a number", fresh("aud", 1), pktoken.ReasonRefreshed},
	{"audience without ours", fresh("aud", []string{"a", "b"}), pktoken.ReasonRefreshed},
	{"azp of another", func(p *parts) {
		c := p.refreshed().claims
		c["aud"], c["azp"] = []string{clientID}, "other"
	}, pktoken.ReasonRefreshed},
	{"iat a second older", fresh("iat", now-1), pktoken.ReasonRefreshed},
	{"iat missing", fresh("iat", nil), pktoken.ReasonRefreshed},
	{"iat a string", fresh("iat", "1800000001"), pktoken.ReasonRefreshed},
	{"iat in the future", fresh("iat", now+66), pktoken.ReasonRefreshed},
	{"nbf in the future", fresh("nbf", now+66), pktoken.ReasonRefreshed},
	{"nbf a string", fresh("nbf", "x"), pktoken.ReasonRefreshed},
	{"exp missing", fresh("exp", nil), pktoken.ReasonRefreshed},
	{"exp a string", fresh("exp", "x"), pktoken.ReasonRefreshed},
	{"exp half a second", fresh("exp", raw("1800000000.5")), pktoken.ReasonRefreshed},
	{"key-bound", freshTyp("dpop+id_token"), pktoken.ReasonRefreshed},
	{"access token", freshTyp("at+jwt"), pktoken.ReasonRefreshed},
	{"the CIC token's header", func(p *parts) { p.refreshed().header = p.client }, pktoken.ReasonTokenType},
}

func lastDot(b []byte) int {
	for i := len(b) - 1; ; i-- {
		if b[i] == '.' {
			return i
		}
	}
}

// TestRefreshed: a refreshed token that does not pass refuses the whole, even where nobody would have looked at it.
func TestRefreshed(t *testing.T) {
	for _, policy := range []struct {
		name string
		set  func(*parts)
	}{
		{"zero", func(*parts) {}},
		{"oidc_refreshed", expiry(pktoken.ExpiryOIDCRefreshed, 0)},
		{"never", expiry(pktoken.ExpiryNever, 0)},
	} {
		t.Run(policy.name, func(t *testing.T) {
			var rows []row
			for _, r := range badRefreshed {
				rows = append(rows, row{r.name, and(policy.set, r.change), r.want})
			}
			runRows(t, pktoken.CommitmentNonce, append(rows, []row{
				{"valid", and(policy.set, func(p *parts) { p.refreshed() }), accepted},
				{"same iat", and(policy.set, fresh("iat", now)), accepted},
				{"audience in an array", and(policy.set, fresh("aud", []string{clientID})), accepted},
				{"other claims", and(policy.set, fresh("email", "alice@example.com")), accepted},
				{"no nonce", and(policy.set, fresh("nonce", nil)), accepted},
				{"iat 60 s in the future", and(policy.set, fresh("iat", now+65)), accepted},
				{"by another key of the provider", and(policy.set, func(p *parts) {
					other := pktokentest.NewIssuer(p.t, issuerURL, "EdDSA")
					other.Kid = "key-2"
					f := p.refreshed()
					f.op, f.header = other, other.Header()
					p.keys = append(p.keys, other.JWK(p.t))
				}), accepted},
			}...))
		})
	}
	runRows(t, pktoken.CommitmentNonce, []row{
		{"expired, and not needed", and(fresh("exp", now+2), at(5)), accepted},
		{"neither token has a subject", func(p *parts) { p.claims["sub"] = nil; p.refreshed() }, pktoken.ReasonRefreshed},
		{"no subject and an empty one", func(p *parts) { p.claims["sub"] = nil; fresh("sub", "")(p) }, pktoken.ReasonRefreshed},
		{"a number and an empty subject", func(p *parts) { p.claims["sub"] = 1; fresh("sub", "")(p) }, pktoken.ReasonRefreshed},
		{"subjects are equal and no strings", func(p *parts) { p.claims["sub"] = 1; p.refreshed() }, pktoken.ReasonRefreshed},
		{"the original expired, refresh is bad", and(fresh("sub", "user-2"), at(3600)), pktoken.ReasonExpired},
		{"the original expired, refresh is bad, oidc_refreshed", and(expiry(pktoken.ExpiryOIDCRefreshed, 0), fresh("sub", "user-2"), at(3600)), pktoken.ReasonRefreshed},
		{"proof beside a signed refreshed token", func(p *parts) { p.gq(); p.refreshed() }, accepted},
	})
}

// TestRefreshedClaims: what counts are the original's claims.
func TestRefreshedClaims(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	p.claims["email"] = "alice@example.com"
	p.refreshed().claims["email"] = "mallory@example.com"
	v, err := p.verify()
	if err != nil {
		t.Fatal(err)
	}
	if v.Email() != "alice@example.com" {
		t.Errorf("email: got %q", v.Email())
	}
	if got := v.Token().UnverifiedRefreshedClaims()["email"]; got != "mallory@example.com" {
		t.Errorf("the refreshed token's email: got %q", got)
	}
}

// freshProof makes the refreshed token a proof, as rows for CI jobs want it.
func freshProof(change func(*parts)) func(*parts) {
	return func(p *parts) {
		f := p.refreshed()
		change(p)
		f.text = func(b []byte) []byte {
			fields := splitDots(string(b))
			header64, proof := prove(p.t, p.op, object{"alg": "GQ256", "typ": "JWT"}, fields[0], fields[1], unb64(p.t, fields[2]))
			return []byte(header64 + "." + fields[1] + "." + b64(proof))
		}
	}
}

func TestRefreshedOfJobs(t *testing.T) {
	refused := pktoken.ReasonRefreshed
	t.Run("aud", func(t *testing.T) {
		runRows(t, pktoken.CommitmentAudience, []row{
			{"proof", freshProof(func(*parts) {}), accepted},
			{"signed", func(p *parts) { p.refreshed() }, refused},
			{"another commitment", freshProof(func(p *parts) { p.fresh.claims["aud"] = commitment([]byte("{}")) }), refused},
			{"array", freshProof(func(p *parts) { p.fresh.claims["aud"] = []string{"x"} }), refused},
			{"an access token beneath the proof", freshProof(func(p *parts) { p.fresh.header["typ"] = "at+jwt" }), refused},
			{"a key-bound token beneath the proof", freshProof(func(p *parts) { p.fresh.header["typ"] = "dpop+id_token" }), refused},
		})
	})
	t.Run("gq", func(t *testing.T) {
		runRows(t, pktoken.CommitmentGQ, []row{
			{"proof", freshProof(func(*parts) {}), accepted},
			{"signed", func(p *parts) { p.refreshed() }, refused},
			{"another audience", freshProof(func(p *parts) { p.fresh.claims["aud"] = "OPENPUBKEY-PKTOKEN:other" }), refused},
		})
	})
	t.Run("cnf", func(t *testing.T) {
		runRows(t, pktoken.CommitmentKeyBinding, []row{
			{"signed", func(p *parts) { p.refreshed() }, accepted},
			{"proof", func(p *parts) {
				p.signWith("RS256")
				p.header["typ"] = "dpop+id_token"
				freshProof(func(*parts) {})(p)
			}, refused},
		})
	})
}

// TestRefreshedKeysUnavailable: that the provider cannot be asked is not the refreshed token's fault.
func TestRefreshedKeysUnavailable(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	p.refreshed()
	keys, calls := p.verifier().Keys, 0
	down := errors.New("provider is down")
	p.keySet = keysFunc(func(usable func(*pktoken.JWKS) bool) (*pktoken.JWKS, error) {
		if calls++; calls > 1 {
			return nil, down
		}
		return keys.Keys(t.Context(), issuerURL, usable)
	})
	_, err := p.verify()
	wantReason(t, err, pktoken.ReasonKeysUnavailable)
	if !errors.Is(err, down) {
		t.Errorf("expected the cause, got %v", err)
	}
}
