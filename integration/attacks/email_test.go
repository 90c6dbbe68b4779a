package attacks_test

import (
	"testing"
)

// TestEmailLookAlikes.
//
// Power: owns addresses at the same provider that look or fold like somebody else's.
// Move: logs in with one.
// Expected: no-rule; only the 26 letters of ASCII have a case.
func TestEmailLookAlikes(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	h.write(t, "auth_id", "alice kass.fink@example.com "+op.URL+"\nbob oidc-match-end:email:@desk.example.com "+op.URL+"\n")
	email := func(v any) func(*forgery) { return claim("email", v) }
	suffix := func(v string) func(*forgery) { return all(email(v), func(f *forgery) { f.login = "bob" }) }
	h.attacks(t, op.Issuer, []row{
		{"as made", email("kass.fink@example.com"), allowed},
		{"in capitals", email("KASS.FINK@EXAMPLE.COM"), allowed},
		{"long s, U+017F", email("ka\u017fs.fink@example.com"), "no-rule"},
		{"Kelvin sign, U+212A", email("\u212aass.fink@example.com"), "no-rule"},
		{"dotless i", email("kass.f\u0131nk@example.com"), "no-rule"},
		{"I with a dot", email("kass.f\u0130nk@example.com"), "no-rule"},
		{"ligature fi", email("kass.\ufb01nk@example.com"), "no-rule"},
		{"sharp s", email("ka\u00df.fink@example.com"), "no-rule"},
		{"Cyrillic а", email("k\u0430ss.fink@example.com"), "no-rule"},
		{"fullwidth", email("\uff4bass.fink@example.com"), "no-rule"},
		{"fullwidth at", email("kass.fink\uff20example.com"), "no-rule"},
		{"ideographic dot", email("kass.fink@example\u3002com"), "no-rule"},
		{"combining mark", email("ka\u0301ss.fink@example.com"), "no-rule"},
		{"zero width joiner", email("kass\u200d.fink@example.com"), "no-rule"},
		{"soft hyphen", email("kass\u00ad.fink@example.com"), "no-rule"},
		{"byte order mark", email("\ufeffkass.fink@example.com"), "no-rule"},
		{"right to left", email("\u202ekass.fink@example.com"), "no-rule"},
		{"dot less", email("kassfink@example.com"), "no-rule"},
		{"plus", email("kass.fink+x@example.com"), "no-rule"},
		{"dot after", email("kass.fink@example.com."), "no-rule"},
		{"blank before", email(" kass.fink@example.com"), "no-rule"},
		{"blank after", email("kass.fink@example.com "), "no-rule"},
		{"NUL after", email("kass.fink@example.com\x00"), "no-rule"},
		{"line after", email("kass.fink@example.com\nx"), "no-rule"},
		{"name before", email("Kass <kass.fink@example.com>"), "no-rule"},
		{"two", email("mallory@example.com,kass.fink@example.com"), "no-rule"},
		{"in sub", all(email(nil), claim("sub", "kass.fink@example.com"), func(f *forgery) { f.keyID = new(string) }), "no-rule"},
		{"in preferred_username", all(email(nil), claim("preferred_username", "kass.fink@example.com")), "no-rule"},

		{"suffix as made", suffix("anybody@Desk.Example.com"), allowed},
		{"suffix, longer", suffix("mallory@desk.example.com.evil.example"), "no-rule"},
		{"suffix, subdomain", suffix("mallory@evil.desk.example.com"), "no-rule"},
		{"suffix, without the sign", suffix("mallory@evildesk.example.com"), "no-rule"},
		{"suffix, long s", suffix("mallory@de\u017fk.example.com"), "no-rule"},
		{"suffix, Kelvin sign", suffix("mallory@des\u212a.example.com"), "no-rule"},
		{"suffix, dot after", suffix("mallory@desk.example.com."), "no-rule"},
		{"suffix, line after", suffix("mallory@desk.example.com\n"), "no-rule"},
		{"suffix, in a line before", suffix("a@desk.example.com\nmallory@evil.example"), "no-rule"},
	})

	t.Run("deny list", func(t *testing.T) {
		// The other way round: case must not get anybody past a deny list.
		h, op := newIssuerHost(t)
		h.write(t, "config.yml", logToStderr+"deny_emails: [ALICE@example.COM]\n")
		h.attacks(t, op.Issuer, []row{{"as made", asMade, "denied-email"}, {"in capitals", email("Alice@Example.com"), "denied-email"}})
	})
}
