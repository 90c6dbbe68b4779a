package pktoken_test

import (
	"strings"
	"testing"
	"time"

	"opkssh/pkg/pktoken"
)

func claim(name string, value any) func(*parts) { return func(p *parts) { p.claims[name] = value } }

// at sets the clock, in seconds after `iat`.
func at(seconds time.Duration) func(*parts) {
	return func(p *parts) { p.now = time.Unix(now, 0).Add(seconds * time.Second) }
}

// atFraction sets the clock between two seconds.
func atFraction(d time.Duration) func(*parts) {
	return func(p *parts) { p.now = time.Unix(now, 0).Add(d) }
}

func expiry(kind pktoken.ExpiryKind, maxAge time.Duration) func(*parts) {
	return func(p *parts) { p.row.Expiry = pktoken.Expiry{Kind: kind, MaxAge: maxAge} }
}

// TestTimeClaims puts the same values into iat and exp, which are required.
func TestTimeClaims(t *testing.T) {
	for _, name := range []string{"iat", "exp"} {
		t.Run(name, func(t *testing.T) {
			bad := pktoken.ReasonTime
			runRows(t, pktoken.CommitmentNonce, []row{
				{"missing", claim(name, nil), bad},
				{"null", claim(name, raw("null")), bad},
				{"string", claim(name, "1800000000"), bad},
				{"boolean", claim(name, true), bad},
				{"array", claim(name, []int64{now}), bad},
				{"half a second", claim(name, raw("1800000000.5")), bad},
				{"hardly more than a second", claim(name, raw("1800000000.000000000000001")), bad},
				{"negative", claim(name, -1), bad},
				{"negative exponent", claim(name, raw("18e-1")), bad},
				{"2^53", claim(name, raw("9007199254740992")), bad},
				{"negative with a fraction", claim(name, raw("-1.0")), bad},
				{"2^53 with a fraction", claim(name, raw("9007199254740992.0")), bad},
				{"1e16", claim(name, raw("1e16")), bad},
				{"1e999999", claim(name, raw("1e999999")), bad},
				{"1e999999999", claim(name, raw("1e999999999")), bad},
				{"2^63", claim(name, raw("9223372036854775808")), bad},
				{"2^64 and some", claim(name, raw("18446744075509551616")), bad},
				{"1e20", claim(name, raw("1e20")), bad},
				{"1e65", claim(name, raw("1e65")), bad},
				{"1e400", claim(name, raw("1e400")), bad},
				{"1e-400", claim(name, raw("1e-400")), bad},
				{"an exponent without end", claim(name, raw("1e"+strings.Repeat("9", 5000))), bad},
				{"digits without end", claim(name, raw(strings.Repeat("9", 5000))), bad},
				{"zeros without end", claim(name, raw("1."+strings.Repeat("0", 5000))), bad},
			})
		})
	}
	never := expiry(pktoken.ExpiryNever, 0)
	runRows(t, pktoken.CommitmentNonce, []row{
		{"float of integral value", claim("iat", raw("1.8e9")), accepted},
		{"float with zeros", claim("iat", raw("1800000000.000")), accepted},
		{"exponent with plus", claim("exp", raw("1.9E+9")), accepted},
		{"iat 0", and(claim("iat", 0), never), accepted},
		{"exp 2^53-1", claim("exp", raw("9007199254740991")), accepted},
		{"exp missing, row for ever", and(claim("exp", nil), never), pktoken.ReasonTime},
		{"exp a string, row with a maximum age", and(claim("exp", "x"), expiry(pktoken.ExpiryMaxAge, time.Hour)), pktoken.ReasonTime},
		{"nbf absent", claim("nbf", nil), accepted},
		{"nbf now", claim("nbf", now), accepted},
		{"nbf null", claim("nbf", raw("null")), pktoken.ReasonTime},
		{"nbf a string", claim("nbf", "1"), pktoken.ReasonTime},
		{"nbf half a second", claim("nbf", raw("1.5")), pktoken.ReasonTime},
	})
}

func TestFuture(t *testing.T) {
	later := pktoken.ReasonNotYetValid
	never := expiry(pktoken.ExpiryNever, 0)
	runRows(t, pktoken.CommitmentNonce, []row{
		{"iat 60 s ahead", at(-60), accepted},
		{"iat 61 s ahead", at(-61), later},
		{"iat a little over 60 s ahead", atFraction(-60*time.Second - time.Nanosecond), later},
		{"iat 61 s ahead, row for ever", and(at(-61), never), later},
		{"nbf 60 s ahead", and(at(0), claim("nbf", now+60)), accepted},
		{"nbf 61 s ahead", and(at(0), claim("nbf", now+61)), later},
		{"nbf 61 s ahead, row for ever", and(at(0), claim("nbf", now+61), never), later},
		{"nbf after exp", and(at(0), claim("nbf", now+9000)), later},
	})
}

