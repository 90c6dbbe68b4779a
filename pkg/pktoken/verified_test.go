package pktoken_test

import (
	"crypto/ecdsa"
	"maps"
	"testing"

	"opkssh/pkg/pktoken"
)

// verified is what a token with these claims proves.
func verified(t testing.TB, claims object) *pktoken.Verified {
	t.Helper()
	p := newParts(t, pktoken.CommitmentNonce)
	maps.Copy(p.claims, claims)
	v, err := p.verify()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestHasClaim(t *testing.T) {
	v := verified(t, object{
		"text": "42", "number": 42, "float": raw("42.0"), "exponent": raw("4.2e1"), "yes": true, "no": false, "null": raw("null"),
		"empty": "", "array": []any{"a", 42, true, nil}, "nested": []any{[]string{"a"}}, "none": []any{},
		"object": object{"a": "a"}, "objects": []object{{"a": "a"}}, "https://acme.com/groups": []string{"a"},
		"comma": "a,b", "space": "a b", "Case": "a",
	})
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"text", "42", true}, {"text", "42 ", false}, {"text", "", false}, {"text", `"42"`, false},
		{"number", "42", true}, {"number", "42.0", false}, {"number", "4", false}, {"number", "042", false},
		{"float", "42.0", true}, {"float", "42", false}, {"exponent", "4.2e1", true}, {"exponent", "42", false},
		{"yes", "true", true}, {"yes", "True", false}, {"yes", "1", false}, {"yes", "false", false},
		{"no", "false", true}, {"no", "", false},
		{"null", "null", false}, {"null", "", false}, {"null", "<nil>", false}, {"null", "none", false},
		{"empty", "", true}, {"missing", "", false}, {"missing", "<nil>", false},
		{"array", "a", true}, {"array", "42", true}, {"array", "true", true}, {"array", "null", false}, {"array", "<nil>", false},
		{"array", "", false}, {"array", "a,42", false}, {"array", "[a 42 true <nil>]", false},
		{"nested", "a", false}, {"nested", "[a]", false}, {"none", "", false},
		{"object", "a", false}, {"object", "map[a:a]", false}, {"objects", "a", false},
		{"https://acme.com/groups", "a", true},
		{"comma", "a", false}, {"comma", "a,b", true}, {"space", "a", false},
		{"case", "a", false}, {"Case", "a", true}, {"Case", "A", false},
	} {
		if got := v.HasClaim(c.name, c.value); got != c.want {
			t.Errorf("%s %q: expected %v, got %v", c.name, c.value, c.want, got)
		}
	}
}

func TestEmailVerified(t *testing.T) {
	for _, c := range []struct {
		value any
		want  bool
	}{
		{true, true}, {"true", true}, {false, false}, {"false", false}, {"True", false}, {1, false}, {"1", false}, {nil, false},
		{raw("null"), false}, {[]any{true}, false}, {[]any{false, "true"}, false}, {object{"true": true}, false},
	} {
		if got := verified(t, object{"email": "alice@example.com", "email_verified": c.value}).EmailVerified(); got != c.want {
			t.Errorf("%v: expected %v, got %v", c.value, c.want, got)
		}
	}
}

func TestAccessors(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	p.claims["email"], p.claims["jti"], p.claims["nbf"] = "alice@example.com", "id-1", now-10
	v, err := p.verify()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, got, want string }{
		{"issuer", v.Issuer(), issuerURL}, {"subject", v.Subject(), "user-1"}, {"email", v.Email(), "alice@example.com"},
		{"token ID", v.TokenID(), "id-1"}, {"client ID", v.Provider().ClientID, clientID},
	} {
		if c.got != c.want {
			t.Errorf("%s: expected %q, got %q", c.name, c.want, c.got)
		}
	}
	if nbf, ok := v.NotBefore(); !ok || nbf.Unix() != now-10 {
		t.Errorf("nbf: got %v, %v", nbf, ok)
	}
	if v.IssuedAt().Unix() != now || v.ExpiresAt().Unix() != now+3600 {
		t.Errorf("iat %v, exp %v", v.IssuedAt(), v.ExpiresAt())
	}
	if key, ok := v.UserKey().(*ecdsa.PublicKey); !ok || !key.Equal(p.user.Public()) {
		t.Errorf("user key: got %T", v.UserKey())
	}
	if v.UserJWK()["x"] != p.upk()["x"] {
		t.Errorf("user JWK: got %v", v.UserJWK())
	}
	v.Claims()["sub"], v.UserJWK()["x"] = "mallory", "x"
	v.Token().UnverifiedClaims()["sub"] = "mallory"
	if sub, ok := v.Claim("sub"); !ok || sub != "user-1" || v.UserJWK()["x"] == "x" {
		t.Error("the result can be changed through a map that it gave")
	}
	if _, ok := v.Claim("missing"); ok {
		t.Error("a missing claim is there")
	}
}

