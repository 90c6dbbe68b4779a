package pktoken_test

import (
	"testing"
	"time"

	"opkssh/pkg/pktoken"
)

func require(pairs ...string) func(*parts) {
	return func(p *parts) {
		for i := 0; i < len(pairs); i += 2 {
			p.row.Require = append(p.row.Require, pktoken.ClaimRequirement{Name: pairs[i], Value: pairs[i+1]})
		}
	}
}

func TestRequiredClaims(t *testing.T) {
	refused := pktoken.ReasonRequiredClaim
	acr := func(p *parts) { p.row.ACR = "urn:gold" }
	maxAge := func(d time.Duration) func(*parts) { return func(p *parts) { p.row.MaxAuthAge = d } }
	runRows(t, pktoken.CommitmentNonce, []row{
		{"one", and(require("hd", "example.com"), claim("hd", "example.com")), accepted},
		{"in an array", and(require("groups", "ops"), claim("groups", []string{"dev", "ops"})), accepted},
		{"boolean", and(require("email_verified", "true"), claim("email_verified", true)), accepted},
		{"two, both there", and(require("hd", "example.com", "a", "1"), claim("hd", "example.com"), claim("a", 1)), accepted},
		{"two, the second missing", and(require("hd", "example.com", "a", "1"), claim("hd", "example.com")), refused},
		{"two, the first missing", and(require("hd", "example.com", "a", "1"), claim("a", 1)), refused},
		{"missing", require("hd", "example.com"), refused},
		{"missing, and the value is empty", require("hd", ""), refused},
		{"another value", and(require("hd", "example.com"), claim("hd", "evil.example.com")), refused},
		{"false", and(require("email_verified", "true"), claim("email_verified", false)), refused},
		{"null", and(require("hd", "null"), claim("hd", raw("null"))), refused},
		{"name in other case", and(require("hd", "example.com"), claim("HD", "example.com")), refused},
		{"value in other case", and(require("hd", "example.com"), claim("hd", "Example.com")), refused},
		{"in the refreshed token alone", and(require("hd", "example.com"), fresh("hd", "example.com")), refused},

		{"acr", and(acr, claim("acr", "urn:gold")), accepted},
		{"acr missing", acr, refused},
		{"another acr", and(acr, claim("acr", "urn:silver")), refused},
		{"acr in an array", and(acr, claim("acr", []string{"urn:gold"})), refused},
		{"acr not asked for", claim("acr", 1), accepted},

		{"authenticated long ago", and(maxAge(time.Hour), claim("auth_time", now-3600), at(1)), refused},
		{"authenticated an hour ago", and(maxAge(time.Hour), claim("auth_time", now-3600), at(0)), accepted},
		{"authenticated in a minute", and(maxAge(time.Hour), claim("auth_time", now+60), at(0)), accepted},
		{"authenticated in the future", and(maxAge(time.Hour), claim("auth_time", now+61), at(0)), refused},
		{"auth_time missing", maxAge(time.Hour), refused},
		{"auth_time a string", and(maxAge(time.Hour), claim("auth_time", "1800000000")), refused},
		{"auth_time half a second", and(maxAge(time.Hour), claim("auth_time", raw("1800000000.5"))), refused},
		{"auth_time not asked for", claim("auth_time", "x"), accepted},
		{"age below zero", and(maxAge(-time.Hour), claim("auth_time", now)), refused},
	})
}
