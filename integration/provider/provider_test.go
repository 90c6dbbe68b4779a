package provider_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"opkssh/integration/provider"
	"opkssh/integration/relyingparty"
)

// claims are those that a policy decides on.
type claims struct {
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
	Groups        []string `json:"groups"`
}

// start runs a provider with a client whose callback is registered there.
func start(t *testing.T, kind provider.Kind, opts ...provider.Option) (*provider.Provider, *relyingparty.Client) {
	t.Helper()
	callback := relyingparty.Listen(t)
	p := provider.Start(t, kind, append(opts, provider.WithRedirectURI(callback.RedirectURI))...)
	return p, relyingparty.New(t, p, callback)
}

// keyIDs are the key IDs in the provider's JWKS.
func keyIDs(t *testing.T, c *relyingparty.Client) []string {
	t.Helper()
	var metadata struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := c.OP.Claims(&metadata); err != nil {
		t.Fatal(err)
	}
	resp, err := c.HTTP.Get(metadata.JWKS)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var keys jose.JSONWebKeySet
	if err := json.NewDecoder(resp.Body).Decode(&keys); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, key := range keys.Keys {
		ids = append(ids, key.KeyID)
	}
	return ids
}

// signature returns the header of the ID token's signature.
func signature(t *testing.T, raw any) jose.Header {
	t.Helper()
	token, err := jose.ParseSignedCompact(raw.(string), []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA, jose.PS256})
	if err != nil {
		t.Fatal(err)
	}
	return token.Signatures[0].Header
}

func TestLogin(t *testing.T) {
	for _, kind := range provider.Kinds {
		for _, alg := range kind.Algorithms() {
			t.Run(string(kind)+"/"+alg, func(t *testing.T) {
				t.Parallel()
				p, c := start(t, kind, provider.WithAlgorithm(alg), provider.WithIDTokenLifetime(1234*time.Second))
				alice := p.User(t, "alice")

				token, idToken := c.Login(t, alice, "nonce-of-alice")

				if idToken.Nonce != "nonce-of-alice" {
					t.Errorf("expected the nonce of the request, got %q", idToken.Nonce)
				}
				if !slices.Equal(idToken.Audience, []string{p.ClientID}) {
					t.Errorf("expected audience %q, got %q", p.ClientID, idToken.Audience)
				}
				if alice.Subject != "" && idToken.Subject != alice.Subject || idToken.Subject == "" {
					t.Errorf("expected subject %q, got %q", alice.Subject, idToken.Subject)
				}
				if got := idToken.Expiry.Sub(idToken.IssuedAt); got != 1234*time.Second {
					t.Errorf("expected a lifetime of 1234 s, got %v", got)
				}
				if got := signature(t, token.Extra("id_token")).Algorithm; got != alg {
					t.Errorf("expected algorithm %s, got %s", alg, got)
				}
				var got claims
				if err := idToken.Claims(&got); err != nil {
					t.Fatal(err)
				}
				if got.Email != alice.Email || got.EmailVerified != alice.EmailVerified || !slices.Equal(got.Groups, alice.Groups) {
					t.Errorf("expected the claims of %+v, got %+v", alice, got)
				}
			})
		}
	}
}

func TestTwoUsers(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p, alice := start(t, kind)
			bob := relyingparty.New(t, p, alice.Callback)
			_, aliceToken := alice.Login(t, p.User(t, "alice"), "nonce-1")
			_, bobToken := bob.Login(t, p.User(t, "bob"), "nonce-2")
			if aliceToken.Subject == bobToken.Subject {
				t.Errorf("expected two subjects, got %q twice", bobToken.Subject)
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p, c := start(t, kind)
			token, _ := c.Login(t, p.User(t, "alice"), "nonce-of-alice")
			if token.RefreshToken == "" {
				t.Fatal("expected a refresh token, got none")
			}
			token.Expiry = time.Now().Add(-time.Hour)

			refreshed, err := c.Config.TokenSource(c.Context(t), token).Token()
			if err != nil {
				t.Fatal(err)
			}

			if !kind.Refreshes() {
				if refreshed.Extra("id_token") != nil {
					t.Error("expected no new ID token, got one")
				}
				return
			}
			idToken := c.Verify(t, refreshed)
			if want := map[provider.Kind]string{provider.OIDCProvider: "nonce-of-alice", provider.Zitadel: ""}[kind]; idToken.Nonce != want {
				t.Errorf("expected nonce %q, got %q", want, idToken.Nonce)
			}
		})
	}
}

func TestRotateKeys(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p, c := start(t, kind)
			token, _ := c.Login(t, p.User(t, "alice"), "nonce-1")
			before := signature(t, token.Extra("id_token")).KeyID

			p.RotateKeys(t)

			if ids := keyIDs(t, c); slices.Contains(ids, before) || len(ids) != 1 {
				t.Errorf("expected one new key instead of %q, got %q", before, ids)
			}
			token, _ = c.Login(t, p.User(t, "alice"), "nonce-2")
			if after := signature(t, token.Extra("id_token")).KeyID; after == before {
				t.Errorf("expected another key than %q", before)
			}
			if !kind.Refreshes() {
				return
			}
			token.Expiry = time.Now().Add(-time.Hour)
			if _, err := c.Config.TokenSource(c.Context(t), token).Token(); err != nil {
				t.Errorf("expected refresh tokens to outlive a key, got %v", err)
			}
		})
	}
}

func TestStopAndRestart(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p, c := start(t, kind)
			c.Login(t, p.User(t, "alice"), "nonce-1")

			p.Stop(t)
			resp, err := c.HTTP.Get(p.Issuer + "/.well-known/openid-configuration")
			if err == nil {
				_ = resp.Body.Close()
				t.Fatalf("expected no connection, got %s", resp.Status)
			}

			p.Restart(t)
			c.Login(t, p.User(t, "alice"), "nonce-2")
		})
	}
}

func TestRequests(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p, c := start(t, kind)
			c.Login(t, p.User(t, "alice"), "nonce-1")
			got := p.Requests()
			if got.Discovery != 1 || got.JWKS != 1 || got.Token != 1 || got.Authorization == 0 {
				t.Errorf("expected one discovery, JWKS and token request, got %+v", got)
			}
			p.ResetRequests()
			if got := p.Requests(); len(got.Paths) != 0 {
				t.Errorf("expected no requests, got %+v", got)
			}
		})
	}
}

func TestOnlyRegisteredRedirectURIs(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := provider.Start(t, kind)
			c := relyingparty.New(t, p, relyingparty.Listen(t))
			for redirectURI, want := range map[string]bool{
				"http://localhost:3000/login-callback":  true,
				"http://localhost:10001/login-callback": true,
				"http://localhost:11110/login-callback": true,
				"http://localhost:54321/login-callback": kind.AnyLoopbackPort(),
				"http://localhost:3000/other":           false,
				"https://evil.example.com/":             false,
			} {
				c.Config.RedirectURL = redirectURI
				client := *c.HTTP
				client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				resp, err := client.Get(c.Begin("nonce").URL)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				// A good request is sent on to the provider's own login page.
				location := resp.Header.Get("Location")
				got := location != "" && !strings.Contains(location, "error=")
				if got != want {
					t.Errorf("%s: expected accepted %v, got %s to %q", redirectURI, want, resp.Status, location)
				}
			}
		})
	}
}