// TestClaimsOfOtherTypes: an identity is a string or nothing.
func TestClaimsOfOtherTypes(t *testing.T) {
	v := verified(t, object{"sub": 1, "email": []string{"alice@example.com"}, "jti": nil})
	if v.Subject() != "" || v.Email() != "" || v.TokenID() != "" {
		t.Errorf("got %q, %q, %q", v.Subject(), v.Email(), v.TokenID())
	}
	if _, ok := v.NotBefore(); ok {
		t.Error("there is no nbf")
	}
}

func TestWithUserinfo(t *testing.T) {
	for _, c := range []struct {
		name          string
		id, userinfo  object
		ok            bool
		email         string
		emailVerified bool
	}{
		{"another subject", nil, object{"sub": "user-2"}, false, "", false},
		{"no subject", nil, object{"email": "alice@example.com"}, false, "", false},
		{"nothing", nil, nil, false, "", false},
		{"subject a number", object{"sub": "1"}, object{"sub": 1}, false, "", false},
		{"subject null", nil, object{"sub": nil}, false, "", false},
		{"ID token without subject", object{"sub": nil}, object{"sub": ""}, false, "", false},
		{"ID token with a number", object{"sub": 1}, object{"sub": 1}, false, "", false},
		{"claims of userinfo", nil, object{"email": "alice@example.com", "email_verified": true, "sub": "user-1"}, true, "alice@example.com", true},
		{"the ID token's win", object{"email": "alice@example.com"}, object{"sub": "user-1", "email": "bob@example.com"}, true, "alice@example.com", false},
		{"the ID token's win over verified", object{"email": "alice@example.com", "email_verified": false},
			object{"sub": "user-1", "email": "alice@example.com", "email_verified": true}, true, "alice@example.com", false},
		{"same email, verified by userinfo", object{"email": "alice@example.com"},
			object{"sub": "user-1", "email": "alice@example.com", "email_verified": true}, true, "alice@example.com", true},
		{"verified is said of another email", object{"email": "alice@example.com"},
			object{"sub": "user-1", "email": "mallory@example.com", "email_verified": true}, true, "alice@example.com", false},
		{"verified is said of no email", object{"email": "alice@example.com"},
			object{"sub": "user-1", "email_verified": true}, true, "alice@example.com", false},
		{"ID token's verified is said of no email", object{"email_verified": true},
			object{"sub": "user-1", "email": "mallory@example.com"}, true, "mallory@example.com", false},
		{"both verified, emails differ", object{"email": "alice@example.com", "email_verified": true},
			object{"sub": "user-1", "email": "bob@example.com", "email_verified": false}, true, "alice@example.com", true},
		{"verified is said of one email, the ID token has several", object{"email": []string{"alice@example.com"}},
			object{"sub": "user-1", "email": "mallory@example.com", "email_verified": true}, true, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := verified(t, c.id)
			before := len(v.Claims())
			with, err := v.WithUserinfo(c.userinfo)
			if (err == nil) != c.ok {
				t.Fatalf("error: %v", err)
			}
			if !c.ok {
				return
			}
			if with.Email() != c.email || with.EmailVerified() != c.emailVerified {
				t.Errorf("expected %q, %v, got %q, %v", c.email, c.emailVerified, with.Email(), with.EmailVerified())
			}
			if len(v.Claims()) != before || v.Userinfo() != nil {
				t.Error("the ID token's result changed")
			}
			all := with.Userinfo()
			if c.userinfo["email"] = "x"; all["email"] == "x" || with.Userinfo()["email"] == "x" || len(all) == 0 {
				t.Error("the response is not kept whole")
			}
		})
	}
}

// TestUserinfoCannotExtend: what was verified stays.
func TestUserinfoCannotExtend(t *testing.T) {
	v := verified(t, object{"groups": []string{"dev"}})
	with, err := v.WithUserinfo(object{
		"sub": "user-1", "iss": "https://evil.example.com", "aud": "x", "exp": 1, "iat": 1, "groups": []any{"root"}, "team": "ops",
	})
	if err != nil {
		t.Fatal(err)
	}
	if with.HasClaim("groups", "root") || !with.HasClaim("groups", "dev") || !with.HasClaim("team", "ops") || v.HasClaim("team", "ops") {
		t.Errorf("claims: %v", with.Claims())
	}
	for _, name := range []string{"iss", "aud", "exp", "iat"} {
		before, _ := v.Claim(name)
		if after, _ := with.Claim(name); after != before {
			t.Errorf("%s: expected %v, got %v", name, before, after)
		}
	}
	if with.Issuer() != issuerURL || !with.ExpiresAt().Equal(v.ExpiresAt()) {
		t.Error("issuer or time changed")
	}
}
