package login_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"opkssh/internal/idp"
	"opkssh/internal/login"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

func TestLogin(t *testing.T) {
	for name, c := range map[string]struct {
		address string // what the browser takes localhost for; "" where the machine decides
		alg     string
	}{
		"IPv4":  {"127.0.0.1", "ES256"},
		"IPv6":  {"::1", "ES256"},
		"RS256": {"", "RS256"},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			op.issuer = pktokentest.NewIssuer(t, op.server.URL, c.alg)
			b := newBrowser()
			address := c.address
			if address == "::1" && !hasIPv6() {
				address = "127.0.0.1" // such a machine has to do with one family
			}
			if address != "" {
				b.dial = dialer(address)
			}
			flow, client := op.flow(b), newClient(t)
			result, err := flow.Login(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			page := <-b.page
			if page.err != nil || page.status != http.StatusOK || !strings.Contains(page.body, "alice@example.com") {
				t.Errorf("page: %+v", page)
			}
			if result.Verified.Subject() != "alice-1" || result.AccessToken != "hush-access" || result.RefreshToken != "hush-refresh" {
				t.Errorf("got subject %q, tokens %q and %q", result.Verified.Subject(), result.AccessToken, result.RefreshToken)
			}
			asHost := pktoken.Verifier{Providers: []pktoken.Provider{op.issuer.Provider()}, Keys: pktokentest.KeySet(t, op.issuer)}
			if _, err := asHost.Verify(t.Context(), result.Token); err != nil {
				t.Errorf("a host refuses: %v", err)
			}
			checkAuthorizationRequest(t, op.authorization, flow.Provider, client)
			if l, err := net.Listen("tcp", portOf(t, flow.Provider.RedirectURIs[0])); err != nil {
				t.Errorf("the port is still held: %v", err)
			} else {
				_ = l.Close()
			}
		})
	}
}

func checkAuthorizationRequest(t *testing.T, got url.Values, p login.Provider, client *pktoken.ClientInstance) {
	t.Helper()
	for name, want := range map[string]string{
		"response_type":         "code",
		"client_id":             p.ClientID,
		"redirect_uri":          p.RedirectURIs[0],
		"scope":                 strings.Join(p.Scopes, " "),
		"access_type":           p.AccessType,
		"prompt":                p.Prompt,
		"nonce":                 client.Commitment(),
		"code_challenge_method": "S256",
	} {
		if len(got[name]) != 1 || got.Get(name) != want {
			t.Errorf("%s: expected %q, got %q", name, want, got[name])
		}
	}
	for _, name := range []string{"state", "code_challenge"} {
		if len(got.Get(name)) != 43 {
			t.Errorf("%s: expected 32 bytes in base64url, got %q", name, got.Get(name))
		}
	}
	if len(got) != 10 {
		t.Errorf("expected 10 parameters, got %v", got)
	}
}

func TestLoginIsFreshEachTime(t *testing.T) {
	op := newOpenIDProvider(t)
	seen := map[string]bool{}
	for range 2 {
		b := newBrowser()
		flow := op.flow(b)
		flow.Provider.AccessType, flow.Provider.Prompt = "", ""
		if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"state", "code_challenge", "nonce"} {
			if value := op.authorization.Get(name); seen[value] {
				t.Errorf("%s %q again", name, value)
			} else {
				seen[value] = true
			}
		}
		if op.authorization.Has("access_type") || op.authorization.Has("prompt") {
			t.Errorf("empty parameters were sent: %v", op.authorization)
		}
	}
}

