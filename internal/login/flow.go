package login

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"opkssh/internal/idp"
	"opkssh/pkg/pktoken"
)

// DefaultTimeout is how long a person has to log in.
const DefaultTimeout = 5 * time.Minute

// errTimeUp tells the flow's own timeout from the caller's cancellation.
var errTimeUp = errors.New("time is up")

// Discoverer finds a provider's endpoints. [*idp.Cache] is one.
type Discoverer interface {
	Discover(ctx context.Context, issuer string) (*idp.Metadata, error)
}

// Flow is the authorization code flow with PKCE in a browser on this computer. Provider, Discovery and Keys are required.
type Flow struct {
	Provider  Provider
	Discovery Discoverer
	Keys      pktoken.KeySet

	// Network is how the token endpoint is reached: the same as for Discovery.
	Network idp.Network
	// OpenBrowser shows the URL to the person; nil is Browser{}.Open. An error ends the login only without ShowURL.
	OpenBrowser func(url string) error
	// ShowURL is told the URL before the browser is, for a person who has to open it by hand. May be nil.
	ShowURL func(url string)
	// Timeout is for the whole login; 0 is DefaultTimeout.
	Timeout time.Duration
	// Now is the clock for the ID token; nil is time.Now.
	Now func() time.Time
}

// Login sends the person to the provider and waits for the answer. What it returns was bound to client's key and verified.
// Every error is an [*Error].
func (f *Flow) Login(ctx context.Context, client *pktoken.ClientInstance) (*Result, error) {
	timeout := f.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeUp)
	defer cancel()
	result, err := f.login(ctx, client)
	if err == nil {
		return result, nil
	}
	// Whatever broke because time was up or somebody gave up is not the news.
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return nil, err
	case errors.Is(cause, errTimeUp), errors.Is(cause, context.DeadlineExceeded):
		return nil, &Error{
			Code:   CodeTimeout,
			Detail: fmt.Sprintf("nobody finished the login in the browser within %s", timeout),
			Hint:   "log in again, and leave the browser's page open until it says that it is done",
		}
	default:
		return nil, &Error{Code: CodeCanceled, Detail: "the login was given up"}
	}
}

func (f *Flow) login(ctx context.Context, client *pktoken.ClientInstance) (*Result, error) {
	if err := f.Provider.check(); err != nil {
		return nil, &Error{Code: CodeConfiguration, Detail: "provider", Err: err}
	}
	metadata, err := f.Discovery.Discover(ctx, f.Provider.Issuer)
	if err != nil {
		return nil, &Error{
			Code:   CodeDiscovery,
			Detail: "the provider cannot be asked for its endpoints",
			Hint:   "check the issuer and the network (a proxy is named by HTTPS_PROXY)",
			Err:    err,
		}
	}
	for name, endpoint := range map[string]string{
		"authorization_endpoint": metadata.AuthorizationEndpoint,
		"token_endpoint":         metadata.TokenEndpoint,
	} {
		if endpoint == "" {
			return nil, &Error{Code: CodeDiscovery, Detail: "the provider has no " + name}
		}
	}
	uri, listeners, err := listenFirst(f.Provider.RedirectURIs)
	if err != nil {
		return nil, err
	}
	redirectURI := uri.String()
	if f.Provider.RemoteRedirectURI != "" {
		redirectURI = f.Provider.RemoteRedirectURI
	}

	request := f.authorizationRequest(metadata, redirectURI)
	state, verifier := randomState(), oauth2.GenerateVerifier()
	callback := newCallbackPage(uri, f.Provider.RemoteRedirectURI)
	callback.state, callback.issuer, callback.issuerRequired = state, f.Provider.Issuer, metadata.AuthorizationResponseIss
	callback.redeem = func(code string) (*Result, error) {
		answer, err := f.redeem(ctx, request, code, verifier)
		if err != nil {
			return nil, err
		}
		return f.accept(ctx, client, answer)
	}
	server := serveLoopback(callback, listeners)
	defer server.close()

	opened := f.show(request.AuthCodeURL(state, f.authorizationParameters(client, verifier)...))
	for {
		select {
		case outcome := <-callback.outcome:
			return outcome.result, outcome.err
		case err := <-opened:
			if err != nil && f.ShowURL == nil {
				return nil, &Error{Code: CodeBrowser, Detail: "no browser could be started", Err: err}
			}
			opened = nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// authorizationParameters are those beside client_id, redirect_uri, response_type, scope and state. The nonce is what the
// provider signs, and so what binds the ID token to the key.
func (f *Flow) authorizationParameters(client *pktoken.ClientInstance, verifier string) []oauth2.AuthCodeOption {
	options := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(verifier),
		oauth2.SetAuthURLParam("nonce", client.Commitment()),
	}
	if f.Provider.AccessType != "" {
		options = append(options, oauth2.SetAuthURLParam("access_type", f.Provider.AccessType))
	}
	if f.Provider.Prompt != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", f.Provider.Prompt))
	}
	return options
}

// show does not wait for the browser to start. The channel gets one value.
func (f *Flow) show(url string) <-chan error {
	if f.ShowURL != nil {
		f.ShowURL(url)
	}
	open := f.OpenBrowser
	if open == nil {
		open = Browser{}.Open
	}
	opened := make(chan error, 1)
	go func() { opened <- open(url) }()
	return opened
}

func randomState() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
