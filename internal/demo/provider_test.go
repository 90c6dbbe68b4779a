package demo_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"opkssh/internal/demo"
	"opkssh/pkg/pktoken"
)

// users of every provider here.
var users = []demo.User{
	{Name: "alice", Password: "secret", Email: "alice@example.com", EmailVerified: true, Groups: []string{"ops", "web"}},
	{Name: "carol", Password: "<&'\">", Subject: "subject-3", Email: "carol@example.com"},
}

// party is a provider behind a server, and a client of it.
type party struct {
	*demo.Provider
	server   *httptest.Server
	http     *http.Client
	metadata map[string]any
	callback *httptest.Server
	answers  chan url.Values // to the callback
}

// newParty starts a provider, with change to its configuration. Its redirect URI is on loopback with any port.
func newParty(t *testing.T, tls bool, change func(*demo.ProviderConfig)) *party {
	t.Helper()
	p := &party{answers: make(chan url.Values, 1)}
	p.callback = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.answers <- r.URL.Query()
		_, _ = io.WriteString(w, "done")
	}))
	t.Cleanup(p.callback.Close)
	p.server = httptest.NewUnstartedServer(http.NotFoundHandler())
	t.Cleanup(p.server.Close)
	scheme, start := "http://", p.server.Start
	if tls {
		scheme, start = "https://", p.server.StartTLS
	}
	config := demo.ProviderConfig{Issuer: scheme + p.server.Listener.Addr().String(), ClientID: "client", Users: users}
	if change != nil {
		change(&config)
	}
	var err error
	if p.Provider, err = demo.NewProvider(config); err != nil {
		t.Fatal(err)
	}
	p.server.Config.Handler = p.Provider
	start()
	p.http = p.server.Client()
	p.metadata = p.get(t, "/.well-known/openid-configuration", "")
	return p
}

func (p *party) get(t *testing.T, path, bearer string) map[string]any {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Issuer()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := p.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var object map[string]any
	if err := json.NewDecoder(response.Body).Decode(&object); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: expected an object, got %s, %v", path, response.Status, err)
	}
	return object
}

