package login

import (
	"context"
	"errors"

	"golang.org/x/oauth2"

	"opkssh/pkg/pktoken"
)

// accept binds the answer's ID token to the key and verifies the whole, with the code that hosts use.
func (f *Flow) accept(ctx context.Context, client *pktoken.ClientInstance, answer *oauth2.Token) (*Result, error) {
	jwt, ok := answer.Extra("id_token").(string)
	if !ok || jwt == "" {
		return nil, &Error{
			Code:   CodeNoIDToken,
			Detail: "the provider gave no ID token",
			Hint:   "scopes must hold openid, and the client must be one for OpenID Connect at the provider",
		}
	}
	token, err := client.Bind(jwt)
	if err != nil {
		return nil, f.refuseIDToken(err)
	}
	verified, err := f.verify(ctx, token, pktoken.ExpiryOIDC)
	if err != nil {
		return nil, f.refuseIDToken(err)
	}
	if err := f.checkNonce(client, verified); err != nil {
		return nil, err
	}
	return &Result{
		Token:        token,
		Verified:     verified,
		AccessToken:  answer.AccessToken,
		TokenType:    answer.Type(),
		RefreshToken: answer.RefreshToken,
	}, nil
}

// verify makes the checks that hosts make, with the row of providers that a host needs for this login. An ID token that calls itself an
// access token is known for none: the provider gave it in the place of an ID token, with the commitment in it.
func (f *Flow) verify(ctx context.Context, token *pktoken.Token, expiry pktoken.ExpiryKind) (*pktoken.Verified, error) {
	row := pktoken.Provider{Issuer: f.Provider.Issuer, ClientID: f.Provider.ClientID, Expiry: pktoken.Expiry{Kind: expiry}}
	if f.Provider.KeyBinding {
		row.Commitment = pktoken.CommitmentKeyBinding
	}
	check := func() (*pktoken.Verified, error) {
		verifier := pktoken.Verifier{Providers: []pktoken.Provider{row}, Keys: f.Keys, Now: f.Now}
		return verifier.Verify(ctx, token)
	}
	verified, err := check()
	reject := (*pktoken.RejectError)(nil)
	if !errors.As(err, &reject) || reject.Reason != pktoken.ReasonTokenType || f.Provider.KeyBinding {
		return verified, err
	}
	row.AllowAccessTokenType = true
	return check()
}

func idTokenError(err error) error {
	e := &Error{Code: CodeIDToken, Detail: "the provider's ID token cannot be used", Err: err}
	if reject := (*pktoken.RejectError)(nil); errors.As(err, &reject) {
		e.Hint = idTokenHints[reject.Reason]
	}
	return e
}

// TooLargeHint is for an ID token that no certificate has room for.
const TooLargeHint = "have the provider leave groups out of the ID token, or fewer of them"

var idTokenHints = map[pktoken.Reason]string{
	pktoken.ReasonTooLarge:        TooLargeHint,
	pktoken.ReasonNotYetValid:     "the provider's clock is ahead of this computer's: set this computer's date and time",
	pktoken.ReasonExpired:         "this computer's clock may be ahead: set its date and time",
	pktoken.ReasonUnknownIssuer:   "set issuer to exactly what the provider calls itself, a slash at the end included",
	pktoken.ReasonAudience:        "set client_id to the client that the provider made the token for",
	pktoken.ReasonAuthorizedParty: "set client_id to the client that the provider made the token for",
	pktoken.ReasonCommitment:      "the provider did not sign the nonce it was sent; it must put it into ID tokens (OpenID Connect Core §3.1.2.1)",
	pktoken.ReasonTokenType:       "the provider must give an ID token whose typ is none, JWT or at+jwt",
	pktoken.ReasonAlgorithm:       "let the provider sign this client's ID tokens with RS256, PS256, ES256, ES384 or EdDSA",
	pktoken.ReasonKeysUnavailable: "check the network; the provider's keys are at its jwks_uri",
	pktoken.ReasonNoKey:           "the provider signs with a key that it does not publish at its jwks_uri",
}