func TestExpiry(t *testing.T) {
	expired := pktoken.ReasonExpired
	fresh := func(exp int64) func(*parts) {
		return func(p *parts) { p.refreshed().claims["exp"] = exp }
	}
	oidc := expiry(pktoken.ExpiryOIDC, 0)
	oidcRefreshed := expiry(pktoken.ExpiryOIDCRefreshed, 0)
	hours12 := expiry(pktoken.ExpiryMaxAge, 12*time.Hour)
	never := expiry(pktoken.ExpiryNever, 0)
	const halfDay = 12 * 3600
	runRows(t, pktoken.CommitmentNonce, []row{
		{"zero, last second", at(3599), accepted},
		{"zero, at exp", at(3600), expired},
		{"oidc, last second", and(oidc, at(3599)), accepted},
		{"oidc, last nanosecond", and(oidc, atFraction(time.Hour-1)), accepted},
		{"oidc, at exp", and(oidc, at(3600)), expired},
		{"oidc, a maximum age says nothing", and(expiry(pktoken.ExpiryOIDC, 24*time.Hour), at(3600)), expired},
		{"oidc, a refreshed token does not lengthen", and(oidc, fresh(now+7200), at(3600)), expired},
		{"refreshed, none there, last second", and(oidcRefreshed, at(3599)), accepted},
		{"refreshed, none there, at exp", and(oidcRefreshed, at(3600)), expired},
		{"refreshed, at exp of the original", and(oidcRefreshed, fresh(now+7200), at(3600)), accepted},
		{"refreshed, last second", and(oidcRefreshed, fresh(now+7200), at(7199)), accepted},
		{"refreshed, at its exp", and(oidcRefreshed, fresh(now+7200), at(7200)), expired},
		{"refreshed with an earlier exp does not shorten", and(oidcRefreshed, fresh(now+600), at(3599)), accepted},
		{"refreshed with an earlier exp, at exp of the original", and(oidcRefreshed, fresh(now+600), at(3600)), expired},
		{"maximum age, last second", and(hours12, at(halfDay-1)), accepted},
		{"maximum age, at its end", and(hours12, at(halfDay)), expired},
		{"maximum age shorter than exp", and(expiry(pktoken.ExpiryMaxAge, time.Minute), at(60)), expired},
		{"maximum age counts from iat, not from a refresh", and(hours12, fresh(now+90000), at(halfDay)), expired},
		{"maximum age of zero", and(expiry(pktoken.ExpiryMaxAge, 0), at(0)), expired},
		{"maximum age below zero", and(expiry(pktoken.ExpiryMaxAge, -time.Hour), at(0)), expired},
		{"never, ten years on", and(never, at(10*365*86400)), accepted},
		{"unknown kind, last second", and(expiry(9, 0), at(3599)), accepted},
		{"unknown kind, at exp", and(expiry(9, 0), at(3600)), expired},
	})
}

func TestValidUntil(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*parts)
		until  int64 // 0: for ever
	}{
		{"zero", func(*parts) {}, now + 3600},
		{"oidc, refreshed token there", func(p *parts) { p.refreshed() }, now + 3600},
		{"oidc_refreshed", and(expiry(pktoken.ExpiryOIDCRefreshed, 0), func(p *parts) { p.refreshed() }), now + 7200},
		{"maximum age", expiry(pktoken.ExpiryMaxAge, time.Minute), now + 60},
		{"never", expiry(pktoken.ExpiryNever, 0), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newParts(t, pktoken.CommitmentNonce)
			c.change(p)
			v, err := p.verify()
			if err != nil {
				t.Fatal(err)
			}
			until, ends := v.ValidUntil()
			if ends != (c.until != 0) || ends && until.Unix() != c.until {
				t.Errorf("expected %d, got %v, %v", c.until, until, ends)
			}
			if got := v.ExpiresAt().Unix(); got != now+3600 {
				t.Errorf("exp: expected that of the original, got %d", got)
			}
		})
	}
}

// TestSystemClock: without Now the system's clock counts.
func TestSystemClock(t *testing.T) {
	for _, r := range []row{
		{"current", func(p *parts) { p.claims["iat"], p.claims["exp"] = time.Now().Unix(), time.Now().Unix()+3600 }, accepted},
		{"old", func(p *parts) { p.claims["iat"], p.claims["exp"] = 1, 2 }, pktoken.ReasonExpired},
	} {
		t.Run(r.name, func(t *testing.T) {
			p := newParts(t, pktoken.CommitmentNonce)
			r.change(p)
			token, err := pktoken.Parse(p.compact())
			if err != nil {
				t.Fatal(err)
			}
			v := p.verifier()
			v.Now = nil
			_, err = v.Verify(t.Context(), token)
			wantReason(t, err, r.want)
		})
	}
}