func (p *party) oauth2(t *testing.T) *oauth2.Config {
	t.Helper()
	endpoint := func(name string) string {
		s, _ := p.metadata[name].(string)
		if !strings.HasPrefix(s, p.Issuer()+"/") {
			t.Fatalf("%s: expected an endpoint of %s, got %q", name, p.Issuer(), s)
		}
		return s
	}
	return &oauth2.Config{
		ClientID: "client", RedirectURL: p.callback.URL + "/login-callback",
		Scopes: []string{"openid", "email", "profile", "groups", "offline_access"},
		Endpoint: oauth2.Endpoint{
			AuthURL: endpoint("authorization_endpoint"), TokenURL: endpoint("token_endpoint"), AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

func (p *party) context(t *testing.T) context.Context {
	return context.WithValue(t.Context(), oauth2.HTTPClient, p.http)
}

// code logs user in and gives the code.
func (p *party) code(t *testing.T, user demo.User, options ...oauth2.AuthCodeOption) string {
	t.Helper()
	page := p.oauth2(t).AuthCodeURL("the-state", options...)
	if err := demo.FillLoginForm(t.Context(), p.http.Transport, page, user.Name, user.Password); err != nil {
		t.Fatal(err)
	}
	answer := <-p.answers
	if answer.Get("state") != "the-state" || answer.Get("code") == "" {
		t.Fatalf("expected state and code, got %v", answer)
	}
	return answer.Get("code")
}

// login logs user in and gives the token endpoint's answer.
func (p *party) login(t *testing.T, user demo.User) *oauth2.Token {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	code := p.code(t, user, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", "the-nonce"))
	token, err := p.oauth2(t).Exchange(p.context(t), code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (p *party) refresh(t *testing.T, refreshToken string) (*oauth2.Token, error) {
	t.Helper()
	return p.oauth2(t).TokenSource(p.context(t), &oauth2.Token{RefreshToken: refreshToken}).Token()
}

// claims verifies an ID token with the provider's present keys.
func (p *party) claims(t *testing.T, token *oauth2.Token) (claims map[string]any, kid string) {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(p.get(t, strings.TrimPrefix(p.metadata["jwks_uri"].(string), p.Issuer()), ""))
	if err != nil {
		t.Fatal(err)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(encoded, &keys); err != nil {
		t.Fatal(err)
	}
	payload, err := signed.Verify(&keys)
	if err != nil {
		t.Fatal(err)
	}
	if claims, err = pktoken.ParseObject(payload); err != nil {
		t.Fatal(err)
	}
	if len(keys.Keys) != 1 {
		t.Errorf("expected one key, got %d", len(keys.Keys))
	}
	return claims, signed.Signatures[0].Header.KeyID
}

// expectClaims compares in JSON form.
func expectClaims(t *testing.T, got map[string]any, want map[string]string) {
	t.Helper()
	for name, value := range want {
		encoded, err := json.Marshal(got[name])
		if err != nil {
			t.Fatal(err)
		}
		if string(encoded) != value {
			t.Errorf("%s: expected %s, got %s", name, value, encoded)
		}
	}
}

func seconds(t *testing.T, claims map[string]any, name string) int64 {
	t.Helper()
	number, _ := claims[name].(json.Number)
	n, err := number.Int64()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestDiscovery(t *testing.T) {
	p := newParty(t, false, nil)
	if p.metadata["issuer"] != p.Issuer() || p.ClientID() != "client" {
		t.Errorf("expected issuer %s, got %v", p.Issuer(), p.metadata["issuer"])
	}
	expectClaims(t, p.metadata, map[string]string{
		"code_challenge_methods_supported": `["S256"]`,
	})
}

func TestProviderLogin(t *testing.T) {
	for name, tls := range map[string]bool{"http on loopback": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			p := newParty(t, tls, nil)
			token := p.login(t, users[0])
			claims, _ := p.claims(t, token)
			expectClaims(t, claims, map[string]string{
				"iss": `"` + p.Issuer() + `"`, "aud": `["client"]`, "sub": `"alice"`, "nonce": `"the-nonce"`,
				"email": `"alice@example.com"`, "email_verified": "true", "groups": `["ops","web"]`, "preferred_username": `"alice"`,
			})
			if life := seconds(t, claims, "exp") - seconds(t, claims, "iat"); life != int64(demo.DefaultIDTokenLifetime/time.Second) {
				t.Errorf("expected a life of %s, got %d s", demo.DefaultIDTokenLifetime, life)
			}
			info := p.get(t, strings.TrimPrefix(p.metadata["userinfo_endpoint"].(string), p.Issuer()), token.AccessToken)
			expectClaims(t, info, map[string]string{"sub": `"alice"`, "email": `"alice@example.com"`, "groups": `["ops","web"]`})
		})
	}
}

func TestUserWithoutVerifiedEmail(t *testing.T) {
	p := newParty(t, false, func(c *demo.ProviderConfig) { c.IDTokenLifetime = 90 * time.Second })
	claims, _ := p.claims(t, p.login(t, users[1]))
	verified, has := claims["email_verified"]
	if has && verified != false {
		t.Errorf("expected email_verified false or absent, got %v", verified)
	}
	expectClaims(t, claims, map[string]string{"sub": `"subject-3"`, "email": `"carol@example.com"`})
	if life := seconds(t, claims, "exp") - seconds(t, claims, "iat"); life != 90 {
		t.Errorf("expected a life of 90 s, got %d s", life)
	}
}

func TestRefreshAndRotation(t *testing.T) {
	p := newParty(t, false, nil)
	first := p.login(t, users[0])
	_, oldKey := p.claims(t, first)
	if err := p.RotateKey(); err != nil {
		t.Fatal(err)
	}
	second, err := p.refresh(t, first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	claims, newKey := p.claims(t, second)
	if oldKey == newKey {
		t.Errorf("expected a new key, got %s again", newKey)
	}
	expectClaims(t, claims, map[string]string{"sub": `"alice"`, "aud": `["client"]`, "email": `"alice@example.com"`, "groups": `["ops","web"]`})
	if nonce, has := claims["nonce"]; has {
		t.Errorf("expected no nonce in a refreshed ID token, got %v", nonce)
	}
	if _, err := p.refresh(t, first.RefreshToken); err == nil {
		t.Error("expected a refresh token to be good once")
	}
	if _, err := p.refresh(t, second.RefreshToken); err != nil {
		t.Errorf("expected the new refresh token to be good, got %v", err)
	}
}

func TestCodeIsForItsClientAlone(t *testing.T) {
	p := newParty(t, false, nil)
	verifier := oauth2.GenerateVerifier()
	exchange := func(code, verifier string) error {
		_, err := p.oauth2(t).Exchange(p.context(t), code, oauth2.VerifierOption(verifier))
		return err
	}
	challenge := oauth2.S256ChallengeOption(verifier)
	if err := exchange(p.code(t, users[0], challenge), oauth2.GenerateVerifier()); err == nil {
		t.Error("another verifier: expected an error")
	}
	if err := exchange(p.code(t, users[0]), verifier); err == nil {
		t.Error("no challenge: expected an error")
	}
	code := p.code(t, users[0], challenge)
	if err := exchange(code, verifier); err != nil {
		t.Error(err)
	}
	if err := exchange(code, verifier); err == nil {
		t.Error("used code: expected an error")
	}
	config := p.oauth2(t)
	config.ClientSecret = "guessed"
	config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if _, err := config.Exchange(p.context(t), p.code(t, users[0]), oauth2.VerifierOption(verifier)); err == nil {
		t.Error("client secret and no challenge: expected an error")
	}
}

func TestRedirectURIs(t *testing.T) {
	p := newParty(t, false, func(c *demo.ProviderConfig) { c.RedirectURIs = []string{"http://localhost/other"} })
	for uri, good := range map[string]bool{
		"http://localhost:3000/login-callback":   true,
		"http://localhost:10001/login-callback":  true,
		"http://localhost:11110/login-callback":  true,
		"http://localhost:4711/other":            true,
		"http://127.0.0.1:4711/login-callback":   true,
		"http://[::1]:4711/login-callback":       true,
		"http://localhost:4711/elsewhere":        false,
		"http://example.com:3000/login-callback": false,
		"https://example.com/login-callback":     false,
	} {
		config := p.oauth2(t)
		config.RedirectURL = uri
		status, body := p.page(t, http.MethodGet, config.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())), nil)
		if shown := status == http.StatusOK && strings.Contains(body, "<form"); shown != good {
			t.Errorf("%s: expected a form %t, got status %d", uri, good, status)
		}
	}
}

// page is a page, and what its headers say is held against what every page needs.
func (p *party) page(t *testing.T, method, target string, form url.Values) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := p.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Request.URL.Path == "/login" && response.StatusCode != http.StatusMethodNotAllowed {
		for header, part := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": "charset=utf-8",
		} {
			if !strings.Contains(response.Header.Get(header), part) {
				t.Errorf("%s: expected %s, got %q", header, part, response.Header.Get(header))
			}
		}
	}
	return response.StatusCode, string(data)
}

func TestLoginForm(t *testing.T) {
	p := newParty(t, false, nil)
	page := p.oauth2(t).AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := p.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	form := response.Request.URL
	fields := func(id, name, password string) url.Values {
		return url.Values{"id": {id}, "username": {name}, "password": {password}}
	}
	id := form.Query().Get("id")
	for name, test := range map[string]struct {
		method string
		form   url.Values
		status int
		absent string
	}{
		"the form":               {method: http.MethodGet, status: http.StatusOK},
		"wrong password":         {method: http.MethodPost, form: fields(id, "alice", "guessed"), status: http.StatusUnauthorized},
		"another one's password": {method: http.MethodPost, form: fields(id, "alice", users[1].Password), status: http.StatusUnauthorized},
		"no password":            {method: http.MethodPost, form: fields(id, "alice", ""), status: http.StatusUnauthorized},
		"nobody":                 {method: http.MethodPost, form: fields(id, "", ""), status: http.StatusUnauthorized},
		"no such login":          {method: http.MethodPost, form: fields("guessed", "alice", "secret"), status: http.StatusNotFound},
		"name with markup":       {method: http.MethodPost, form: fields(id, "<script>", "x"), status: http.StatusUnauthorized, absent: "<script>"},
		"huge form":              {method: http.MethodPost, form: fields(id, "alice", strings.Repeat("x", 1<<20)), status: http.StatusNotFound},
		"other method":           {method: http.MethodDelete, status: http.StatusMethodNotAllowed},
	} {
		target := p.Issuer() + "/login"
		if test.form == nil {
			target = form.String()
		}
		status, body := p.page(t, test.method, target, test.form)
		if status != test.status || test.absent != "" && strings.Contains(body, test.absent) {
			t.Errorf("%s: expected status %d, got %d\n%s", name, test.status, status, body)
		}
	}
	if status, _ := p.page(t, http.MethodGet, p.Issuer()+"/login?id=guessed", nil); status != http.StatusNotFound {
		t.Errorf("form of no login: expected status 404, got %d", status)
	}
	if len(p.answers) != 0 {
		t.Error("expected no answer to the client")
	}
}

func TestFillLoginForm(t *testing.T) {
	p := newParty(t, false, nil)
	page := p.oauth2(t).AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
	for name, password := range map[string]string{"alice": "guessed", "mallory": "secret"} {
		if err := demo.FillLoginForm(t.Context(), nil, page, name, password); err == nil {
			t.Errorf("%s, %s: expected an error", name, password)
		}
	}
	if err := demo.FillLoginForm(t.Context(), nil, p.callback.URL, "alice", "secret"); err == nil {
		t.Error("page without a form: expected an error")
	}
	<-p.answers
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := demo.FillLoginForm(ctx, nil, page, "alice", "secret"); err == nil {
		t.Error("canceled: expected an error")
	}
}

func TestNewProviderRefuses(t *testing.T) {
	good := demo.ProviderConfig{Issuer: "https://op.example.com", ClientID: "client", Users: users}
	if _, err := demo.NewProvider(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*demo.ProviderConfig){
		"no issuer":             func(c *demo.ProviderConfig) { c.Issuer = "" },
		"http elsewhere":        func(c *demo.ProviderConfig) { c.Issuer = "http://op.example.com" },
		"issuer with a path":    func(c *demo.ProviderConfig) { c.Issuer += "/path" },
		"issuer that is no URL": func(c *demo.ProviderConfig) { c.Issuer = "https://[" },
		"no client":             func(c *demo.ProviderConfig) { c.ClientID = "" },
		"no users":              func(c *demo.ProviderConfig) { c.Users = nil },
	} {
		config := good
		config.Users = slices.Clone(users)
		change(&config)
		if _, err := demo.NewProvider(config); err == nil {
			t.Errorf("%s: expected an error", name)
		}
	}
}
