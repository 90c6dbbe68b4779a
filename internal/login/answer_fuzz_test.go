package login_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"opkssh/integration/allocation"
	"opkssh/internal/idp"
	"opkssh/internal/login"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

// wantPrintable: an error of this package is one line that a terminal shows as it is.
func wantPrintable(t *testing.T, err error) {
	t.Helper()
	var failure *login.Error
	if !errors.As(err, &failure) {
		t.Fatalf("expected a login.Error, got %v", err)
	}
	if strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("not printable: %q", err.Error())
	}
}

// FuzzTokenAnswer: no answer of a token endpoint breaks a login, or makes one without the provider's signature.
func FuzzTokenAnswer(f *testing.F) {
	f.Add(200, "application/json", []byte(`{"access_token":"a","token_type":"Bearer","id_token":"a.b.c","expires_in":3600}`))
	f.Add(200, "application/json", []byte(`{"access_token":"a","id_token":7,"expires_in":"x"}`))
	f.Add(200, "application/x-www-form-urlencoded", []byte("access_token=a&id_token=e30.e30.AA&expires_in=-1"))
	f.Add(400, "application/json", []byte(`{"error":"invalid_grant","error_description":"\u001b[2J\u202e","error_uri":"javascript:"}`))
	f.Add(302, "text/html", []byte("<html>"))
	f.Add(500, "\x00", []byte(nil))
	op := pktokentest.NewIssuer(f, "http://127.0.0.1", "ES256")
	keys := pktokentest.KeySet(f, op)
	client, err := pktoken.NewClientInstance(zeros{}, pktokentest.UserKey(f), nil)
	if err != nil {
		f.Fatal(err)
	}
	provider, err := login.NewProvider("op", op.URL, "client", "s3cret", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, mediaType string, body []byte) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			w.WriteHeader(max(200, min(status, 599)))
			_, _ = w.Write(body)
		}))
		defer server.Close()
		flow := &login.Flow{Provider: provider, Keys: keys}
		result, err := flow.Redeem(context.Background(), client, server.URL)
		if err == nil {
			t.Fatalf("a login: %v", result)
		}
		wantPrintable(t, err)
		if strings.Contains(err.Error(), provider.ClientSecret) && !strings.Contains(string(body), provider.ClientSecret) {
			t.Errorf("the client's secret in %v", err)
		}
	})
}

// FuzzDeviceAnswer: what a person is shown of the answer can be shown, and nobody waits for ever or not at all.
func FuzzDeviceAnswer(f *testing.F) {
	const good = `{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"https://op.example.com/device","expires_in":1800,"interval":5}`
	f.Add(200, []byte(good))
	f.Add(200, []byte(strings.NewReplacer("verification_uri", "verification_url", "1800", "1e400", `:5`, ":-1").Replace(good)))
	f.Add(200, []byte(strings.ReplaceAll(good, "https://op", `https://op\u202e`)))
	f.Add(200, []byte(strings.ReplaceAll(good, "WDJB", `\u001b[2J`)))
	f.Add(400, []byte(`{"error":"invalid_client","error_description":"\n"}`))
	f.Add(200, []byte(`{"device_code":["d"],"user_code":null,"interval":"5"}`))
	asked := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		members, err := pktoken.ParseObject(body)
		if err != nil {
			members = nil
		}
		code, interval, err := login.ReadDeviceAnswer(status, members, asked)
		if err != nil {
			wantPrintable(t, err)
			return
		}
		if interval <= 0 || interval > time.Hour || !code.ExpiresAt.After(asked) {
			t.Errorf("interval %v, until %v", interval, code.ExpiresAt)
		}
		for _, shown := range []string{code.UserCode, code.URL, code.CompleteURL} {
			if strings.ContainsFunc(shown, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("not printable: %q", shown)
			}
		}
		for _, page := range []string{code.URL, code.CompleteURL} {
			u, err := url.Parse(page)
			if page == code.CompleteURL && page == "" {
				continue
			}
			if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
				t.Errorf("%q is no page: %v", page, err)
			}
		}
	})
}

