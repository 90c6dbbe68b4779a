package login

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
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

// Flow is a login: the authorization code flow with PKCE in a browser on this computer, unless Kind says otherwise. Provider,
// Discovery and Keys are required.
type Flow struct {
	Provider  Provider
	Discovery Discoverer
	Keys      pktoken.KeySet
	// Kind is not [FlowAuto]; "" is [FlowBrowser].
	Kind FlowKind
	// UserKey is client's key. It is required where Provider asks for key binding, and not used elsewhere.
	UserKey crypto.Signer

	// Network is how the token endpoint is reached: the same as for Discovery.
	Network idp.Network
	// OpenBrowser shows the URL to the person; nil is Browser{}.Open. An error ends the login only without ShowURL.
	OpenBrowser func(url string) error
	// ShowURL is told the URL before the browser is, for a person who has to open it by hand. May be nil.
	ShowURL func(url string)
	// ShowRedirect is told before ShowURL at which address this computer waits for the browser, for a person who sits at
	// another one and can forward a port. May be nil.
	ShowRedirect func(redirectURI string)
	// Paste reads one line that the person pasted, [MaxPasted] bytes at most; problem says what was wrong with the one
	// before, or is "". It returns soon after ctx is done. [FlowPaste] alone needs it.
	Paste func(ctx context.Context, problem string) (string, error)
	// ShowDevice tells the person which code to enter where. [FlowDevice] alone needs it.
	ShowDevice func(DeviceCode)
	// Memory is what is known of device flows. [FlowDevice] alone uses it.
	Memory DeviceMemory
	// Timeout is for the whole login; 0 is DefaultTimeout.
	Timeout time.Duration
	// Now is the clock for the ID token; nil is time.Now.
	Now func() time.Time

	// pause waits between two questions to the token endpoint; nil is a timer.
	pause func(ctx context.Context, d time.Duration) error
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
		e := &Error{
			Code:   CodeTimeout,
			Detail: fmt.Sprintf("nobody finished the login in the browser within %s", timeout),
			Hint:   "log in again, and leave the browser's page open until it says that it is done",
		}
		if f.Kind == FlowPaste || f.Kind == FlowDevice {
			e.Hint = "log in again; --timeout gives more time"
		}
		return nil, e
	default:
		return nil, &Error{Code: CodeCanceled, Detail: "the login was given up"}
	}
}

func (f *Flow) login(ctx context.Context, client *pktoken.ClientInstance) (*Result, error) {
	if err := f.Provider.check(); err != nil {
		return nil, &Error{Code: CodeConfiguration, Detail: "provider", Err: err}
	}
	// The documents may be held, so that nobody would read the certificate files before the person has logged in.
	if _, err := f.tokenClient(); err != nil {
		return nil, noClient(CodeConfiguration, err)
	}
	metadata, err := f.Discovery.Discover(ctx, f.Provider.Issuer)
	if err != nil {
		return nil, noDiscovery(err, "check the issuer and the network (a proxy is named by HTTPS_PROXY)")
	}
	proof, err := f.newKeyProof(metadata.DPoPSigningAlgValuesSupported)
	if err != nil {
		return nil, err
	}
	switch f.Kind {
	case "", FlowBrowser, FlowPaste:
		return f.authorizationCode(ctx, client, metadata, proof)
	case FlowDevice:
		return f.device(ctx, client, metadata, proof)
	}
	return nil, &Error{Code: CodeConfiguration, Detail: "flow", Expected: "browser, paste or device", Got: printable(string(f.Kind), 100)}
}

// requireEndpoints takes pairs of a member of the metadata and its value.
func requireEndpoints(endpoints ...[2]string) error {
	for _, e := range endpoints {
		if e[1] == "" {
			return &Error{Code: CodeDiscovery, Detail: "the provider has no " + e[0]}
		}
	}
	return nil
}

func (f *Flow) authorizationCode(
	ctx context.Context, client *pktoken.ClientInstance, metadata *idp.Metadata, proof *keyProof,
) (*Result, error) {
	err := requireEndpoints([2]string{"authorization_endpoint", metadata.AuthorizationEndpoint}, [2]string{"token_endpoint", metadata.TokenEndpoint})
	if err != nil {
		return nil, err
	}
	uri, listeners, err := f.listen()
	if err != nil {
		return nil, err
	}
	redirectURI := uri.String()
	if f.Provider.RemoteRedirectURI != "" {
		redirectURI = f.Provider.RemoteRedirectURI
	}

	request := f.authorizationRequest(metadata, proof, redirectURI)
	state, verifier := randomState(), oauth2.GenerateVerifier()
	callback := newCallbackPage(uri, f.Provider.RemoteRedirectURI)
	callback.state, callback.issuer, callback.issuerRequired = state, f.Provider.Issuer, metadata.AuthorizationResponseIss
	callback.redeem = func(code string) (*Result, error) {
		answer, err := f.redeem(ctx, request, proof, code, verifier)
		if err != nil {
			return nil, err
		}
		return f.accept(ctx, client, answer)
	}
	server := serveLoopback(callback, listeners)
	defer server.close()
	if f.ShowRedirect != nil && len(listeners) > 0 && f.Provider.RemoteRedirectURI == "" {
		f.ShowRedirect(uri.String())
	}

	pageURL := request.AuthCodeURL(state, f.authorizationParameters(client, proof, verifier)...)
	if f.Kind == FlowPaste {
		return f.waitForPaste(ctx, callback, pageURL, redirectURI, len(listeners) > 0)
	}
	opened := f.show(pageURL)
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
func (f *Flow) authorizationParameters(client *pktoken.ClientInstance, proof *keyProof, verifier string) []oauth2.AuthCodeOption {
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
	if proof != nil {
		options = append(options, oauth2.SetAuthURLParam("dpop_jkt", proof.thumbprint)) // RFC 9449 §10
	}
	return options
}

// listen is at the redirect URI, or nowhere if no port is free and the answer may be pasted.
func (f *Flow) listen() (*url.URL, []net.Listener, error) {
	uri, listeners, err := listenFirst(f.Provider.RedirectURIs)
	if err == nil || f.Kind != FlowPaste {
		return uri, listeners, err
	}
	uri, err = url.Parse(f.Provider.RedirectURIs[0])
	return uri, nil, err
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
