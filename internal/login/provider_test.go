package login_test

import (
	"slices"
	"strings"
	"testing"

	"opkssh/internal/login"
)

// The presets as specified. Hosts trust these issuers with these clients.
func TestPresets(t *testing.T) {
	want := []struct{ aliases, issuer, clientID, secret, scopes string }{
		{"google", "https://accounts.google.com", "206584157355-7cbe4s640tvm7naoludob4ut1emii7sf.apps.googleusercontent.com",
			"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", "openid profile email"},
		{"azure microsoft", "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
			"096ce0a3-5e72-4da8-9c86-12924b294a01", "", "openid profile email offline_access"},
		{"gitlab", "https://gitlab.com", "8d8b7024572c7fd501f64374dec6bba37096783dfcd792b3988104be08cb6923", "", "openid email"},
		{"hello", "https://issuer.hello.coop", "app_xejobTKEsDNSRd5vofKB2iay_2rN", "", "openid email"},
	}
	got := login.Presets()
	if len(got) != len(want) {
		t.Fatalf("expected %d presets, got %d", len(want), len(got))
	}
	for i, w := range want {
		p := got[i]
		if strings.Join(p.Aliases, " ") != w.aliases || p.Issuer != w.issuer || p.ClientID != w.clientID ||
			p.ClientSecret != w.secret || strings.Join(p.Scopes, " ") != w.scopes {
			t.Errorf("expected %+v, got %+v", w, p)
		}
		if p.AccessType != "offline" || p.Prompt != "consent" || p.RemoteRedirectURI != "" || p.SendAccessToken || !slices.Equal(p.RedirectURIs, []string{
			"http://localhost:3000/login-callback", "http://localhost:10001/login-callback", "http://localhost:11110/login-callback"}) {
			t.Errorf("%s: not the defaults: %+v", w.aliases, p)
		}
	}
	got[0].Aliases[0], got[0].RedirectURIs[0] = "changed", "changed"
	if again := login.Presets(); again[0].Aliases[0] != "google" || again[1].RedirectURIs[0] == "changed" {
		t.Error("presets share memory")
	}
}

func TestFind(t *testing.T) {
	for alias, issuer := range map[string]string{"azure": "microsoftonline", "microsoft": "microsoftonline", "hello": "hello.coop"} {
		p, err := login.Find(login.Presets(), alias)
		if err != nil || !strings.Contains(p.Issuer, issuer) {
			t.Errorf("%s: got %q, %v", alias, p.Issuer, err)
		}
	}
	for _, alias := range []string{"", "Google", "googl", "azure microsoft", login.WebChooser} {
		_, err := login.Find(login.Presets(), alias)
		if e := endedWith(t, err, login.CodeUnknownProvider); e.Expected != "google, azure, microsoft, gitlab, hello" {
			t.Errorf("expected the aliases, got %q", e.Expected)
		}
	}
}

const secret = "s3cret"

func TestParseProvider(t *testing.T) {
	for in, want := range map[string]struct{ id, secret, scopes string }{
		"https://op.example.com,client":                            {"client", "", "openid profile email"},
		" https://op.example.com , client ":                        {"client", "", "openid profile email"},
		"https://op.example.com,client,":                           {"client", "", "openid profile email"},
		"https://op.example.com,client,s3cret":                     {"client", secret, "openid profile email"},
		"https://op.example.com,client,s3cret,":                    {"client", secret, "openid profile email"},
		"https://op.example.com,client,,openid groups":             {"client", "", "openid groups"},
		"https://op.example.com,client,s3cret, openid   email":     {"client", secret, "openid email"},
		"http://localhost:8080/realms/test,client,s3cret,openid x": {"client", secret, "openid x"},
	} {
		p, err := login.ParseProvider(in)
		if err != nil || p.ClientID != want.id || p.ClientSecret != want.secret || strings.Join(p.Scopes, " ") != want.scopes {
			t.Errorf("%q: got %+v, %v", in, p, err)
		}
		if len(p.Aliases) != 0 || len(p.RedirectURIs) != 3 || p.AccessType != "offline" || p.Prompt != "consent" {
			t.Errorf("%q: not the defaults: %+v", in, p)
		}
	}
	for _, in := range []string{
		"", "google", "https://op.example.com", "https://op.example.com,", ",client",
		"op.example.com,client",
		"http://op.example.com,client",
		"http://localhost.example.com,client",
		"https://op.example.com?a=b,client",
		"https://user@op.example.com,client",
		"https://op.example.com,cli\x00ent,s3cret",
		"https://op.example.com,client,s3cret,email",
		"https://op.example.com,client,s3cret,openid \"x",
		"https://op.example.com,client,s3cret,openid,email",
		"https://op.example.com;client;s3cret",
	} {
		_, err := login.ParseProvider(in)
		if e := endedWith(t, err, login.CodeConfiguration); !strings.Contains(in, ";") && strings.Contains(e.Error(), secret) {
			t.Errorf("the secret in %v", e)
		}
	}
}

