package attacks_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// TestRefreshed.
//
// Power: has a PK token whose ID token has expired, an own or a stolen one with its key, and ID tokens of later logins of the same
// person, of others, of other clients, and forged ones.
// Move: puts one of them in the place of the refreshed ID token.
// Expected: refreshed-token, whether the row would have needed it or not; token-malformed and token-type for what is no ID token.
func TestRefreshed(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	h := newHost(t, op.URL+" "+pktokentest.ClientID+" oidc_refreshed\n", "alice alice@example.com "+op.URL+"\n")
	unneeded := newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n", "alice alice@example.com "+op.URL+"\n")
	now := time.Now().Unix()
	fresh := func(claims object) func(*forgery) {
		return func(f *forgery) {
			f.text = func(s string) string {
				all := object{"sub": "user-1", "iat": now, "exp": now + 3600}
				maps.Copy(all, claims)
				return s + "." + f.op.IDToken(f.t, all)
			}
		}
	}
	text := func(change func(f *forgery, jwt string) string) func(*forgery) {
		return func(f *forgery) {
			f.text = func(s string) string { return s + "." + change(f, f.op.IDToken(f.t, nil)) }
		}
	}
	signed := func(header object) func(*forgery) {
		return text(func(f *forgery, jwt string) string {
			all := f.op.Header()
			maps.Copy(all, header)
			return f.op.Sign(f.t, all, unb64(f.t, strings.Split(jwt, ".")[1]))
		})
	}
	for _, r := range []row{
		{"as made", fresh(nil), allowed},
		{"none", asMade, "expired"},
		{"expired", fresh(object{"exp": now - 60}), "expired"},
		{"unsigned", text(func(_ *forgery, jwt string) string { return jwt[:strings.LastIndex(jwt, ".")+1] }), "refreshed-token"},
		{"unsigned and said so", text(func(_ *forgery, jwt string) string {
			return b64([]byte(`{"alg":"none"}`)) + "." + strings.Split(jwt, ".")[1] + "."
		}), "refreshed-token"},
		{"changed", text(func(f *forgery, jwt string) string {
			p := strings.Split(jwt, ".")
			return p[0] + "." + b64(replace("user-1", "user-2")(unb64(f.t, p[1]))) + "." + p[2]
		}), "refreshed-token"},
		{"a later login's", text(func(f *forgery, _ string) string {
			jwt, _ := op.Login(f.t, object{"sub": "user-1", "email": "alice@example.com", "iat": now, "exp": now + 3600}).Token.IDToken()
			return jwt
		}), "refreshed-token"},
		{"other nonce", fresh(object{"nonce": "x"}), "refreshed-token"},
		{"other subject", fresh(object{"sub": "user-2"}), "refreshed-token"},
		{"no subject", fresh(object{"sub": nil}), "refreshed-token"},
		{"other issuer", fresh(object{"iss": "https://op.example.com"}), "refreshed-token"},
		{"other audience", fresh(object{"aud": "other"}), "refreshed-token"},
		{"foreign azp", fresh(object{"aud": []string{pktokentest.ClientID}, "azp": "other"}), "refreshed-token"},
		{"older", fresh(object{"iat": now - 10_000}), "refreshed-token"},
		{"from the future", fresh(object{"iat": now + 600}), "refreshed-token"},
		{"without exp", fresh(object{"exp": nil}), "refreshed-token"},
		{"exp a string", fresh(object{"exp": "9999999999"}), "refreshed-token"},
		{"other key", text(func(f *forgery, _ string) string {
			return pktokentest.NewIssuer(f.t, f.op.URL, "ES256").IDToken(f.t, object{"sub": "user-1"})
		}), "refreshed-token"},
		{"the attacker's RSA key", text(func(f *forgery, jwt string) string {
			signed := jwt[:strings.LastIndex(jwt, ".")]
			return signed + "." + b64(pktokentest.Signature(f.t, strangerKey(), "RS256", []byte(signed)))
		}), "refreshed-token"},
		{"HS256", text(func(_ *forgery, jwt string) string {
			return b64([]byte(`{"alg":"HS256","kid":"key-1"}`)) + jwt[strings.Index(jwt, "."):]
		}), "refreshed-token"},
		{"crit", signed(object{"crit": []string{"x"}}), "refreshed-token"},
		{"access token", signed(object{"typ": "at+jwt"}), "refreshed-token"},
		{"logout token", signed(object{"typ": "logout+jwt"}), "token-type"},
		{"CIC", signed(object{"typ": "CIC"}), "token-type"},
		{"duplicate member", text(func(f *forgery, jwt string) string {
			return f.op.Sign(f.t, f.op.Header(), replace("{", `{"sub":"user-1",`)(unb64(f.t, strings.Split(jwt, ".")[1])))
		}), "token-malformed"},
		{"two", text(func(_ *forgery, jwt string) string { return jwt + "." + jwt }), "token-malformed"},
		{"empty", text(func(*forgery, string) string { return "" }), "token-malformed"},
		{"five parts, as if encrypted", text(func(_ *forgery, jwt string) string { return jwt + ".AA.AA" }), "token-malformed"},
	} {
		t.Run(r.name, func(t *testing.T) {
			f := forge(t, op.Issuer)
			f.claims["iat"], f.claims["exp"] = now-4000, now-400
			r.change(f)
			o := f.offer()
			h.attack(t, o, r.want)
			want := r.want
			if want == "expired" {
				want = allowed
			}
			unneeded.attack(t, o, want)
		})
	}
}
