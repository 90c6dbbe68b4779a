package demo

import (
	"net/url"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// client is the one client of a provider: a program on people's computers, so without a secret (RFC 8252 §8.5). op asks such
// a client for PKCE.
type client struct {
	id              string
	redirectURIs    []string
	idTokenLifetime time.Duration
}

// GetID implements op.Client.
func (c client) GetID() string { return c.id }

// RedirectURIs implements op.Client. Those on loopback are good with any port (RFC 8252 §7.3), which op sees to.
func (c client) RedirectURIs() []string { return c.redirectURIs }

// PostLogoutRedirectURIs implements op.Client.
func (c client) PostLogoutRedirectURIs() []string { return nil }

// ApplicationType implements op.Client.
func (c client) ApplicationType() op.ApplicationType { return op.ApplicationTypeNative }

// AuthMethod implements op.Client.
func (c client) AuthMethod() oidc.AuthMethod { return oidc.AuthMethodNone }

// ResponseTypes implements op.Client.
func (c client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

// GrantTypes implements op.Client.
func (c client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
}

// LoginURL implements op.Client.
func (c client) LoginURL(id string) string {
	return loginPath + "?" + url.Values{"id": {id}}.Encode()
}

// AccessTokenType implements op.Client.
func (c client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }

// IDTokenLifetime implements op.Client.
func (c client) IDTokenLifetime() time.Duration { return c.idTokenLifetime }

// DevMode implements op.Client.
func (c client) DevMode() bool { return false }

// RestrictAdditionalIdTokenScopes implements op.Client.
func (c client) RestrictAdditionalIdTokenScopes() func([]string) []string { return everyScope }

// RestrictAdditionalAccessTokenScopes implements op.Client.
func (c client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return everyScope }

// IsScopeAllowed implements op.Client, for scopes that OpenID Connect does not define.
func (c client) IsScopeAllowed(scope string) bool { return scope == scopeGroups }

// IDTokenUserinfoClaimsAssertion implements op.Client: the claims that scopes name are in the ID token.
func (c client) IDTokenUserinfoClaimsAssertion() bool { return true }

// ClockSkew implements op.Client.
func (c client) ClockSkew() time.Duration { return 0 }

func everyScope(scopes []string) []string { return scopes }
