package demo

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

// DefaultIDTokenLifetime is the time from `iat` to `exp` where a [ProviderConfig] does not say.
const DefaultIDTokenLifetime = time.Hour

// ProviderConfig is what a [Provider] is told. Issuer, ClientID and Users are required.
type ProviderConfig struct {
	Issuer   string // without a path; http is for loopback
	ClientID string // a public client: PKCE and no secret
	Users    []User

	// RedirectURIs are registered beside those of the client's default, http://localhost:3000/login-callback and so on.
	// Loopback ones are good with any port and either name of the host.
	RedirectURIs []string
	// IDTokenLifetime is in whole seconds; 0 is DefaultIDTokenLifetime.
	IDTokenLifetime time.Duration
}

// Provider is an OpenID provider in memory, with a login form of its own: authorization code with PKCE, refresh tokens,
// userinfo. It signs with RS256. It is an [http.Handler] for whatever listens at the issuer's address.
type Provider struct {
	config  ProviderConfig
	storage *storage
	handler http.Handler
}

var defaultRedirectURIs = []string{
	"http://localhost:3000/login-callback",
	"http://localhost:10001/login-callback",
	"http://localhost:11110/login-callback",
}

// NewProvider makes a provider with a fresh key.
func NewProvider(config ProviderConfig) (*Provider, error) {
	if config.ClientID == "" || len(config.Users) == 0 {
		return nil, errors.New("provider: expected a client ID and users, got none")
	}
	if config.IDTokenLifetime == 0 {
		config.IDTokenLifetime = DefaultIDTokenLifetime
	}
	s, err := newStorage(client{
		id:              config.ClientID,
		redirectURIs:    slices.Concat(defaultRedirectURIs, config.RedirectURIs),
		idTokenLifetime: config.IDTokenLifetime,
	}, slices.Clone(config.Users))
	if err != nil {
		return nil, err
	}
	options := []op.Option{op.WithLogger(slog.New(slog.DiscardHandler)), op.WithCORSOptions(nil)}
	if u, err := url.Parse(config.Issuer); err != nil || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("provider: expected an issuer URL without a path, got " + config.Issuer)
	} else if _, loopback := op.HTTPLoopbackOrLocalhost(config.Issuer); loopback && u.Scheme == "http" {
		options = append(options, op.WithAllowInsecure())
	}
	var cryptoKey [32]byte
	_, _ = rand.Read(cryptoKey[:]) // crypto/rand never fails
	provider, err := op.NewProvider(&op.Config{
		CryptoKey:             cryptoKey,
		CodeMethodS256:        true,
		GrantTypeRefreshToken: true,
		SupportedScopes:       []string{"openid", "email", "profile", scopeGroups, "offline_access"},
		SupportedUILocales:    []language.Tag{language.English},
	}, s, op.StaticIssuer(config.Issuer), options...)
	if err != nil {
		return nil, err
	}
	page := &loginPage{storage: s, next: op.AuthCallbackURL(provider)}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.Handle(loginPath, op.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(page))
	return &Provider{config: config, storage: s, handler: mux}, nil
}

// ServeHTTP implements [http.Handler].
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Issuer is the provider's name in tokens.
func (p *Provider) Issuer() string { return p.config.Issuer }

// ClientID is the public client.
func (p *Provider) ClientID() string { return p.config.ClientID }

// RotateKey makes the provider sign with a new key. The old one leaves the key set at once; refresh tokens stay good.
func (p *Provider) RotateKey() error { return p.storage.rotateKey() }
