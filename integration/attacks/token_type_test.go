package attacks_test

import (
	"strings"
	"testing"

	"opkssh/pkg/pktoken/pktokentest"
)

// TestTokenType.
//
// Power: gets the provider to sign tokens of other kinds, and puts tokens together in any number.
// Move: lets an access token, a client's token or a cosigner's stand for an ID token.
// Expected: token-type; token-malformed for numbers of tokens that the format does not have.
func TestTokenType(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	typ := func(v any) func(*forgery) { return header("typ", v) }
	client := func(v any) func(*forgery) { return func(f *forgery) { f.client["typ"] = v } }
	add := func(times int, typ string) func(*forgery) {
		return func(f *forgery) {
			f.text = func(s string) string { return s + strings.Repeat(":"+b64([]byte(`{"typ":"`+typ+`"}`))+":AA", times) }
		}
	}
	again := func(first, second int) func(*forgery) {
		return func(f *forgery) {
			f.text = func(s string) string { p := fieldsOf(s); return s + ":" + p[first] + ":" + p[second] }
		}
	}
	// What the kernel takes as one argument has room for this much in a certificate.
	const longest = 90_000
	h.attacks(t, op.Issuer, []row{
		{"as made", asMade, allowed},
		{"without typ", typ(nil), allowed},
		{"jwt", typ("jwt"), allowed},
		{"with a cosigner", add(1, "COS"), allowed},
		{"access token", typ("at+jwt"), "token-type"},
		{"access token in capitals", typ("AT+JWT"), "token-type"},
		{"access token by its long name", typ("application/at+jwt"), "token-type"},
		{"logout token", typ("logout+jwt"), "token-type"},
		{"key-bound ID token", typ("dpop+id_token"), "token-type"},
		{"DPoP proof", typ("dpop+jwt"), "token-type"},
		{"CIC as OP token", typ("CIC"), "token-type"},
		{"COS as OP token", typ("COS"), "token-type"},
		{"empty typ", typ(""), "token-type"},
		{"null typ", typ(raw("null")), "token-type"},
		{"typ an array", typ([]string{"JWT"}), "token-type"},
		{"JWT and NUL", typ("JWT\x00"), "token-type"},
		{"client's typ JWT", client("JWT"), "token-type"},
		{"client's typ cic", client("cic"), "token-type"},
		{"client's typ missing", client(nil), "token-type"},
		{"client's typ COS", client("COS"), "token-type"},
		{"two OP tokens", again(1, 2), "token-type"},
		{"two CIC tokens", again(3, 4), "token-type"},
		{"OP token in both places", func(f *forgery) { f.fields = func(p []string) { p[3], p[4] = p[1], p[2] } }, "token-type"},
		{"CIC token in both places", func(f *forgery) { f.fields = func(p []string) { p[1], p[2] = p[3], p[4] } }, "token-type"},
		{"two cosigners", add(2, "COS"), "token-malformed"},
		{"500 cosigners", add(500, "COS"), "token-malformed"},
		{"itself again, as often as a certificate has room", func(f *forgery) {
			f.text = func(s string) string { return strings.Repeat(s+":", longest/len(s)-1) + s }
		}, "token-malformed"},
		{"90 000 colons", func(f *forgery) { f.text = func(s string) string { return s + strings.Repeat(":", 90_000) } }, "token-malformed"},
		{"90 000 dots", func(f *forgery) { f.text = func(s string) string { return s + strings.Repeat(".", 90_000) } }, "token-malformed"},
		{"no client's token", func(f *forgery) { f.text = func(s string) string { return strings.Join(fieldsOf(s)[:3], ":") } }, "token-malformed"},
		{"the ID token alone", func(f *forgery) {
			f.text = func(s string) string { p := fieldsOf(s); return p[1] + "." + p[0] + "." + p[2] }
		}, "token-malformed"},
		{"JSON serialization", func(f *forgery) {
			f.text = func(s string) string {
				p := fieldsOf(s)
				return `{"payload":"` + p[0] + `","signatures":[{"protected":"` + p[1] + `","signature":"` + p[2] + `"}]}`
			}
		}, "token-malformed"},
		{"padding", func(f *forgery) { f.fields = func(p []string) { p[2] += "==" } }, "token-malformed"},
		{"white space", func(f *forgery) { f.text = func(s string) string { return s + "\n" } }, "token-malformed"},
	})
	t.Run("500 copies", func(t *testing.T) {
		// Of the provider's token, with a signature that is short enough for so many of them.
		p := startHostile(t, false)
		p.Issuer = pktokentest.NewIssuer(t, p.URL, "ES256")
		p.jwks = pktokentest.JWKS(t, p.JWK(t))
		h := p.host(t)
		f := forge(t, p.Issuer)
		h.attack(t, f.offer(), allowed)
		f.text = func(s string) string {
			own := fieldsOf(s)
			s += strings.Repeat(":"+own[1]+":"+own[2], 500)
			if len(s) > longest {
				t.Fatalf("expected at most %d bytes, got %d", longest, len(s))
			}
			return s
		}
		h.attack(t, f.offer(), "token-malformed")
	})
}