// FuzzCallback: a code is taken from an answer with this login's state and no other issuer alone, and given on as it is.
func FuzzCallback(f *testing.F) {
	const state, issuer = "this-login", "https://op.example.com"
	for _, seed := range []string{
		"state=this-login&code=c", "state=this-login&code=c&iss=https://op.example.com", "state=other&code=c", "state=this-login&state=x&code=c",
		"state=this-login&error=access_denied&error_description=%1b[2J", "state=this-login&code=c&code=d", "code=c", "%zz", "state=this-login&iss=x&code=c",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, text string, issuerRequired bool) {
		query, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		taken, want := "", &login.Result{}
		result, err := login.TakeAnswer(query, state, issuer, issuerRequired, func(code string) (*login.Result, error) {
			taken = code
			return want, nil
		})
		ours := slices.Equal(query["state"], []string{state}) && len(query["code"]) == 1 && !query.Has("error") &&
			(slices.Equal(query["iss"], []string{issuer}) || !issuerRequired && !query.Has("iss"))
		switch {
		case err != nil:
			wantPrintable(t, err)
			if taken != "" || result != nil {
				t.Errorf("%q: the code %q beside the error", text, taken)
			}
		case !ours || taken != query.Get("code") || result != want:
			t.Errorf("%q: took %q", text, taken)
		}
	})
}

// FuzzCISystem: whatever an environment says, an ID token is asked of a host that may have it, for an issuer that is one.
func FuzzCISystem(f *testing.F) {
	f.Add("https://vstoken.actions.githubusercontent.com/abc?api-version=2.0", "secret", "", "", "")
	f.Add("https://codeberg.org/api/actions/_apis/pipelines/1/idtoken?x=y", "secret", "", "", "")
	f.Add("https://actions.githubusercontent.com.example.com/api/actions/x", "secret", "true", "https://gitlab.example.com", "a.b.c")
	f.Add("http://[::1]:3000/sub/api/actions/x", "\x1b", "true", "https://gitlab.example.com#", "")
	f.Add("https://user@x/\x00", "s", "false", "", "")
	f.Fuzz(func(t *testing.T, requestURL, requestToken, gitlab, server, token string) {
		variables := map[string]string{
			"ACTIONS_ID_TOKEN_REQUEST_URL": requestURL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": requestToken,
			"GITLAB_CI": gitlab, "CI_SERVER_URL": server, "OPENPUBKEY_JWT": token,
		}
		for _, alias := range login.CIAliases() {
			system, err := login.FindCISystem(alias, func(name string) string { return variables[name] }, idp.Network{})
			if err != nil {
				wantPrintable(t, err)
				continue
			}
			if err := idp.CheckIssuer(system.Issuer); err != nil {
				t.Errorf("%s: %v", alias, err)
			}
			if system.Source == nil || alias == "gitlab-ci" {
				continue
			}
			u, err := url.Parse(requestURL)
			if err != nil || u.Scheme != "https" && u.Scheme != "http" {
				t.Fatalf("%s: the token goes to %q", alias, requestURL)
			}
			issued, _ := url.Parse(system.Issuer)
			if host := strings.ToLower(u.Hostname()); host != strings.ToLower(issued.Hostname()) && !strings.HasSuffix(host, ".actions.githubusercontent.com") {
				t.Errorf("%s: the token goes to %q for the issuer %q", alias, requestURL, system.Issuer)
			}
		}
	})
}

// FuzzActionsAnswer: the ID token is what JSON says that it is, without what a JWT does not hold.
func FuzzActionsAnswer(f *testing.F) {
	for _, seed := range []string{`{"value":"a.b.c"}`, `{"value":"a\u002eb"}`, `{"value":["a"]}`, `{"value":"a","value":"b"}`, `{"Value":"a"}`, `{}`, `"`, `{"value":""}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		copied := slices.Clone(body) // the answer is overwritten
		var value []byte
		var err error
		allocation.Check(t, len(body), func() { value, err = login.ActionsValue(body) })
		if err != nil {
			wantPrintable(t, err)
			return
		}
		var object map[string]any
		if err := json.Unmarshal(copied, &object); err != nil || len(value) == 0 || utf8.Valid(value) && object["value"] != string(value) {
			t.Errorf("%q: expected %q, got %q, %v", copied, object["value"], value, err)
		}
	})
}
