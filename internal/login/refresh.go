package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"opkssh/internal/idp"
	"opkssh/pkg/pktoken"
)

const (
	// refreshTimeout is for the whole refresh, in which nobody has to do anything.
	refreshTimeout = time.Minute
	// answerPatience is how long somebody who gives up has to wait for an answer that may have the next refresh token.
	answerPatience = 10 * time.Second
)

// Refresh gets a new ID token for an old login (OpenID Connect Core §12) and puts it beside the original one. What it returns
// was verified as a host does it whose row says oidc_refreshed: the same issuer, subject and client, and not older.
//
// A provider may take a refresh token once, and give the next one with its answer (RFC 6749 §6). keep is called with the one
// that counts from now on as soon as it is known, before anything else is done with the answer, and also where ctx ended while the
// answer was on its way: the old one may be worth nothing by then. An error of keep ends the refresh. The caller sees to it that no other process refreshes with the same token meanwhile.
//
// Every error is an [*Error].
func (f *Flow) Refresh(ctx context.Context, token *pktoken.Token, refreshToken string, keep func(next string) error) (*Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, refreshTimeout, errTimeUp)
	defer cancel()
	result, err := f.refresh(ctx, token, refreshToken, keep)
	if err == nil {
		return result, nil
	}
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return nil, err
	case errors.Is(cause, errTimeUp), errors.Is(cause, context.DeadlineExceeded):
		return nil, &Error{Code: CodeTimeout, Detail: fmt.Sprintf("the provider did not answer within %s", refreshTimeout), Err: err}
	default:
		return nil, &Error{Code: CodeCanceled, Detail: "the refresh was given up"}
	}
}

func (f *Flow) refresh(ctx context.Context, token *pktoken.Token, refreshToken string, keep func(next string) error) (*Result, error) {
	if err := f.Provider.check(); err != nil {
		return nil, &Error{Code: CodeConfiguration, Detail: "provider", Err: err}
	}
	if refreshToken == "" {
		return nil, &Error{Code: CodeNoRefreshToken, Detail: "no refresh token is kept for this login", Hint: RefreshTokenHint}
	}
	metadata, err := f.Discovery.Discover(ctx, f.Provider.Issuer)
	if err != nil {
		return nil, noDiscovery(err, "check the network")
	}
	if metadata.TokenEndpoint == "" {
		return nil, &Error{Code: CodeDiscovery, Detail: "the provider has no token_endpoint"}
	}
	proof, err := f.newKeyProof(metadata.DPoPSigningAlgValuesSupported)
	if err != nil {
		return nil, err
	}
	client, err := f.provingClient(proof, "")
	if err != nil {
		return nil, noClient(CodeTokenEndpoint, err)
	}
	defer client.CloseIdleConnections()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	request := f.authorizationRequest(metadata, proof, "")
	patient, cancel := outliving(ctx, answerPatience)
	defer cancel()
	answer, err := request.TokenSource(tokenContext(patient, client), &oauth2.Token{RefreshToken: refreshToken}).Token()
	if err != nil {
		return nil, refreshError(tokenError(err))
	}
	// The library repeats the old one where the provider gives no other.
	if err := keep(answer.RefreshToken); err != nil {
		return nil, &Error{Code: CodeKeepRefreshToken, Detail: "the provider's next refresh token could not be kept", Err: err}
	}
	jwt, ok := answer.Extra("id_token").(string)
	if !ok || jwt == "" {
		return nil, &Error{
			Code:   CodeNoIDToken,
			Detail: "the provider renews access tokens, but gives no new ID token with them",
			Hint:   "keys cannot be renewed with this provider: log in again when the key expires",
		}
	}
	refreshed, err := token.WithRefreshed(jwt)
	if err != nil {
		return nil, f.refuseIDToken(err)
	}
	verified, err := f.verifyRefreshed(ctx, refreshed)
	if err != nil {
		return nil, err
	}
	return &Result{
		Token:        refreshed,
		Verified:     verified,
		AccessToken:  answer.AccessToken,
		TokenType:    answer.Type(),
		RefreshToken: answer.RefreshToken,
	}, nil
}

// outliving is a context that ends some time after ctx.
func outliving(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(by):
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

func (f *Flow) verifyRefreshed(ctx context.Context, token *pktoken.Token) (*pktoken.Verified, error) {
	verified, err := f.verify(ctx, token, pktoken.ExpiryOIDCRefreshed)
	if err == nil {
		return verified, nil
	}
	e := &Error{Code: CodeIDToken, Detail: "the provider's refreshed ID token cannot be used", Err: err}
	if reject := (*pktoken.RejectError)(nil); errors.As(err, &reject) {
		e.Hint = idTokenHints[reject.Reason]
		switch reject.Reason {
		case pktoken.ReasonNoKey:
			e.Hint = "the provider has changed its keys since the login, and hosts do not know the old ones any more either: log in again"
		case pktoken.ReasonRefreshed:
			e.Hint = "the refresh token may be that of another login: log in again"
		}
	}
	return nil, e
}

// RefreshTokenHint is how to get a refresh token, for which each provider has a rule of its own.
const RefreshTokenHint = "log in with --auto-refresh, or with the scope offline_access where the provider wants it for a refresh token"

// refreshError: RFC 6749 §5.2.
func refreshError(e *Error) *Error {
	switch e.ProviderError {
	case "invalid_grant":
		e.Code, e.Detail = CodeRefreshRefused, "the provider does not take the refresh token any more"
		e.Hint = "log in again: it has expired, was revoked, or was used by somebody else"
	case "unsupported_grant_type", "unauthorized_client", "unsupported_response_type":
		e.Code, e.Detail = CodeRefreshRefused, "the provider does not let this client refresh"
		e.Hint = "allow the client the grant type refresh_token at the provider"
	}
	return e
}

// offlineAccess is the scope that some providers want for a refresh token (OpenID Connect Core §11).
const offlineAccess = "offline_access"

// scopes are those of the settings, and the one for a refresh token where one is wanted and the provider knows that scope.
func (p Provider) scopes(metadata *idp.Metadata) []string {
	if !p.Refresh || slices.Contains(p.Scopes, offlineAccess) || !slices.Contains(metadata.ScopesSupported, offlineAccess) {
		return p.Scopes
	}
	return append(slices.Clone(p.Scopes), offlineAccess)
}

// ProviderOf gives an issuer and a client the settings that a provider has by default.
func ProviderOf(issuer, clientID, clientSecret string) Provider {
	p := defaultProvider()
	p.Issuer, p.ClientID, p.ClientSecret = issuer, clientID, clientSecret
	return p
}