// Each way in which a login ends without a token.
func TestEndings(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the code went elsewhere") }))
	defer elsewhere.Close()
	answer := func(status int, contentType, body string) func(*openIDProvider) {
		return func(op *openIDProvider) {
			op.token = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", contentType)
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
				return true
			}
		}
	}
	response := func(change func(url.Values)) func(*openIDProvider) {
		return func(op *openIDProvider) { op.answer = change }
	}
	claims := func(c map[string]any) func(*openIDProvider) {
		return func(op *openIDProvider) { op.claims = c }
	}
	for name, c := range map[string]struct {
		change func(*openIDProvider)
		want   login.Code
		says   string         // the provider's error
		reason pktoken.Reason // of an ID token
	}{
		"refused": {response(func(q url.Values) {
			q.Del("code")
			q.Set("error", "access_denied")
		}), login.CodeRefused, "access_denied", ""},
		"provider error": {response(func(q url.Values) {
			q.Del("code")
			q.Set("error", "invalid_scope")
			q.Set("error_description", "no\x1b[31m such scope\u202e")
		}), login.CodeProvider, "invalid_scope", ""},
		"error beside a code":    {response(func(q url.Values) { q.Set("error", "server_error") }), login.CodeProvider, "server_error", ""},
		"empty error":            {response(func(q url.Values) { q.Set("error", "") }), login.CodeProvider, "", ""},
		"neither code nor error": {response(func(q url.Values) { q.Del("code") }), login.CodeProvider, "", ""},
		"empty code":             {response(func(q url.Values) { q.Set("code", "") }), login.CodeProvider, "", ""},
		"two codes":              {response(func(q url.Values) { q.Add("code", "other") }), login.CodeProvider, "", ""},
		"wrong state":            {response(func(q url.Values) { q.Set("state", strings.Repeat("A", 43)) }), login.CodeState, "", ""},
		"state with a tail":      {response(func(q url.Values) { q.Set("state", q.Get("state")+"A") }), login.CodeState, "", ""},
		"missing state":          {response(func(q url.Values) { q.Del("state") }), login.CodeState, "", ""},
		"empty state":            {response(func(q url.Values) { q.Set("state", "") }), login.CodeState, "", ""},
		"two states":             {response(func(q url.Values) { q.Add("state", "other") }), login.CodeState, "", ""},
		"error with wrong state": {response(func(q url.Values) { q.Set("error", "access_denied"); q.Set("state", "x") }), login.CodeState, "", ""},
		"wrong iss":              {response(func(q url.Values) { q.Set("iss", "https://other.example.com") }), login.CodeIssuer, "", ""},
		"empty iss":              {response(func(q url.Values) { q.Set("iss", "") }), login.CodeIssuer, "", ""},
		"two iss":                {response(func(q url.Values) { q.Add("iss", "https://other.example.com") }), login.CodeProvider, "", ""},
		"iss was promised": {func(op *openIDProvider) {
			op.metadata.AuthorizationResponseIss = true
			op.answer = func(q url.Values) { q.Del("iss") }
		}, login.CodeIssuer, "", ""},

		"invalid_grant": {answer(400, "application/json", `{"error":"invalid_grant","error_description":"gone","id_token":"hush-id"}`),
			login.CodeTokenEndpoint, "invalid_grant", ""},
		"error with status 200":  {answer(200, "application/json", `{"error":"slow_down","access_token":"hush-access"}`), login.CodeTokenEndpoint, "slow_down", ""},
		"status 500":             {answer(500, "text/html", `<h1>hush-code</h1>`), login.CodeTokenEndpoint, "", ""},
		"not JSON":               {answer(200, "application/json", `hush-access`), login.CodeTokenEndpoint, "", ""},
		"no access token":        {answer(200, "application/json", `{"id_token":"hush-id"}`), login.CodeTokenEndpoint, "", ""},
		"answer without end":     {answer(200, "application/json", `{"access_token":"`+strings.Repeat("hush", 1<<19)+`"}`), login.CodeTokenEndpoint, "", ""},
		"token endpoint is gone": {func(op *openIDProvider) { op.metadata.TokenEndpoint = "http://127.0.0.1:" + freePort(t) }, login.CodeTokenEndpoint, "", ""},
		"token endpoint redirects": {func(op *openIDProvider) {
			op.token = func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
				return true
			}
		}, login.CodeTokenEndpoint, "", ""},
		"client is unknown": {func(op *openIDProvider) {
			op.token = func(w http.ResponseWriter, _ *http.Request) bool {
				answerJSON(w, 401, map[string]any{"error": "invalid_client"})
				return true
			}
		}, login.CodeTokenEndpoint, "invalid_client", ""},

		"no ID token":           {func(op *openIDProvider) { op.members = func(m map[string]any) { delete(m, "id_token") } }, login.CodeNoIDToken, "", ""},
		"ID token is no string": {func(op *openIDProvider) { op.members = func(m map[string]any) { m["id_token"] = 7 } }, login.CodeNoIDToken, "", ""},
		"ID token is no JWT":    {func(op *openIDProvider) { op.members = func(m map[string]any) { m["id_token"] = "hush" } }, login.CodeIDToken, "", pktoken.ReasonMalformed},
		"wrong nonce":           {claims(map[string]any{"nonce": "other"}), login.CodeIDToken, "", pktoken.ReasonCommitment},
		"no nonce":              {claims(map[string]any{"nonce": nil}), login.CodeIDToken, "", pktoken.ReasonCommitment},
		"issued in the future":  {claims(map[string]any{"iat": time.Now().Add(time.Hour).Unix()}), login.CodeIDToken, "", pktoken.ReasonNotYetValid},
		"expired":               {claims(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), login.CodeIDToken, "", pktoken.ReasonExpired},
		"another client's":      {claims(map[string]any{"aud": "other"}), login.CodeIDToken, "", pktoken.ReasonAudience},
		"another issuer's":      {claims(map[string]any{"iss": "https://other.example.com"}), login.CodeIDToken, "", pktoken.ReasonUnknownIssuer},
		"signed by somebody else": {func(op *openIDProvider) {
			other := pktokentest.NewIssuer(op.t, op.issuer.URL, "ES256")
			op.idToken = func(_ string, c map[string]any) string { return other.IDToken(op.t, c) }
		}, login.CodeIDToken, "", pktoken.ReasonSignature},
		"an access token": {func(op *openIDProvider) {
			op.claims = map[string]any{"nonce": nil}
			op.idToken = func(jwt string, _ map[string]any) string { return op.withType(jwt, "at+jwt") }
		}, login.CodeIDToken, "", pktoken.ReasonCommitment},
		"a logout token": {func(op *openIDProvider) {
			op.idToken = func(jwt string, _ map[string]any) string { return op.withType(jwt, "logout+jwt") }
		}, login.CodeIDToken, "", pktoken.ReasonTokenType},
		"larger than a PK token": {claims(map[string]any{"groups": strings.Repeat("g", 128<<10)}), login.CodeIDToken, "", pktoken.ReasonTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			hints := map[pktoken.Reason]string{
				pktoken.ReasonNotYetValid: "clock", pktoken.ReasonTooLarge: "groups", pktoken.ReasonTokenType: "at+jwt",
			}
			op := newOpenIDProvider(t)
			c.change(op)
			b := newBrowser()
			flow := op.flow(b)
			_, err := flow.Login(t.Context(), newClient(t))
			e := endedWith(t, err, c.want)
			if e.ProviderError != c.says {
				t.Errorf("provider's error: expected %q, got %q", c.says, e.ProviderError)
			}
			reject := (*pktoken.RejectError)(nil)
			if errors.As(err, &reject); c.reason != "" && (reject == nil || reject.Reason != c.reason) {
				t.Errorf("expected %s, got %v", c.reason, err)
			}
			if hint, found := hints[c.reason]; found && !strings.Contains(e.Hint, hint) {
				t.Errorf("expected a hint with %q, got %q", hint, e.Hint)
			}
			page := <-b.page
			if page.err != nil || page.status != http.StatusBadRequest {
				t.Errorf("page: %+v", page)
			}
			for _, text := range []string{fmt.Sprintf("%v %+v %#v", err, err, e), page.body} {
				if strings.Contains(text, "hush") {
					t.Errorf("a secret in %q", text)
				}
				for _, verifier := range op.tokenForm["code_verifier"] {
					if strings.Contains(text, verifier) {
						t.Errorf("the verifier in %q", text)
					}
				}
				if strings.ContainsAny(text, "\x1b\u202e") {
					t.Errorf("control characters in %q", text)
				}
			}
		})
	}
}

