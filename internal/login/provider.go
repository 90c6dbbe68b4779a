package login

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"opkssh/internal/idp"
)

// WebChooser in the place of an alias lets the person choose among the providers.
const WebChooser = "webchooser"

// Provider is an OpenID provider as a client knows it.
type Provider struct {
	Aliases  []string // names for the command line; none for a provider that was given there
	Issuer   string   // https, or http with a loopback host
	ClientID string
	// ClientSecret is for providers that insist on one. It is no secret in a program that people install.
	ClientSecret string
	Scopes       []string // openid among them
	AccessType   string   // Google's parameter access_type; "" leaves it out
	Prompt       string   // OpenID Connect Core §3.1.2.1; "" leaves it out
	// RedirectURIs are http URLs with a loopback host and a port to listen on. The first free one is used.
	RedirectURIs []string
	// RemoteRedirectURI is sent to the provider in the place of the redirect URI, if not empty. Whatever is there forwards
	// to the redirect URI's port.
	RemoteRedirectURI string
	// SendAccessToken: hosts get the access token too, and may ask for userinfo with it.
	SendAccessToken bool
	// CAFile names a file with certificates, PEM, of authorities that are trusted for this provider beside the system's; "" is none.
	// A configuration's is as it is written there.
	CAFile string
	// ExpiresIn is how long certificates from this provider last.
	ExpiresIn Lifetime
	// AddToAgent is what a login does with an ssh-agent, and AgentConfirm has that ask before each use of the key.
	AddToAgent   AgentUse
	AgentConfirm bool
	// AgentLifetime is the most that an agent keeps its keys. No provider of a configuration has one: see [Config].
	AgentLifetime AgentLifetime
	// Flow is how to log in there; "" leaves it to the configuration.
	Flow FlowKind
	// KeyBinding asks for an ID token with the user's key in it (OpenID Connect Key Binding 1.0), for hosts whose row for the
	// provider says commitment=cnf.
	KeyBinding bool
	// Hosts are patterns of ssh_config(5) for the hosts that this provider's keys are for: see [Config.ForHost].
	Hosts []string
	// Refresh: hosts accept a key for as long as it gets refreshed ID tokens (oidc_refreshed in their providers file). A login
	// asks for a refresh token, and certificates end with the newest ID token.
	Refresh bool
	// Source gives the ID token in the place of a person: see [Job]. It is nil for every provider of a configuration.
	Source IDTokenSource
}

func defaultProvider() Provider {
	return Provider{
		Scopes:     []string{"openid", "profile", "email"},
		AccessType: "offline",
		Prompt:     "consent",
		RedirectURIs: []string{
			"http://localhost:3000/login-callback",
			"http://localhost:10001/login-callback",
			"http://localhost:11110/login-callback",
		},
	}
}

// Find gives the provider that has the alias. The error is an [*Error] that lists the aliases there are.
func Find(providers []Provider, alias string) (Provider, error) {
	var known []string
	for _, p := range providers {
		if slices.Contains(p.Aliases, alias) {
			return p, nil
		}
		known = append(known, p.Aliases...)
	}
	return Provider{}, &Error{
		Code:     CodeUnknownProvider,
		Detail:   "no provider has this alias",
		Expected: strings.Join(known, ", "),
		Got:      printable(alias, 100),
	}
}

// check looks at everything but the aliases.
func (p Provider) check() error {
	if err := idp.CheckIssuer(p.Issuer); err != nil {
		return err
	}
	if err := checkClientID(p.ClientID); err != nil {
		return err
	}
	if err := checkScopes(p.Scopes); err != nil {
		return err
	}
	// config.yml can hold nothing else. The secret is not repeated.
	if !utf8.ValidString(p.Issuer) || !utf8.ValidString(p.ClientSecret) || !utf8.ValidString(p.CAFile) {
		return errors.New("issuer, client secret and CA file: expected UTF-8")
	}
	if len(p.RedirectURIs) == 0 {
		return errors.New("redirect URIs: expected at least one")
	}
	for _, uri := range p.RedirectURIs {
		if err := checkRedirectURI(uri); err != nil {
			return err
		}
	}
	if p.RemoteRedirectURI != "" {
		return checkRemoteRedirectURI(p.RemoteRedirectURI)
	}
	return nil
}

func checkAlias(alias string) error {
	switch {
	case strings.EqualFold(alias, WebChooser):
		return fmt.Errorf("alias %q is reserved", alias)
	case strings.HasPrefix(alias, "-"):
		return fmt.Errorf("alias %q starts like a flag", alias)
	case !utf8.ValidString(alias):
		return fmt.Errorf("alias %q: expected UTF-8", alias)
	case strings.ContainsFunc(alias, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(" ,;", r) }):
		return fmt.Errorf("alias %q has a character that the command line or OPKSSH_PROVIDERS cannot hold", alias)
	}
	return nil
}

// checkClientID: RFC 6749 appendix A.1.
func checkClientID(id string) error {
	if id == "" {
		return errors.New("client ID: expected one, got nothing")
	}
	if strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Errorf("client ID: expected printable ASCII, got %+q", id)
	}
	return nil
}

// checkScopes: RFC 6749 §3.3, OpenID Connect Core §3.1.2.1.
func checkScopes(scopes []string) error {
	for _, s := range scopes {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			return fmt.Errorf("scopes: expected printable ASCII without blank, quote and backslash, got %+q", s)
		}
	}
	if !slices.Contains(scopes, "openid") {
		return fmt.Errorf("scopes: expected openid among them, got %q", strings.Join(scopes, " "))
	}
	return nil
}

// checkRedirectURI: RFC 8252 §7.3. localhost is allowed as it is what the public clients are registered with.
func checkRedirectURI(uri string) error {
	u, err := parseRedirectURI(uri)
	switch {
	case err != nil:
		return err
	case u.Scheme != "http":
		return fmt.Errorf("redirect URI %q: expected http, which is what the page on this computer speaks", uri)
	case !isLoopbackHost(u.Hostname()):
		return fmt.Errorf("redirect URI %q: expected host localhost, 127.x.y.z or [::1], got %q", uri, u.Hostname())
	case !isPort(u.Port()):
		return fmt.Errorf("redirect URI %q: expected a port from 1 to 65535, got %q", uri, u.Port())
	case u.RawQuery != "" || u.ForceQuery:
		return fmt.Errorf("redirect URI %q: expected no query", uri)
	}
	return nil
}

// isPort refuses 0, for which the system chooses: the provider has to know the port. None is 80.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// checkRemoteRedirectURI: the code travels to it over the network, so plain http is for loopback hosts (RFC 9700 §2.6).
func checkRemoteRedirectURI(uri string) error {
	u, err := parseRedirectURI(uri)
	if err == nil && u.Scheme != "https" && (u.Scheme != "http" || !isLoopbackHost(u.Hostname())) {
		err = fmt.Errorf("remote redirect URI %q: expected https (http is for a loopback host)", uri)
	}
	return err
}

func parseRedirectURI(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return nil, fmt.Errorf("redirect URI %q: not a URL", uri)
	case u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("redirect URI %q: expected a host", uri)
	case u.User != nil:
		return nil, fmt.Errorf("redirect URI %q: expected no user name", uri)
	case strings.Contains(uri, "#"):
		return nil, fmt.Errorf("redirect URI %q: expected no fragment", uri)
	}
	return u, nil
}
