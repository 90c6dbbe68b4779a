package idp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"opkssh/integration/allocation"
	"opkssh/internal/idp"
)

// FuzzDiscovery: no document gives an endpoint to which a secret would go over the network in the clear, or speaks for another
// issuer.
func FuzzDiscovery(f *testing.F) {
	const issuer = "https://op.example.com"
	for _, seed := range []string{
		`{"issuer":"https://op.example.com","jwks_uri":"https://op.example.com/keys","token_endpoint":"https://op.example.com/token"}`,
		`{"issuer":"https://op.example.com","jwks_uri":"http://op.example.com/keys"}`, `{"issuer":"https://op.example.com/","jwks_uri":"https://x"}`,
		`{"issuer":"https://op.example.com","jwks_uri":"https://u:p@x/","authorization_endpoint":null,"userinfo_endpoint":""}`,
		`{"issuer":"http://localhost:8080","jwks_uri":"http://127.0.0.1/keys","scopes_supported":["a",1]}`,
		`{"issuer":"http://localhost:8080","jwks_uri":"http://[::1]/keys","device_authorization_endpoint":"http://169.254.169.254/","scopes_supported":["a"]}`,
		`{"issuer":"https://op.example.com","jwks_uri":"https://x","grant_types_supported":{}}`, "{}", "[]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, issuer := range []string{issuer, "http://localhost:8080"} {
			var m *idp.Metadata
			var err error
			allocation.Check(t, len(data), func() { m, err = idp.ParseDiscovery(data, issuer) })
			var wrong *idp.Error
			if err != nil {
				if m != nil || !errors.As(err, &wrong) {
					t.Fatalf("expected an idp.Error alone, got %v, %v", m, err)
				}
				continue
			}
			if m.Issuer != issuer || m.JWKSURI == "" {
				t.Fatalf("%q: got %+v", data, m)
			}
			for _, endpoint := range []string{
				m.JWKSURI, m.AuthorizationEndpoint, m.TokenEndpoint, m.DeviceAuthorizationEndpoint, m.UserinfoEndpoint, m.EndSessionEndpoint,
			} {
				checkEndpoint(t, endpoint, issuer)
			}
		}
	})
}

func checkEndpoint(t *testing.T, endpoint, issuer string) {
	t.Helper()
	if endpoint == "" {
		return
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		t.Errorf("%q: %v", endpoint, err)
	case u.Scheme == "https":
	case u.Scheme != "http" || !strings.HasPrefix(issuer, "http:"):
		t.Errorf("%q of the issuer %q", endpoint, issuer)
	case idp.CheckIssuer("http://"+u.Host) != nil:
		t.Errorf("%q is no loopback address", endpoint)
	}
}

// FuzzIssuer: what is accepted as an issuer is a URL with a host and nothing behind the path, and has a file of its own.
func FuzzIssuer(f *testing.F) {
	for _, seed := range []string{"https://op.example.com", "http://127.0.0.1:8080/", "https://op.example.com?", "https://a@b", "http://127.0.0.1.example.com", "https://[::1]/a#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, issuer string) {
		if idp.CheckIssuer(issuer) != nil {
			return
		}
		u, err := url.Parse(issuer)
		if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
			t.Fatalf("accepted %q", issuer)
		}
		name := idp.ProviderFileName(issuer)
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
			t.Fatalf("%q has the file %q", issuer, name)
		}
		if len(name) > 200 || name == idp.ProviderFileName(issuer+"/") {
			t.Fatalf("%q has the file %q", issuer, name)
		}
	})
}

// FuzzUserinfoFile: a file of the cache is an answer with its time, or none.
func FuzzUserinfoFile(f *testing.F) {
	f.Add([]byte(`{"fetched_at":"2026-03-01T12:00:00Z","claims":"{\"sub\":\"1\"}"}`))
	f.Add([]byte(`{"fetched_at":"x","claims":{}}`))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var answer []byte
		var at time.Time
		allocation.Check(t, len(data), func() { answer, at = idp.ParseUserinfoFile(data) })
		if answer == nil {
			return
		}
		written, err := json.Marshal(map[string]string{"fetched_at": at.Format(time.RFC3339Nano), "claims": string(answer)})
		if err != nil {
			t.Fatal(err)
		}
		again, when := idp.ParseUserinfoFile(written)
		if !reflect.DeepEqual(again, answer) || !when.Equal(at) {
			t.Errorf("%q: expected %q of %v, got %q of %v", data, answer, at, again, when)
		}
	})
}

// FuzzFreshFor: no header keeps keys for longer than a day, or makes every login ask.
func FuzzFreshFor(f *testing.F) {
	f.Add("max-age=3600, must-revalidate", "600")
	f.Add(`MAX-AGE="99999999999999999999"`, "-1")
	f.Add("no-store,,max-age", "x")
	f.Fuzz(func(t *testing.T, cacheControl, age string) {
		got := idp.FreshFor(http.Header{"Cache-Control": {cacheControl}, "Age": {age}}, time.Hour)
		if got < 5*time.Minute || got > 24*time.Hour {
			t.Errorf("%q, %q: got %v", cacheControl, age, got)
		}
	})
}

// What a provider or a bundle says takes memory in proportion.
func TestAllocationOfDocuments(t *testing.T) {
	const discovery = `{"issuer":"https://op.example.com","jwks_uri":"https://op.example.com/keys"`
	repeat := allocation.Repeat
	file := `{"version":1,"issuer":"https://op.example.com","fetched_at":"2026-03-01T12:00:00Z","fresh_until":"2026-03-01T13:00:00Z","discovery":"{}",`
	c := &idp.Cache{Dir: t.TempDir() + "/missing", Now: newClock().Now}
	for name, read := range map[string]func(data []byte){
		"discovery":     func(data []byte) { _, _ = idp.ParseDiscovery(data, "https://op.example.com") },
		"provider file": func(data []byte) { _ = idp.ParseProviderFile(data, "https://op.example.com") },
		"userinfo file": func(data []byte) { idp.ParseUserinfoFile(data) },
		"bundle":        func(data []byte) { _, _ = c.Import(context.Background(), data, anyIssuer, true) },
	} {
		t.Run(name, func(t *testing.T) {
			allocation.Linear(t, map[string]allocation.Input{
				"scopes":      {Before: discovery + `,"scopes_supported":[`, Part: repeat(`"a",`), After: `"a"]}`},
				"long URL":    {Before: discovery + `,"token_endpoint":"https://`, Part: repeat("a"), After: `"}`},
				"escapes":     {Before: file + `"jwks":"`, Part: repeat(`\u0020`), After: `"}`},
				"keys":        {Before: file + `"jwks":"{\"keys\":[`, Part: repeat(`{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\"},`), After: `0]}"}`},
				"no keys":     {Before: file + `"jwks":"{\"keys\":[`, Part: repeat(`{},`), After: `{}]}"}`},
				"claims":      {Before: `{"fetched_at":"2026-03-01T12:00:00Z","claims":"`, Part: repeat(`\"`), After: `"}`},
				"deep":        {Part: repeat(`{"a":`)},
				"entries":     {Before: `{"format":"opkssh-provider-keys","version":1,"providers":[`, Part: repeat("{},"), After: "{}]}"},
				"large entry": {Before: `{"format":"opkssh-provider-keys","version":1,"providers":[` + file + `"jwks":"{\"keys\":[`, Part: repeat(`{},`), After: `{}]}"}]}`},
			}, read)
		})
	}
}
