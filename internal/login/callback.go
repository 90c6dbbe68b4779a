package login

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// What is read of the browser, in bytes, and what is kept of a provider's words, in characters.
const (
	maxQuery     = 16 << 10
	maxErrorCode = 100
	maxErrorText = 500
)

// callbackPage is the page of the redirect URI. It takes one authorization response (RFC 6749 §4.1.2) and ends the login with
// it, good or bad: what does not belong to this login is not waited out.
type callbackPage struct {
	path       string
	remoteHost string // may stand in Host too, as whatever is at the remote redirect URI may keep it

	state          string
	issuer         string
	issuerRequired bool
	redeem         func(code string) (*Result, error)

	answered atomic.Bool
	outcome  chan outcome  // gets one value
	shown    chan struct{} // closed when the browser has the page that belongs to the outcome
}

type outcome struct {
	result *Result
	err    error
}

func newCallbackPage(uri *url.URL, remoteRedirectURI string) *callbackPage {
	c := &callbackPage{path: uri.Path, outcome: make(chan outcome, 1), shown: make(chan struct{})}
	if c.path == "" {
		c.path = "/"
	}
	if u, err := url.Parse(remoteRedirectURI); err == nil {
		c.remoteHost = u.Hostname()
	}
	return c
}

// ServeHTTP implements [http.Handler].
func (c *callbackPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Another site whose name was pointed at this computer (DNS rebinding) is not us.
	if !c.isOurs(r.Host) {
		writePage(w, http.StatusForbidden, page{Heading: "Wrong address", Message: "This page answers under a loopback address alone."})
		return
	}
	if r.Method != http.MethodGet || r.URL.Path != c.path {
		writePage(w, http.StatusNotFound, page{Heading: "Not found", Message: "There is no such page here."})
		return
	}
	if len(r.URL.RawQuery) > maxQuery {
		writePage(w, http.StatusRequestURITooLong, page{Heading: "Not an answer", Message: "The address is too long."})
		return
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !query.Has("code") && !query.Has("error") && !query.Has("state") {
		writePage(w, http.StatusBadRequest, page{
			Heading: "Still waiting",
			Message: "This page waits for the answer of your identity provider, and this was none. Go on in the page where you log in.",
		})
		return
	}
	if !c.answered.CompareAndSwap(false, true) {
		writePage(w, http.StatusConflict, page{Heading: "Already answered", Message: "This login was answered before. You can close this page."})
		return
	}
	defer close(c.shown)
	result, err := c.take(query)
	c.outcome <- outcome{result, err}
	if err != nil {
		writePage(w, http.StatusBadRequest, failurePage(err))
	} else {
		writePage(w, http.StatusOK, successPage(result))
	}
	_ = http.NewResponseController(w).Flush() // a browser that is gone misses nothing
}

// take checks an authorization response in the order in which its parts can be believed.
func (c *callbackPage) take(query url.Values) (*Result, error) {
	// RFC 6749 §10.12: an answer that we did not ask for. The state is not repeated, it may be another login's.
	if len(query["state"]) != 1 || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(c.state)) != 1 {
		return nil, &Error{
			Code:   CodeState,
			Detail: "the answer in the browser belongs to another login",
			Hint:   "close the browser's pages of earlier logins and log in again; if it happens again, somebody may be tampering with the login",
		}
	}
	// RFC 6749 §4.1.2: none may be there twice.
	for _, name := range []string{"code", "error", "error_description", "error_uri", "iss"} {
		if len(query[name]) > 1 {
			return nil, &Error{Code: CodeProvider, Detail: "the provider's answer has the parameter " + name + " twice"}
		}
	}
	// RFC 9207 §2.4.
	if (query.Has("iss") || c.issuerRequired) && query.Get("iss") != c.issuer {
		return nil, &Error{
			Code:     CodeIssuer,
			Detail:   "the answer in the browser comes from another provider",
			Expected: c.issuer,
			Got:      printable(query.Get("iss"), maxErrorText),
		}
	}
	if query.Has("error") {
		return nil, providerError(query)
	}
	if query.Get("code") == "" {
		return nil, &Error{Code: CodeProvider, Detail: "the provider's answer has neither code nor error"}
	}
	return c.redeem(query.Get("code"))
}

// providerError: RFC 6749 §4.1.2.1.
func providerError(query url.Values) *Error {
	e := &Error{
		Code:                CodeProvider,
		Detail:              "the provider did not log you in",
		ProviderError:       printable(query.Get("error"), maxErrorCode),
		ProviderDescription: printable(query.Get("error_description"), maxErrorText),
		ProviderURI:         printable(query.Get("error_uri"), maxErrorText),
	}
	switch query.Get("error") {
	case "access_denied":
		e.Code, e.Detail = CodeRefused, "the login was refused, by you or by a rule of the provider"
	case "invalid_scope":
		e.Hint = "the provider does not know one of the scopes: set scopes in the configuration"
	case "unauthorized_client":
		e.Hint = "check client_id, and that the client may use the authorization code flow at the provider"
	case "temporarily_unavailable", "server_error":
		e.Hint = "try again later"
	}
	return e
}

func (c *callbackPage) isOurs(host string) bool {
	name := withoutPort(host)
	return isLoopbackHost(name) || c.remoteHost != "" && strings.EqualFold(name, c.remoteHost)
}

// withoutPort is the name or address in a Host header.
func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}
