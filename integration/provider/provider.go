// Package provider starts real OpenID providers on loopback, each behind a TLS front that counts requests.
//
// The three implementations differ where a client may assume too much: the form of aud, the typ of the ID token, refresh, nonces.
package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"
)

// Kind is an implementation of OpenID Connect.
type Kind string

// The implementations.
const (
	// OIDCProvider is oidc-provider, in Node.
	OIDCProvider Kind = "oidc-provider"
	// Zitadel is zitadel/oidc's op package. It runs in the test's own process.
	Zitadel Kind = "zitadel"
	// Glewlwyd is glewlwyd, in C.
	Glewlwyd Kind = "glewlwyd"
)

// Kinds are all implementations.
var Kinds = []Kind{OIDCProvider, Zitadel, Glewlwyd}

// Algorithms are the JWS algorithms with which a provider of this kind can sign ID tokens.
func (k Kind) Algorithms() []string {
	if k == Zitadel {
		return []string{"RS256"}
	}
	return []string{"RS256", "ES256", "EdDSA", "PS256"}
}

// AnyLoopbackPort reports whether the provider accepts a registered loopback redirect URI with another port (RFC 8252, section 7.3).
func (k Kind) AnyLoopbackPort() bool { return k != Glewlwyd }

// Refreshes reports whether a refresh at this provider gives a new ID token.
func (k Kind) Refreshes() bool { return k != Glewlwyd }

// clientID is the public client that every provider knows.
const clientID = "opkssh"

// defaultRedirectURIs are registered with every provider.
var defaultRedirectURIs = []string{
	"http://localhost:3000/login-callback",
	"http://localhost:10001/login-callback",
	"http://localhost:11110/login-callback",
}

// User is somebody who can log in. The members end up in ID tokens under their JSON names.
type User struct {
	Name          string   `json:"name"`
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
	Groups        []string `json:"groups"`

	// Subject is the sub claim; empty where the provider makes it up at the first login.
	Subject  string `json:"-"`
	Password string `json:"-"`
}

func defaultUsers() []User {
	return []User{
		{
			Name: "alice", Email: "alice@example.com", EmailVerified: true, Groups: []string{"ssh-users", "ops"},
			Subject: "alice", Password: "alice-password",
		},
		{
			Name: "bob", Email: "bob@example.com", EmailVerified: true, Groups: []string{"guests"},
			Subject: "bob", Password: "bob-password",
		},
	}
}

type options struct {
	algorithm       string
	idTokenLifetime time.Duration
	redirectURIs    []string
	users           []User
}

// Option changes how a provider is started.
type Option func(*options)

// WithAlgorithm makes the provider sign ID tokens with alg, one of Kind.Algorithms; RS256 without it.
func WithAlgorithm(alg string) Option { return func(o *options) { o.algorithm = alg } }

// WithIDTokenLifetime sets the time from iat to exp, in whole seconds; an hour without it.
func WithIDTokenLifetime(d time.Duration) Option {
	return func(o *options) { o.idTokenLifetime = d }
}

// WithRedirectURI registers one more redirect URI.
func WithRedirectURI(uri string) Option {
	return func(o *options) { o.redirectURIs = append(o.redirectURIs, uri) }
}

// WithUser adds somebody who can log in.
func WithUser(u User) Option { return func(o *options) { o.users = append(o.users, u) } }

// Provider is a running provider with the public client ClientID and the users alice and bob.
type Provider struct {
	Kind     Kind
	Issuer   string // https://localhost:PORT, with a path at Glewlwyd
	ClientID string
	CAFile   string // the certificate authority to trust, PEM

	front  *front
	users  []User
	roots  *x509.CertPool
	rotate func(t testing.TB)
	paths  endpoints
}

// endpoints are the paths that the discovery document names.
type endpoints struct {
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	JWKS          string `json:"jwks_uri"`
	Userinfo      string `json:"userinfo_endpoint"`
	Device        string `json:"device_authorization_endpoint"`
}

