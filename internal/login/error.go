package login

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"

	"opkssh/internal/idp"
)

// Code says how a login ended without a token. Codes are stable: callers choose words and exit codes by them.
type Code string

// The codes.
const (
	// CodeConfiguration: the provider's settings cannot be used.
	CodeConfiguration Code = "configuration"
	// CodeUnknownProvider: no provider has the alias.
	CodeUnknownProvider Code = "unknown-provider"
	// CodeDiscovery: the provider's metadata could not be had, or lacks an endpoint.
	CodeDiscovery Code = "discovery"
	// CodePortBusy: no port of the redirect URIs could be listened on.
	CodePortBusy Code = "port-busy"
	// CodeBrowser: no browser could be started, and nobody was shown the URL.
	CodeBrowser Code = "browser"
	// CodeCanceled: the context was canceled, as by Ctrl-C.
	CodeCanceled Code = "canceled"
	// CodeTimeout: the person did not finish in time; a closed browser ends like this too.
	CodeTimeout Code = "timeout"
	// CodeRefused: the provider answered access_denied: the person, or a rule of the provider's, refused.
	CodeRefused Code = "refused"
	// CodeProvider: the provider answered with another error, or not as RFC 6749 §4.1.2 says.
	CodeProvider Code = "provider-error"
	// CodeState: the answer in the browser does not belong to this login.
	CodeState Code = "state"
	// CodeIssuer: the answer names another issuer, or none where the provider promises to name itself (RFC 9207 §2.4).
	CodeIssuer Code = "issuer"
	// CodeTokenEndpoint: the token endpoint gave an error, or nothing that can be read.
	CodeTokenEndpoint Code = "token-endpoint"
	// CodeNoIDToken: the token endpoint gave no ID token.
	CodeNoIDToken Code = "no-id-token"
	// CodeIDToken: the ID token does not pass verification. The cause is a [*pktoken.RejectError].
	CodeIDToken Code = "id-token"
	// CodeKeyBinding: the provider does not bind ID tokens to the user's key, or not to a key of this type.
	CodeKeyBinding Code = "key-binding"
	// CodeDeviceFlow: the provider has no device flow for this client, or not one of RFC 8628.
	CodeDeviceFlow Code = "device-flow"
	// CodeDeviceNonce: the provider's device flow does not return the nonce, so that its ID token is bound to no key.
	CodeDeviceNonce Code = "device-nonce"
	// CodePaste: there was no answer of the provider where it should have been pasted.
	CodePaste Code = "paste"
	// CodeNoRefreshToken: there is no refresh token to refresh with.
	CodeNoRefreshToken Code = "no-refresh-token"
	// CodeRefreshRefused: the provider does not take the refresh token, or lets this client not refresh.
	CodeRefreshRefused Code = "refresh-refused"
	// CodeKeepRefreshToken: the refresh token for the next time could not be kept.
	CodeKeepRefreshToken Code = "keep-refresh-token"
	// CodeCI: the environment is not that of a CI job that may have ID tokens, or the CI system gave none.
	CodeCI Code = "ci"
	// CodeIDTokenSource: the file or the command that was to give an ID token gave none.
	CodeIDTokenSource Code = "id-token-source"
)

// Error is every failure of a login. Expected, Got and the Provider fields may be empty; what a provider chose is in them
// with unprintable characters replaced, and cut.
type Error struct {
	Code     Code
	Detail   string
	Expected string
	Got      string

	ProviderError       string // `error` (RFC 6749 §4.1.2.1, §5.2)
	ProviderDescription string // `error_description`
	ProviderURI         string // `error_uri`

	Hint string // what the person can do, or ""
	Err  error
}

// Error gives everything but the hint on one line of printable characters.
func (e *Error) Error() string {
	text := string(e.Code)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Expected != "" || e.Got != "" {
		text += fmt.Sprintf(": expected %q, got %q", e.Expected, e.Got)
	}
	if e.ProviderError != "" {
		text += fmt.Sprintf(": the provider says %q", e.ProviderError)
	}
	if e.ProviderDescription != "" {
		text += fmt.Sprintf(" %q", e.ProviderDescription)
	}
	if e.ProviderURI != "" {
		text += fmt.Sprintf(" (%q)", e.ProviderURI)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// noDiscovery is the error for a provider that could not be asked for its metadata.
func noDiscovery(err error, hint string) *Error {
	return &Error{Code: CodeDiscovery, Detail: "the provider cannot be asked for its endpoints", Hint: cmp.Or(settingsHint(err), hint), Err: err}
}

// noClient is the error where [idp.Network] makes no client.
func noClient(code Code, err error) *Error {
	return &Error{Code: code, Detail: "no HTTP client", Hint: settingsHint(err), Err: err}
}

// settingsHint is what to do where the settings of the network are why, or "".
func settingsHint(err error) string {
	if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
		return "name a file with the certificate of the provider's own authority as ca_file of the provider in config.yml, or in SSL_CERT_FILE"
	}
	var asking *idp.Error
	if errors.As(err, &asking) && asking.Reason == idp.ReasonProxy {
		return "mend the variable or member of config.yml that is named, or leave it out"
	}
	return ""
}
