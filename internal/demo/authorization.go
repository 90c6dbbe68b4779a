package demo

import (
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// grant is what somebody agreed to by logging in. It implements op.RefreshTokenRequest.
type grant struct {
	subject  string
	clientID string
	scopes   []string
	at       time.Time // of the login
}

// GetSubject implements op.TokenRequest.
func (g *grant) GetSubject() string { return g.subject }

// GetClientID implements op.RefreshTokenRequest.
func (g *grant) GetClientID() string { return g.clientID }

// GetAudience implements op.TokenRequest.
func (g *grant) GetAudience() []string { return []string{g.clientID} }

// GetScopes implements op.TokenRequest.
func (g *grant) GetScopes() []string { return g.scopes }

// SetCurrentScopes implements op.RefreshTokenRequest.
func (g *grant) SetCurrentScopes(scopes []string) { g.scopes = scopes }

// GetAuthTime implements op.RefreshTokenRequest.
func (g *grant) GetAuthTime() time.Time { return g.at }

// GetAMR implements op.RefreshTokenRequest (RFC 8176).
func (g *grant) GetAMR() []string { return []string{"pwd"} }

// authorization is an authentication request (OpenID Connect Core §3.1.2.1), and once its grant has a subject, the answer to
// it. It implements op.AuthRequest.
type authorization struct {
	grant
	id      string
	request *oidc.AuthRequest
}

// GetID implements op.AuthRequest.
func (a *authorization) GetID() string { return a.id }

// GetACR implements op.AuthRequest.
func (a *authorization) GetACR() string { return "" }

// GetCodeChallenge implements op.AuthRequest.
func (a *authorization) GetCodeChallenge() *oidc.CodeChallenge {
	if a.request.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: a.request.CodeChallenge, Method: a.request.CodeChallengeMethod}
}

// GetNonce implements op.AuthRequest.
func (a *authorization) GetNonce() string { return a.request.Nonce }

// GetRedirectURI implements op.AuthRequest.
func (a *authorization) GetRedirectURI() string { return a.request.RedirectURI }

// GetResponseType implements op.AuthRequest.
func (a *authorization) GetResponseType() oidc.ResponseType { return a.request.ResponseType }

// GetResponseMode implements op.AuthRequest.
func (a *authorization) GetResponseMode() oidc.ResponseMode { return a.request.ResponseMode }

// GetState implements op.AuthRequest.
func (a *authorization) GetState() string { return a.request.State }

// Done implements op.AuthRequest.
func (a *authorization) Done() bool { return a.subject != "" }
