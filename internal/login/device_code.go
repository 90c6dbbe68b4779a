package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"opkssh/internal/idp"
	"opkssh/pkg/pktoken"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// The polling of RFC 8628 §3.2 and §3.5. A provider cannot make us ask without pause, nor let us wait past all patience.
const (
	defaultInterval = 5 * time.Second
	slowDownStep    = 5 * time.Second
	leastInterval   = time.Second
	mostInterval    = time.Minute
	defaultLifetime = 10 * time.Minute
	mostFailures    = 3 // in a row, of the network
)

// DeviceCode is what the person needs for the device flow. A provider chose it: the code is printable, the URLs are https, or
// http with a loopback host.
type DeviceCode struct {
	UserCode    string
	URL         string    // the page to enter the code on
	CompleteURL string    // the same with the code in it, or ""
	ExpiresAt   time.Time // or when the login gives up, if that is sooner
}

// deviceAuthorization is the answer of the device authorization endpoint (RFC 8628 §3.2).
type deviceAuthorization struct {
	DeviceCode
	secret   string // device_code
	interval time.Duration
}

// device is the device authorization grant (RFC 8628). Without key binding it works with providers that do more than that
// standard says: they take a nonce and return it.
func (f *Flow) device(ctx context.Context, client *pktoken.ClientInstance, metadata *idp.Metadata, proof *keyProof) (*Result, error) {
	if err := requireEndpoints([2]string{"token_endpoint", metadata.TokenEndpoint}); err != nil {
		return nil, err
	}
	if metadata.DeviceAuthorizationEndpoint == "" {
		return nil, &Error{Code: CodeDeviceFlow, Detail: "the provider has no device_authorization_endpoint", Hint: pasteHint}
	}
	if proof == nil && f.Memory.Nonce(f.Provider) == NonceDropped {
		return nil, &Error{
			Code:   CodeDeviceNonce,
			Detail: "the provider's device flow did not return the nonce at an earlier login, so that its ID token cannot be bound to your key",
			Hint:   pasteHint,
		}
	}
	authorization, err := f.authorizeDevice(ctx, client, metadata, proof)
	if err != nil {
		return nil, err
	}
	if f.ShowDevice != nil {
		shown := authorization.DeviceCode
		if end, ok := ctx.Deadline(); ok && end.Before(shown.ExpiresAt) {
			shown.ExpiresAt = end
		}
		f.ShowDevice(shown)
	}
	answer, err := f.pollForToken(ctx, metadata, proof, authorization)
	if err != nil {
		return nil, err
	}
	result, err := f.accept(ctx, client, answer)
	if proof != nil {
		return result, err
	}
	reject := (*pktoken.RejectError)(nil)
	switch {
	case err == nil:
		_ = f.Memory.remember(f.Provider, NonceReturned) // what cannot be remembered is found out again
	case errors.As(err, &reject) && reject.Reason == pktoken.ReasonCommitment:
		_ = f.Memory.remember(f.Provider, NonceDropped)
		return nil, &Error{
			Code:   CodeDeviceNonce,
			Detail: "the provider's device flow does not return the nonce, so that its ID token cannot be bound to your key",
			Hint:   pasteHint,
		}
	}
	return result, err
}

const pasteHint = "log in with --flow paste, which works with every provider"

