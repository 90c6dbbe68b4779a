package policy_test

import (
	"reflect"
	"testing"
	"time"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

func TestParseProviders(t *testing.T) {
	const op = "https://op.example.com"
	age := func(d time.Duration) pktoken.Expiry { return pktoken.Expiry{Kind: pktoken.ExpiryMaxAge, MaxAge: d} }
	for _, test := range []struct {
		row  string
		want pktoken.Provider
	}{
		{op + " client 24h", pktoken.Provider{Issuer: op, ClientID: "client", Expiry: age(24 * time.Hour)}},
		{op + " client 12h # comment", pktoken.Provider{Issuer: op, ClientID: "client", Expiry: age(12 * time.Hour)}},
		{op + " client 1week", pktoken.Provider{Issuer: op, ClientID: "client", Expiry: age(7 * 24 * time.Hour)}},
		{op + " client 36500d", pktoken.Provider{Issuer: op, ClientID: "client", Expiry: age(36500 * 24 * time.Hour)}},
		{op + " client 3d", pktoken.Provider{Issuer: op, ClientID: "client", Expiry: age(72 * time.Hour)}},
		{op + " client 1h30m", pktoken.Provider{Issuer: op, ClientID: "client", Expiry: age(90 * time.Minute)}},
		{op + " client oidc", pktoken.Provider{Issuer: op, ClientID: "client"}},
		{op + " client oidc_refreshed", pktoken.Provider{Issuer: op, ClientID: "client", Expiry: pktoken.Expiry{Kind: pktoken.ExpiryOIDCRefreshed}}},
		{op + " client oidc-refreshed", pktoken.Provider{Issuer: op, ClientID: "client", Expiry: pktoken.Expiry{Kind: pktoken.ExpiryOIDCRefreshed}}},
		{op + " client never", pktoken.Provider{Issuer: op, ClientID: "client", Expiry: pktoken.Expiry{Kind: pktoken.ExpiryNever}}},
		{"http://localhost:9998/ client oidc", pktoken.Provider{Issuer: "http://localhost:9998/", ClientID: "client"}},
		{"http://127.0.0.2 client oidc", pktoken.Provider{Issuer: "http://127.0.0.2", ClientID: "client"}},
		{"http://[::1]:80 client oidc", pktoken.Provider{Issuer: "http://[::1]:80", ClientID: "client"}},
		{
			"https://token.actions.githubusercontent.com github oidc",
			pktoken.Provider{Issuer: "https://token.actions.githubusercontent.com", ClientID: "github", Commitment: pktoken.CommitmentAudience},
		},
		{
			"https://forge.example.com/api/actions any oidc",
			pktoken.Provider{Issuer: "https://forge.example.com/api/actions", ClientID: "any", Commitment: pktoken.CommitmentAudience},
		},
		{
			"https://forge.example.com/api/actions any oidc commitment=nonce",
			pktoken.Provider{Issuer: "https://forge.example.com/api/actions", ClientID: "any"},
		},
		{op + " x oidc commitment=aud", pktoken.Provider{Issuer: op, ClientID: "x", Commitment: pktoken.CommitmentAudience}},
		{op + " OPENPUBKEY-PKTOKEN:infra oidc commitment=gq", pktoken.Provider{Issuer: op, ClientID: "OPENPUBKEY-PKTOKEN:infra", Commitment: pktoken.CommitmentGQ}},
		{
			op + " x oidc commitment=gq aud=array",
			pktoken.Provider{Issuer: op, ClientID: "x", Commitment: pktoken.CommitmentGQ, AllowAudienceArray: true},
		},
		{op + " x oidc commitment=cnf", pktoken.Provider{Issuer: op, ClientID: "x", Commitment: pktoken.CommitmentKeyBinding}},
		{
			op + " x oidc typ=at+jwt acr=mfa max-auth-age=1h require=hd:example.com require=email_verified:true 'require=g:a b:c' " +
				`require=https://example.com/g:x require=\"https://example.com/g\":y:z`,
			pktoken.Provider{Issuer: op, ClientID: "x", AllowAccessTokenType: true, ACR: "mfa", MaxAuthAge: time.Hour,
				Require: []pktoken.ClaimRequirement{{Name: "hd", Value: "example.com"}, {Name: "email_verified", Value: "true"},
					{Name: "g", Value: "a b:c"}, {Name: "https://example.com/g", Value: "x"}, {Name: "https://example.com/g", Value: "y:z"}}},
		},
	} {
		test.want.Origin = "providers:1"
		rows, problems := policy.ParseProviders("providers", []byte(test.row))
		if len(problems) != 0 || len(rows) != 1 || !reflect.DeepEqual(rows[0], test.want) {
			t.Errorf("%s: expected %+v, got %+v, %v", test.row, test.want, rows, problems)
		}
	}
}

func TestBadProviders(t *testing.T) {
	for _, row := range []string{
		"https://op.example.com",
		"https://op.example.com client",
		"'' client 24h",
		"op.example.com client 24h",
		"HTTPS://op.example.com client 24h",
		"https:// client 24h",
		"https://:443 client 24h",
		"https:op client 24h",
		"http://op.example.com client 24h",
		"http://localhost.example.com client 24h",
		"http://128.0.0.1 client 24h",
		"ftp://localhost client 24h",
		"https:op.example.com client 24h",
		op + " client 36501d",
		"https://user@op.example.com client 24h",
		"https://op.example.com?x=y client 24h",
		"https://op.example.com/#x client 24h",
		"'https://op.example.com/ x' client 24h",
		"https://op.example.com:port client 24h",
		"https://op.example.com '' 24h",
		"https://op.example.com openpubkey-pktoken:infra oidc commitment=gq",
		"https://op.example.com OPENPUBKEY-PKTOKEN-infra oidc commitment=gq",
		"https://op.example.com OPENPUBKEY-PKTOKEN oidc commitment=gq",
		"https://op.example.com ' ' 24h",
		"https://op.example.com client ''",
		"https://op.example.com client 0h",
		"https://op.example.com client -1h",
		"https://op.example.com client 24",
		"https://op.example.com client 0d",
		"https://op.example.com client -1d",
		"https://op.example.com client 1.5d",
		"https://op.example.com client 36501d",
		"https://op.example.com client 99999999d",
		"https://op.example.com client 2week",
		"https://op.example.com client OIDC",
		"https://op.example.com client always",
		"https://op.example.com client 24h commitment=x",
		"https://op.example.com client 24h commitment=",
		"https://op.example.com client 24h commitment=nonce commitment=aud",
		"https://op.example.com client 24h typ=jwt",
		"https://op.example.com client 24h typ=at+jwt typ=at+jwt",
		"https://op.example.com client 24h aud=list",
		"https://op.example.com client 24h aud=",
		"https://op.example.com client 24h aud=array aud=array",
		"https://op.example.com client 24h require=hd",
		"https://op.example.com client 24h require=hd:",
		"https://op.example.com client 24h require=:x",
		"https://op.example.com client 24h require=https://example.com/groups",
		"https://op.example.com client 24h acr=",
		"https://op.example.com client 24h acr=a acr=b",
		"https://op.example.com client 24h max-auth-age=0s",
		"https://op.example.com client 24h max-auth-age=1h max-auth-age=2h",
		"https://op.example.com client 24h unknown=x",
		"https://op.example.com client 24h nonsense",
		"https://op.example.com client 24h 'unclosed",
	} {
		good := "https://good.example.com client 24h"
		rows, problems := policy.ParseProviders("providers", []byte(row+"\n"+good+"\n"))
		if len(rows) != 1 || rows[0].Issuer != "https://good.example.com" || rows[0].Origin != "providers:2" {
			t.Errorf("%s: expected the good row alone, got %+v", row, rows)
		}
		if len(problems) != 1 || problems[0].File != "providers" || problems[0].Line != 1 {
			t.Errorf("%s: expected one problem on line 1, got %v", row, problems)
		}
	}
}

func TestKnownProviders(t *testing.T) {
	for alias, issuer := range map[string]string{
		"google": "https://accounts.google.com", "gitlab": "https://gitlab.com", "hello": "https://issuer.hello.coop",
		"azure":     "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
		"microsoft": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
	} {
		p, ok := policy.FindKnownProvider(alias)
		if !ok || p.Issuer != issuer {
			t.Errorf("%s: expected %s, got %+v", alias, issuer, p)
		}
		rows, problems := policy.ParseProviders("", []byte(p.Issuer+" "+p.ClientID+" 24h"))
		if len(rows) != 1 || len(problems) != 0 {
			t.Errorf("%s: its row is bad: %v", alias, problems)
		}
	}
	if p, ok := policy.FindKnownProvider("Google"); ok {
		t.Errorf("expected nothing for another spelling, got %+v", p)
	}
}