// An ID token that calls itself an access token is accepted with the row that hosts need for it.
func TestIDTokenOfAccessTokenType(t *testing.T) {
	for typ, allowed := range map[string]bool{"JWT": false, "at+jwt": true, "AT+JWT": true} {
		op := newOpenIDProvider(t)
		op.idToken = func(jwt string, _ map[string]any) string { return op.withType(jwt, typ) }
		result, err := op.flow(newBrowser()).Login(t.Context(), newClient(t))
		if err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		if row := result.Verified.Provider(); row.AllowAccessTokenType != allowed {
			t.Errorf("%s: expected typ=at+jwt in the row %t, got %t", typ, allowed, row.AllowAccessTokenType)
		}
	}
}

// A public client names itself in the body; a secret goes where the provider wants it.
func TestClientAuthentication(t *testing.T) {
	for name, c := range map[string]struct {
		secret    string
		supported []string
		basic     bool
	}{
		"public":                         {"", nil, false},
		"public, provider offers basic":  {"", []string{"client_secret_basic"}, false},
		"secret":                         {"s3cret&", nil, true},
		"secret, both offered":           {"s3cret&", []string{"client_secret_post", "client_secret_basic"}, true},
		"secret, post alone":             {"s3cret&", []string{"client_secret_post"}, false},
		"secret, nothing that is usable": {"s3cret&", []string{"private_key_jwt"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			op.secret, op.metadata.TokenEndpointAuthMethodsSupported = c.secret, c.supported
			if c.basic {
				op.secret = url.QueryEscape(c.secret) // RFC 6749 §2.3.1: encoded before Basic encodes it again
			}
			flow := op.flow(newBrowser())
			flow.Provider.ClientSecret = c.secret
			if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
				t.Fatal(err)
			}
			if op.basicAuth != c.basic || op.tokenForm.Has("client_secret") != (c.secret != "" && !c.basic) {
				t.Errorf("HTTP Basic %t, form %v", op.basicAuth, op.tokenForm)
			}
			if !c.basic && op.tokenForm.Get("client_id") != pktokentest.ClientID {
				t.Errorf("no client_id in %v", op.tokenForm)
			}
			if op.authorization.Has("client_secret") {
				t.Error("the secret went through the browser")
			}
		})
	}
}

