package login_test

import (
	"context"
	"errors"
	"testing"

	"opkssh/internal/idp"
	"opkssh/internal/login"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

type brokenKeys struct{}

func (brokenKeys) Keys(context.Context, string, func(*pktoken.JWKS) bool) (*pktoken.JWKS, error) {
	return nil, errors.New("no\nkeys")
}

type noProvider struct{}

func (noProvider) Discover(context.Context, string) (*idp.Metadata, error) {
	return nil, errors.New("gone")
}

func TestExamine(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*idp.Metadata, *login.Provider)
		topic  string
		want   login.Verdict
	}{
		"pkce":               {func(m *idp.Metadata, _ *login.Provider) { m.CodeChallengeMethodsSupported = []string{"plain", "S256"} }, "login", login.VerdictGood},
		"pkce unknown":       {func(*idp.Metadata, *login.Provider) {}, "login", login.VerdictUnknown},
		"pkce plain":         {func(m *idp.Metadata, _ *login.Provider) { m.CodeChallengeMethodsSupported = []string{"plain"} }, "login", login.VerdictBad},
		"no code":            {func(m *idp.Metadata, _ *login.Provider) { m.ResponseTypesSupported = []string{"id_token"} }, "login", login.VerdictBad},
		"code":               {func(m *idp.Metadata, _ *login.Provider) { m.ResponseTypesSupported = []string{"code"} }, "login", login.VerdictUnknown},
		"no grant for codes": {func(m *idp.Metadata, _ *login.Provider) { m.GrantTypesSupported = []string{"implicit"} }, "login", login.VerdictBad},
		"no authorization":   {func(m *idp.Metadata, _ *login.Provider) { m.AuthorizationEndpoint = "" }, "login", login.VerdictBad},
		"no token endpoint":  {func(m *idp.Metadata, _ *login.Provider) { m.TokenEndpoint = "" }, "login", login.VerdictBad},
		"signatures": {func(m *idp.Metadata, _ *login.Provider) {
			m.IDTokenSigningAlgValuesSupported = []string{"HS256", "EdDSA"}
		}, "signatures", login.VerdictGood},
		"signatures unknown": {func(*idp.Metadata, *login.Provider) {}, "signatures", login.VerdictUnknown},
		"signatures of others": {func(m *idp.Metadata, _ *login.Provider) {
			m.IDTokenSigningAlgValuesSupported = []string{"HS256", "none", "ES512"}
		}, "signatures", login.VerdictBad},
		"keys":   {func(*idp.Metadata, *login.Provider) {}, "keys", login.VerdictGood},
		"public": {func(m *idp.Metadata, _ *login.Provider) { m.TokenEndpointAuthMethodsSupported = []string{"none"} }, "client", login.VerdictGood},
		"secret": {func(_ *idp.Metadata, p *login.Provider) { p.ClientSecret = "hush" }, "client", login.VerdictGood},
		"confidential": {func(m *idp.Metadata, _ *login.Provider) {
			m.TokenEndpointAuthMethodsSupported = []string{"client_secret_basic"}
		}, "client", login.VerdictUnknown},
		"scopes":         {func(m *idp.Metadata, _ *login.Provider) { m.ScopesSupported = []string{"openid", "email"} }, "scopes", login.VerdictGood},
		"scope missing":  {func(m *idp.Metadata, _ *login.Provider) { m.ScopesSupported = []string{"openid"} }, "scopes", login.VerdictUnknown},
		"scopes unknown": {func(*idp.Metadata, *login.Provider) {}, "scopes", login.VerdictUnknown},
		"no refresh":     {func(m *idp.Metadata, _ *login.Provider) { m.GrantTypesSupported = []string{"authorization_code"} }, "refresh", login.VerdictNo},
		"refresh": {func(m *idp.Metadata, _ *login.Provider) {
			m.GrantTypesSupported = []string{"authorization_code", "refresh_token"}
		}, "refresh", login.VerdictGood},
		"offline":         {func(m *idp.Metadata, _ *login.Provider) { m.ScopesSupported = []string{"offline_access"} }, "refresh", login.VerdictGood},
		"refresh unknown": {func(*idp.Metadata, *login.Provider) {}, "refresh", login.VerdictUnknown},
		"device": {func(m *idp.Metadata, _ *login.Provider) {
			m.DeviceAuthorizationEndpoint = "https://op.example.com/device"
		}, "device", login.VerdictUnknown},
		"no device":              {func(*idp.Metadata, *login.Provider) {}, "device", login.VerdictNo},
		"key binding":            {func(m *idp.Metadata, _ *login.Provider) { m.ScopesSupported = []string{"bound_key"} }, "key-binding", login.VerdictGood},
		"no key binding":         {func(*idp.Metadata, *login.Provider) {}, "key-binding", login.VerdictNo},
		"key binding, asked":     {func(_ *idp.Metadata, p *login.Provider) { p.KeyBinding = true }, "key-binding", login.VerdictUnknown},
		"issuer in the answer":   {func(m *idp.Metadata, _ *login.Provider) { m.AuthorizationResponseIss = true }, "issuer", login.VerdictGood},
		"no issuer in an answer": {func(*idp.Metadata, *login.Provider) {}, "issuer", login.VerdictNo},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			p := op.provider()
			c.change(op.metadata, &p)
			findings, err := login.Examine(t.Context(), p, op, pktokentest.KeySet(t, op.issuer))
			if err != nil {
				t.Fatal(err)
			}
			topics := map[string]int{}
			for _, f := range findings {
				topics[f.Topic]++
				if f.Topic == c.topic && f.Verdict != c.want || f.Detail == "" {
					t.Errorf("expected %s, got %+v", c.want, f)
				}
			}
			if len(topics) != 9 || topics[c.topic] != 1 {
				t.Errorf("topics %v", topics)
			}
		})
	}
}

func TestExamineWithoutKeys(t *testing.T) {
	op := newOpenIDProvider(t)
	findings, err := login.Examine(t.Context(), op.provider(), op, brokenKeys{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Topic == "keys" && (f.Verdict != login.VerdictBad || f.Detail != "no keys") {
			t.Errorf("got %+v", f)
		}
	}
}

// Keys are counted whether they have names or not.
func TestExamineCountsKeys(t *testing.T) {
	op := newOpenIDProvider(t)
	op.issuer.Kid = ""
	findings, err := login.Examine(t.Context(), op.provider(), op, pktokentest.KeySet(t, op.issuer))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Topic == "keys" && (f.Verdict != login.VerdictGood || f.Detail != "1 published") {
			t.Errorf("got %+v", f)
		}
	}
}

func TestExamineNobody(t *testing.T) {
	op := newOpenIDProvider(t)
	_, err := login.Examine(t.Context(), op.provider(), noProvider{}, brokenKeys{})
	wantCode(t, err, login.CodeDiscovery)
	_, err = login.Examine(t.Context(), login.Provider{}, op, brokenKeys{})
	wantCode(t, err, login.CodeConfiguration)
}