// authorizeDevice gets the codes (RFC 8628 §3.1, §3.2).
func (f *Flow) authorizeDevice(
	ctx context.Context, client *pktoken.ClientInstance, metadata *idp.Metadata, proof *keyProof,
) (*deviceAuthorization, error) {
	form := url.Values{"client_id": {f.Provider.ClientID}, "scope": {strings.Join(proof.scopes(f.Provider.Scopes), " ")}}
	if proof != nil {
		form.Set("dpop_jkt", proof.thumbprint)
	} else {
		form.Set("nonce", client.Commitment())
	}
	asHeader := false
	if f.Provider.ClientSecret != "" {
		style := clientAuthentication(f.Provider.ClientSecret, metadata.TokenEndpointAuthMethodsSupported)
		if asHeader = style == oauth2.AuthStyleInHeader; !asHeader {
			form.Set("client_secret", f.Provider.ClientSecret)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, metadata.DeviceAuthorizationEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &Error{Code: CodeDeviceFlow, Detail: "device_authorization_endpoint", Err: err}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if asHeader {
		request.SetBasicAuth(url.QueryEscape(f.Provider.ClientID), url.QueryEscape(f.Provider.ClientSecret)) // RFC 6749 §2.3.1
	}
	httpClient, err := f.tokenClient()
	if err != nil {
		return nil, noClient(CodeDeviceFlow, err)
	}
	defer httpClient.CloseIdleConnections()
	asked := f.clock()
	answer, err := httpClient.Do(request)
	if err != nil {
		if network := (*url.Error)(nil); errors.As(err, &network) {
			err = network.Err
		}
		return nil, &Error{Code: CodeDeviceFlow, Detail: "no answer from the device authorization endpoint", Err: err}
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, &Error{Code: CodeDeviceFlow, Detail: "no whole answer from the device authorization endpoint", Err: err}
	}
	members, err := pktoken.ParseObject(body)
	if answer.StatusCode != http.StatusOK {
		return nil, deviceRefusal(answer.StatusCode, members)
	}
	if err != nil {
		return nil, &Error{Code: CodeDeviceFlow, Detail: "the device authorization endpoint's answer is not one of RFC 8628 §3.2", Hint: pasteHint}
	}
	return readDeviceAuthorization(members, asked)
}

// deviceRefusal: RFC 8628 §3.2 has the errors of RFC 6749 §5.2. members may be nil.
func deviceRefusal(status int, members map[string]any) *Error {
	text := func(name string, most int) string {
		s, _ := members[name].(string)
		return printable(s, most)
	}
	e := &Error{
		Code:                CodeDeviceFlow,
		Detail:              fmt.Sprintf("the device authorization endpoint answers with status %d", status),
		ProviderError:       text("error", maxErrorCode),
		ProviderDescription: text("error_description", maxErrorText),
		ProviderURI:         text("error_uri", maxErrorText),
		Hint:                pasteHint,
	}
	switch members["error"] {
	case "unauthorized_client", "invalid_client":
		e.Hint = "the client may not use the device flow: allow it that grant at the provider, or " + pasteHint
	case "invalid_scope":
		e.Hint = "the provider does not know one of the scopes: set scopes in the configuration"
	}
	return e
}

func readDeviceAuthorization(members map[string]any, asked time.Time) (*deviceAuthorization, error) {
	text := func(names ...string) string {
		for _, name := range names {
			if s, ok := members[name].(string); ok {
				return s
			}
		}
		return ""
	}
	a := &deviceAuthorization{
		DeviceCode: DeviceCode{
			UserCode:    text("user_code"),
			URL:         text("verification_uri", "verification_url"), // the latter is Google's
			CompleteURL: text("verification_uri_complete", "verification_url_complete"),
			ExpiresAt:   asked.Add(positiveSeconds(members["expires_in"], defaultLifetime, math.MaxInt32*time.Second)),
		},
		secret:   text("device_code"),
		interval: max(leastInterval, positiveSeconds(members["interval"], defaultInterval, mostInterval)),
	}
	var wrong string
	switch {
	case a.secret == "":
		wrong = "device_code"
	case a.UserCode == "" || len(a.UserCode) > 100 || printable(a.UserCode, 100) != a.UserCode:
		wrong = "user_code"
	case !isPageURL(a.URL):
		wrong = "verification_uri"
	case a.CompleteURL != "" && !isPageURL(a.CompleteURL):
		wrong = "verification_uri_complete"
	}
	if wrong != "" {
		return nil, &Error{
			Code:   CodeDeviceFlow,
			Detail: "the device authorization endpoint's answer is not one of RFC 8628 §3.2: " + wrong + " is missing or cannot be used",
			Hint:   pasteHint,
		}
	}
	return a, nil
}

// positiveSeconds reads a number of seconds, at most most. Nothing, nonsense and what is not positive count as left out.
func positiveSeconds(value any, otherwise, most time.Duration) time.Duration {
	number, _ := value.(json.Number)
	n, err := number.Float64()
	if err != nil || n <= 0 {
		return otherwise
	}
	if n >= most.Seconds() {
		return most
	}
	return time.Duration(n * float64(time.Second))
}

// isPageURL: what a person is sent to, and what a phone makes of a QR code.
func isPageURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 2048 && u.Host != "" && u.User == nil &&
		(u.Scheme == "https" || u.Scheme == "http" && isLoopbackHost(u.Hostname())) &&
		!strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(urlCharacters, r) })
}

