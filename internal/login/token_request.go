package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/oauth2"

	"opkssh/internal/idp"
)

func (f *Flow) authorizationRequest(metadata *idp.Metadata, proof *keyProof, redirectURI string) *oauth2.Config {
	return &oauth2.Config{
		ClientID:     f.Provider.ClientID,
		ClientSecret: f.Provider.ClientSecret,
		Scopes:       proof.scopes(f.Provider.scopes(metadata)),
		RedirectURL:  redirectURI,
		Endpoint: oauth2.Endpoint{
			AuthURL:   metadata.AuthorizationEndpoint,
			TokenURL:  metadata.TokenEndpoint,
			AuthStyle: clientAuthentication(f.Provider.ClientSecret, metadata.TokenEndpointAuthMethodsSupported),
		},
	}
}

// clientAuthentication: a public client names itself in the body (RFC 6749 §3.2.1), as HTTP Basic with an empty secret is an
// attempt to authenticate, which providers refuse. With a secret, Basic is what every provider has (§2.3.1) unless it says
// otherwise (OpenID Connect Discovery §3: left out means client_secret_basic).
func clientAuthentication(secret string, supported []string) oauth2.AuthStyle {
	if secret == "" {
		return oauth2.AuthStyleInParams
	}
	if slices.Contains(supported, "client_secret_post") && !slices.Contains(supported, "client_secret_basic") {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// redeem exchanges the code (RFC 6749 §4.1.3, RFC 7636 §4.5).
func (f *Flow) redeem(ctx context.Context, request *oauth2.Config, proof *keyProof, code, verifier string) (*oauth2.Token, error) {
	client, err := f.provingClient(proof, code)
	if err != nil {
		return nil, noClient(CodeTokenEndpoint, err)
	}
	defer client.CloseIdleConnections()
	answer, err := request.Exchange(tokenContext(ctx, client), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, tokenError(err)
	}
	return answer, nil
}

// tokenError takes the library's errors apart: they hold the answer's body, where a token may be.
func tokenError(err error) *Error {
	if refusal := (*oauth2.RetrieveError)(nil); errors.As(err, &refusal) {
		e := &Error{
			Code:                CodeTokenEndpoint,
			Detail:              fmt.Sprintf("the token endpoint answers with status %d", refusal.Response.StatusCode),
			ProviderError:       printable(refusal.ErrorCode, maxErrorCode),
			ProviderDescription: printable(refusal.ErrorDescription, maxErrorText),
			ProviderURI:         printable(refusal.ErrorURI, maxErrorText),
		}
		switch refusal.ErrorCode {
		case "invalid_client", "unauthorized_client":
			e.Hint = "check client_id and client_secret; a program on people's computers is a public client at the provider, without a secret"
		case "invalid_grant":
			e.Hint = "log in again; if that does not help, check that the redirect URI is registered with the provider"
		case "invalid_dpop_proof", "use_dpop_nonce":
			e.Hint = "set this computer's date and time; if they are right, the provider does not take our proof of the key: leave key_binding out"
		}
		return e
	}
	if network := (*url.Error)(nil); errors.As(err, &network) {
		return &Error{Code: CodeTokenEndpoint, Detail: "no answer from the token endpoint", Hint: settingsHint(network.Err), Err: network.Err}
	}
	return &Error{Code: CodeTokenEndpoint, Detail: "the token endpoint's answer is not one of RFC 6749 §5.1"}
}

// tokenClient follows no redirect: with 307 and 308 the code and the verifier would go along.
func (f *Flow) tokenClient() (*http.Client, error) {
	client, err := f.Network.Client(f.Provider.Issuer)
	if err != nil {
		return nil, err
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}
