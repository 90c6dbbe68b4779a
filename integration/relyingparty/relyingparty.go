// Package relyingparty is a plain OpenID Connect client, to see what a provider really answers.
package relyingparty

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"opkssh/integration/loginform"
	"opkssh/integration/process"
	"opkssh/integration/provider"
)

// Greeting is what the callback page says after a login.
const Greeting = "you are logged in"

// Callback is a loopback page that a provider redirects to.
type Callback struct {
	RedirectURI string // http://localhost:PORT/login-callback
	queries     chan url.Values
}

// Listen serves a callback page until the test ends.
func Listen(t testing.TB) *Callback {
	t.Helper()
	c := &Callback{queries: make(chan url.Values, 16)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/login-callback" {
			http.NotFound(w, r) // a browser asks for more, such as an icon
			return
		}
		c.queries <- r.URL.Query()
		_, _ = fmt.Fprint(w, Greeting)
	}))
	t.Cleanup(server.Close)
	c.RedirectURI = strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/login-callback"
	return c
}

// Wait returns the query of the next redirect.
func (c *Callback) Wait(t testing.TB) url.Values {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), process.Patience)
	defer cancel()
	select {
	case query := <-c.queries:
		return query
	case <-ctx.Done():
		t.Fatal("expected a redirect to the callback, got none")
		return nil
	}
}

// Client is a public client of one provider.
type Client struct {
	Provider *provider.Provider
	Callback *Callback
	Config   oauth2.Config
	Verifier *oidc.IDTokenVerifier
	OP       *oidc.Provider

	// HTTP trusts the provider and has the cookies of its user.
	HTTP *http.Client
}

// New discovers the provider, with which callback's redirect URI must be registered.
func New(t testing.TB, p *provider.Provider, callback *Callback) *Client {
	t.Helper()
	c := &Client{Provider: p, Callback: callback, HTTP: p.HTTPClient()}
	t.Cleanup(c.HTTP.CloseIdleConnections)
	op, err := oidc.NewProvider(c.Context(t), p.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	c.OP = op
	c.Config = oauth2.Config{
		ClientID:    p.ClientID,
		Endpoint:    op.Endpoint(),
		RedirectURL: callback.RedirectURI,
		Scopes:      []string{"openid", "email", "groups", "offline_access"},
	}
	c.Config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	c.Verifier = op.Verifier(&oidc.Config{
		ClientID:             p.ClientID,
		SupportedSigningAlgs: []string{oidc.RS256, oidc.ES256, oidc.EdDSA, oidc.PS256},
	})
	return c
}

// Context carries the HTTP client to oauth2 and oidc.
func (c *Client) Context(t testing.TB) context.Context {
	return oidc.ClientContext(t.Context(), c.HTTP)
}

// Request is a login under way.
type Request struct {
	URL             string // the authorization URL
	State, Verifier string
}

// Begin makes an authorization request with PKCE S256, consent asked for, and this nonce.
func (c *Client) Begin(nonce string) Request {
	r := Request{State: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	r.URL = c.Config.AuthCodeURL(r.State,
		oidc.Nonce(nonce), oauth2.S256ChallengeOption(r.Verifier), oauth2.SetAuthURLParam("prompt", "consent"))
	return r
}

// Finish takes the callback's query, exchanges the code, and returns the tokens with the verified ID token.
func (c *Client) Finish(t testing.TB, r Request) (*oauth2.Token, *oidc.IDToken) {
	t.Helper()
	query := c.Callback.Wait(t)
	if got := query.Get("state"); got != r.State {
		t.Fatalf("callback: expected state %q, got %q", r.State, query)
	}
	token, err := c.Config.Exchange(c.Context(t), query.Get("code"), oauth2.VerifierOption(r.Verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token, c.Verify(t, token)
}

// Verify checks the signature, iss, aud and exp of the ID token among the tokens.
func (c *Client) Verify(t testing.TB, token *oauth2.Token) *oidc.IDToken {
	t.Helper()
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		t.Fatal("expected an id_token, got none")
	}
	idToken, err := c.Verifier.Verify(c.Context(t), raw)
	if err != nil {
		t.Fatal(err)
	}
	return idToken
}

// Login logs a user in at the provider's pages, with this nonce, and returns the tokens with the verified ID token.
func (c *Client) Login(t testing.TB, user provider.User, nonce string) (*oauth2.Token, *oidc.IDToken) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), process.Patience)
	defer cancel()
	request := c.Begin(nonce)
	page, err := loginform.Login(ctx, c.HTTP, request.URL, user.Name, user.Password)
	if err != nil {
		t.Fatal(err)
	}
	if page.Body != Greeting {
		t.Fatalf("expected the callback's own page, got %q", page.Body)
	}
	return c.Finish(t, request)
}