// Start runs a provider until the test ends.
func Start(t testing.TB, kind Kind, opts ...Option) *Provider {
	t.Helper()
	o := options{
		algorithm:       "RS256",
		idTokenLifetime: time.Hour,
		redirectURIs:    slices.Clone(defaultRedirectURIs),
		users:           defaultUsers(),
	}
	for _, opt := range opts {
		opt(&o)
	}
	if !slices.Contains(kind.Algorithms(), o.algorithm) {
		t.Fatalf("expected an algorithm of %s, got %q", kind, o.algorithm)
	}

	ca := newAuthority(t)
	p := &Provider{Kind: kind, ClientID: clientID, CAFile: ca.file, roots: ca.roots, users: o.users}
	p.front = newFront(t, ca.leaf)
	origin := "https://localhost:" + p.front.port()
	switch kind {
	case OIDCProvider:
		p.Issuer = origin
		startOIDCProvider(t, p, o)
	case Zitadel:
		p.Issuer = origin
		startZitadel(t, p, o)
	case Glewlwyd:
		p.Issuer = origin + "/api/oidc"
		startGlewlwyd(t, p, o)
	default:
		t.Fatalf("expected one of %v, got %q", Kinds, kind)
	}
	p.readEndpoints(t)
	return p
}

// User finds a user by name, and fails the test where there is none.
func (p *Provider) User(t testing.TB, name string) User {
	t.Helper()
	for _, u := range p.users {
		if u.Name == name {
			return u
		}
	}
	t.Fatalf("expected a user of the provider, got %q", name)
	return User{}
}

// HTTPClient returns a client that trusts the provider's certificate authority alone, with connections of its own.
func (p *Provider) HTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots, MinVersion: tls.VersionTLS12}},
		Timeout:   60 * time.Second,
	}
}

// RotateKeys makes the provider sign with a new key from now on. The old key leaves the JWKS at once; sessions and refresh tokens stay.
func (p *Provider) RotateKeys(t testing.TB) {
	t.Helper()
	p.rotate(t)
}

// Stop makes the provider unreachable: its port refuses connections, and open ones are closed. The port stays reserved.
// Behind it the provider keeps its keys, sessions and tokens.
func (p *Provider) Stop(t testing.TB) {
	t.Helper()
	p.front.stop(t)
}

// Restart makes a stopped provider reachable again, at the same address.
func (p *Provider) Restart(t testing.TB) {
	t.Helper()
	p.front.start(t)
}

// Requests counts the requests since the start, or since ResetRequests.
type Requests struct {
	Discovery, JWKS, Authorization, Token, Userinfo, Device int

	// Paths counts all requests by URL path.
	Paths map[string]int
}

// Requests returns the requests that have arrived since the provider was ready, or since ResetRequests.
func (p *Provider) Requests() Requests {
	paths := p.front.counts()
	issuer, err := url.Parse(p.Issuer)
	if err != nil {
		panic(fmt.Sprintf("issuer: %v", err))
	}
	return Requests{
		Discovery:     paths[issuer.Path+"/.well-known/openid-configuration"],
		JWKS:          paths[p.paths.JWKS],
		Authorization: paths[p.paths.Authorization],
		Token:         paths[p.paths.Token],
		Userinfo:      paths[p.paths.Userinfo],
		Device:        paths[p.paths.Device],
		Paths:         paths,
	}
}

// ResetRequests starts counting from zero.
func (p *Provider) ResetRequests() { p.front.resetCounts() }

// readEndpoints reads the discovery document, which also shows that the provider is ready, and starts counting from zero.
func (p *Provider) readEndpoints(t testing.TB) {
	t.Helper()
	client := p.HTTPClient()
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("discovery: expected status 200, got %s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&p.paths); err != nil {
		t.Fatalf("discovery: %v", err)
	}
	for _, endpoint := range []*string{
		&p.paths.Authorization, &p.paths.Token, &p.paths.JWKS, &p.paths.Userinfo, &p.paths.Device,
	} {
		u, err := url.Parse(*endpoint)
		if err != nil {
			t.Fatalf("discovery: %v", err)
		}
		*endpoint = u.Path
	}
	p.front.resetCounts()
}