// The token endpoint is reached like all else of the provider.
func TestNetwork(t *testing.T) {
	op := newOpenIDProvider(t)
	private := httptest.NewUnstartedServer(http.HandlerFunc(op.serveToken))
	private.Config.ErrorLog = log.New(io.Discard, "", 0)
	private.StartTLS()
	defer private.Close()
	op.metadata.TokenEndpoint = private.URL
	flow := op.flow(newBrowser())
	_, err := flow.Login(t.Context(), newClient(t))
	wantCode(t, err, login.CodeTokenEndpoint)

	flow.Network.Roots = x509.NewCertPool()
	flow.Network.Roots.AddCert(private.Certificate())
	flow.OpenBrowser = newBrowser().open
	if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
		t.Error(err)
	}
}

func TestTimeout(t *testing.T) {
	op := newOpenIDProvider(t)
	flow := op.flow(nil)
	flow.Timeout = 20 * time.Millisecond
	flow.OpenBrowser = func(string) error { return nil } // and then it is closed
	_, err := flow.Login(t.Context(), newClient(t))
	wantCode(t, err, login.CodeTimeout)
}

func TestCancel(t *testing.T) {
	t.Run("while the person logs in", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		op := newOpenIDProvider(t)
		flow := op.flow(nil)
		flow.OpenBrowser = func(string) error { cancel(); return nil }
		_, err := flow.Login(ctx, newClient(t))
		wantCode(t, err, login.CodeCanceled)
	})
	t.Run("while the browser starts", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		op := newOpenIDProvider(t)
		flow := op.flow(nil)
		stop := make(chan struct{})
		defer close(stop)
		flow.OpenBrowser = func(string) error { cancel(); <-stop; return nil }
		_, err := flow.Login(ctx, newClient(t))
		wantCode(t, err, login.CodeCanceled)
	})
	t.Run("while the code is redeemed", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		op := newOpenIDProvider(t)
		op.token = func(_ http.ResponseWriter, r *http.Request) bool {
			cancel()
			<-r.Context().Done()
			return true
		}
		b := newBrowser()
		_, err := op.flow(b).Login(ctx, newClient(t))
		wantCode(t, err, login.CodeCanceled)
		if page := <-b.page; page.err != nil || page.status != http.StatusBadRequest {
			t.Errorf("page: %+v", page)
		}
	})
	t.Run("by the caller's deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		op := newOpenIDProvider(t)
		flow := op.flow(nil)
		flow.OpenBrowser = func(string) error { return nil }
		_, err := flow.Login(ctx, newClient(t))
		wantCode(t, err, login.CodeTimeout)
	})
}