func TestParseProviderList(t *testing.T) {
	list, err := login.ParseProviderList("work sso,https://sso.example.com,opkssh,,openid groups; home,http://127.0.0.1:8080,client,s3cret ;")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || !slices.Equal(list[0].Aliases, []string{"work", "sso"}) || list[0].ClientSecret != "" ||
		!slices.Equal(list[0].Scopes, []string{"openid", "groups"}) || !slices.Equal(list[1].Aliases, []string{"home"}) ||
		list[1].Issuer != "http://127.0.0.1:8080" || list[1].ClientSecret != secret || len(list[1].Scopes) != 3 {
		t.Errorf("got %+v", list)
	}
	for _, in := range []string{
		"", ";", " ; ",
		"https://op.example.com,client",
		",https://op.example.com,client",
		"a,https://op.example.com,client;;b,https://op.example.com,client",
		"a,https://op.example.com,client;a,https://op.example.com,client",
		"a a,https://op.example.com,client",
		"webchooser,https://op.example.com,client",
		"WEBCHOOSER,https://op.example.com,client",
		"-a,https://op.example.com,client",
		"a\x1b,https://op.example.com,client",
		"a,http://op.example.com,client",
		"a,https://op.example.com,client,s3cret,openid,email",
	} {
		_, err := login.ParseProviderList(in)
		if e := endedWith(t, err, login.CodeConfiguration); strings.Contains(e.Error(), secret) {
			t.Errorf("the secret in %v", e)
		}
	}
}

func FuzzParseProvider(f *testing.F) {
	f.Add("https://op.example.com,client,s3cret,openid email")
	f.Add("http://[::1]:8080,client,,")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := login.ParseProvider(s)
		if err != nil {
			checkOneLine(t, err)
			return
		}
		again, err := login.ParseProvider(strings.Join([]string{p.Issuer, p.ClientID, p.ClientSecret, strings.Join(p.Scopes, " ")}, ","))
		if err != nil || again.Issuer != p.Issuer || again.ClientID != p.ClientID || again.ClientSecret != p.ClientSecret || !slices.Equal(again.Scopes, p.Scopes) {
			t.Errorf("%q: %+v, then %+v, %v", s, p, again, err)
		}
	})
}

func FuzzParseProviderList(f *testing.F) {
	f.Add("work sso,https://sso.example.com,opkssh,,openid groups;home,http://127.0.0.1:8080,client,s3cret;")
	f.Fuzz(func(t *testing.T, s string) {
		list, err := login.ParseProviderList(s)
		if err != nil {
			checkOneLine(t, err)
			return
		}
		checkProviders(t, list)
	})
}

func checkOneLine(t *testing.T, err error) {
	t.Helper()
	if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Errorf("control characters in %q", err.Error())
	}
}

// checkProviders: each can be found by each of its names.
func checkProviders(t *testing.T, providers []login.Provider) {
	t.Helper()
	if len(providers) == 0 {
		t.Error("no provider")
	}
	for _, p := range providers {
		if len(p.Aliases) == 0 || p.Issuer == "" || p.ClientID == "" || !slices.Contains(p.Scopes, "openid") || len(p.RedirectURIs) == 0 {
			t.Errorf("incomplete: %+v", p)
		}
		for _, alias := range p.Aliases {
			if found, err := login.Find(providers, alias); err != nil || found.Issuer != p.Issuer {
				t.Errorf("%q: got %+v, %v", alias, found, err)
			}
		}
	}
}