// pollForToken asks the token endpoint until the person has decided (RFC 8628 §3.4, §3.5).
func (f *Flow) pollForToken(
	ctx context.Context, metadata *idp.Metadata, proof *keyProof, authorization *deviceAuthorization,
) (*oauth2.Token, error) {
	client, err := f.provingClient(proof, authorization.secret)
	if err != nil {
		return nil, noClient(CodeTokenEndpoint, err)
	}
	defer client.CloseIdleConnections()
	// The library's own polling of device codes knows neither negative intervals nor networks that break. This is its plain
	// token request, with the grant type that it lets one set.
	request := clientcredentials.Config{
		ClientID:     f.Provider.ClientID,
		ClientSecret: f.Provider.ClientSecret,
		TokenURL:     metadata.TokenEndpoint,
		AuthStyle:    clientAuthentication(f.Provider.ClientSecret, metadata.TokenEndpointAuthMethodsSupported),
		EndpointParams: url.Values{
			"grant_type":  {deviceGrant},
			"device_code": {authorization.secret},
		},
	}
	interval, failures := authorization.interval, 0
	for {
		if f.clock().Add(interval).After(authorization.ExpiresAt) {
			return nil, codeExpired()
		}
		if err := f.wait(ctx, interval); err != nil {
			return nil, err
		}
		answer, err := request.Token(tokenContext(ctx, client))
		if err == nil {
			return answer, nil
		}
		refusal := (*oauth2.RetrieveError)(nil)
		if broken := !errors.As(err, &refusal) || refusal.Response.StatusCode >= 500; broken && ctx.Err() == nil {
			if failures++; failures == mostFailures || !isTransient(err) {
				return nil, tokenError(err)
			}
			interval = min(2*interval, mostInterval)
			continue
		}
		failures = 0
		e := tokenError(err)
		switch e.ProviderError {
		case "authorization_pending":
		case "slow_down":
			interval += slowDownStep
		case "expired_token":
			return nil, codeExpired()
		case "access_denied":
			e.Code, e.Detail = CodeRefused, "the login was refused, by you or by a rule of the provider"
			return nil, e
		case "unauthorized_client", "unsupported_grant_type":
			e.Code, e.Hint = CodeDeviceFlow, "the client may not use the device flow: allow it that grant at the provider, or "+pasteHint
			return nil, e
		case "invalid_grant":
			e.Hint = "log in again"
			return nil, e
		default:
			return nil, e
		}
	}
}

// isTransient: no answer, or one of a server in trouble, as opposed to an answer that makes no sense.
func isTransient(err error) bool {
	network, refusal := (*url.Error)(nil), (*oauth2.RetrieveError)(nil)
	return errors.As(err, &network) || errors.As(err, &refusal)
}

func codeExpired() *Error {
	return &Error{
		Code:   CodeTimeout,
		Detail: "the code was not entered in time",
		Hint:   "log in again, and enter the new code",
	}
}

func (f *Flow) clock() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

func (f *Flow) wait(ctx context.Context, d time.Duration) error {
	if f.pause != nil {
		return f.pause(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