func TestBrowserDoesNotStart(t *testing.T) {
	op := newOpenIDProvider(t)
	flow := op.flow(nil)
	flow.OpenBrowser = func(string) error { return errors.New("no browser") }
	_, err := flow.Login(t.Context(), newClient(t))
	wantCode(t, err, login.CodeBrowser)

	b := newBrowser()
	flow.ShowURL = func(url string) { go func() { _ = b.open(url) }() } // the person copies it
	if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
		t.Error(err)
	}
}

type failingDiscovery struct{}

func (failingDiscovery) Discover(context.Context, string) (*idp.Metadata, error) {
	return nil, &idp.Error{Reason: idp.ReasonNetwork}
}

func TestDiscoveryFails(t *testing.T) {
	op := newOpenIDProvider(t)
	flow := op.flow(newBrowser())
	flow.Discovery = failingDiscovery{}
	_, err := flow.Login(t.Context(), newClient(t))
	wantCode(t, err, login.CodeDiscovery)
	if cause := (*idp.Error)(nil); !errors.As(err, &cause) {
		t.Errorf("the cause is missing in %v", err)
	}

	for _, endpoint := range []*string{&op.metadata.AuthorizationEndpoint, &op.metadata.TokenEndpoint} {
		was := *endpoint
		*endpoint = ""
		_, err := op.flow(newBrowser()).Login(t.Context(), newClient(t))
		wantCode(t, err, login.CodeDiscovery)
		*endpoint = was
	}
}

func TestUnusableProvider(t *testing.T) {
	for name, change := range map[string]func(*login.Provider){
		"nothing":             func(p *login.Provider) { *p = login.Provider{} },
		"no client ID":        func(p *login.Provider) { p.ClientID = "" },
		"no scopes":           func(p *login.Provider) { p.Scopes = nil },
		"no redirect URI":     func(p *login.Provider) { p.RedirectURIs = nil },
		"remote redirect URI": func(p *login.Provider) { p.RedirectURIs = []string{"http://dev.example.com:3000/login-callback"} },
		"issuer by http":      func(p *login.Provider) { p.Issuer = "http://op.example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			flow := op.flow(newBrowser())
			change(&flow.Provider)
			flow.Discovery = nil // must not come that far
			_, err := flow.Login(t.Context(), newClient(t))
			wantCode(t, err, login.CodeConfiguration)
		})
	}
}

func wantCode(t *testing.T, err error, want login.Code) {
	t.Helper()
	_ = endedWith(t, err, want)
}

// endedWith gives the error if it has the code.
func endedWith(t *testing.T, err error, want login.Code) *login.Error {
	t.Helper()
	e := (*login.Error)(nil)
	if !errors.As(err, &e) || e.Code != want {
		t.Fatalf("expected %s, got %v", want, err)
	}
	return e
}

// dialer takes every name for an address.
func dialer(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, to string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(to)
		if err != nil {
			return nil, err
		}
		if host == "localhost" {
			to = net.JoinHostPort(address, port)
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func portOf(t *testing.T, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + u.Port()
}
