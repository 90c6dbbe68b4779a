package login_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"opkssh/integration/freeport"
	"opkssh/internal/idp"
	"opkssh/internal/login"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

// openIDProvider is as strict as the spec allows a provider to be, and can be told to misbehave. The codes and tokens that it
// gives out all hold the word hush.
type openIDProvider struct {
	t        *testing.T
	server   *httptest.Server
	issuer   *pktokentest.Issuer
	metadata *idp.Metadata

	secret  string                                                // what the client has to authenticate with
	claims  map[string]any                                        // over those of the ID token
	answer  func(url.Values)                                      // changes the authorization response
	token   func(w http.ResponseWriter, r *http.Request) bool     // answers the token request, if true
	members func(answer map[string]any)                           // changes the token response
	idToken func(jwt string, claims map[string]any) (jwt2 string) // changes the ID token

	device openIDDevice
	dpop   openIDKeyBinding

	mu            sync.Mutex
	authorization url.Values // of the last authorization request
	tokenForm     url.Values // of the last token request
	basicAuth     bool       // the last token request had an Authorization header
}

func newOpenIDProvider(t *testing.T) *openIDProvider {
	p := &openIDProvider{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", p.serveAuthorize)
	mux.HandleFunc("POST /token", p.serveToken)
	mux.HandleFunc("POST /device", p.serveDevice)
	p.server = httptest.NewUnstartedServer(mux)
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0) // it hangs up when it is told to
	p.server.Start()
	t.Cleanup(p.server.Close)
	p.issuer = pktokentest.NewIssuer(t, p.server.URL, "ES256")
	p.metadata = &idp.Metadata{
		Issuer:                p.server.URL,
		AuthorizationEndpoint: p.server.URL + "/authorize",
		TokenEndpoint:         p.server.URL + "/token",
	}
	return p
}

func (p *openIDProvider) Discover(context.Context, string) (*idp.Metadata, error) {
	return p.metadata, nil
}

func (p *openIDProvider) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.mu.Lock()
	p.authorization = q
	p.mu.Unlock()
	answer := url.Values{"code": {"hush-code"}, "state": {q.Get("state")}, "iss": {p.issuer.URL}}
	if p.answer != nil {
		p.answer(answer)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+answer.Encode(), http.StatusFound)
}

func (p *openIDProvider) serveToken(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	basicAuth := r.Header.Get("Authorization") != ""
	p.mu.Lock()
	request := p.authorization
	p.tokenForm, p.basicAuth = r.PostForm, basicAuth
	p.mu.Unlock()
	if p.token != nil && p.token(w, r) {
		return
	}
	if p.clientSecret(r) != p.secret || r.PostForm.Has("client_secret") && p.secret == "" || basicAuth && p.secret == "" {
		answerJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	if r.PostForm.Get("grant_type") == deviceGrant {
		if !p.approved(w, r) {
			return
		}
		request = p.device.request()
	} else if !p.provesCode(w, r, request) {
		return
	}
	claims := map[string]any{"nonce": request.Get("nonce"), "sub": "alice-1", "email": "alice@example.com", "aud": request.Get("client_id")}
	if p.device.dropsNonce && r.PostForm.Get("grant_type") == deviceGrant || !request.Has("nonce") {
		delete(claims, "nonce")
	}
	for name, value := range p.claims {
		claims[name] = value
	}
	jwt, ok := p.boundIDToken(w, r, request, claims)
	if !ok {
		return
	}
	if p.idToken != nil {
		jwt = p.idToken(jwt, claims)
	}
	answer := map[string]any{"access_token": "hush-access", "refresh_token": "hush-refresh", "token_type": "Bearer", "id_token": jwt}
	if p.members != nil {
		p.members(answer)
	}
	answerJSON(w, http.StatusOK, answer)
}

// provesCode checks the code and PKCE.
func (p *openIDProvider) provesCode(w http.ResponseWriter, r *http.Request, request url.Values) bool {
	challenge := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if r.PostForm.Get("grant_type") != "authorization_code" || r.PostForm.Get("code") != "hush-code" ||
		r.PostForm.Get("redirect_uri") != request.Get("redirect_uri") || request.Get("code_challenge_method") != "S256" ||
		base64.RawURLEncoding.EncodeToString(challenge[:]) != request.Get("code_challenge") {
		answerJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return false
	}
	return true
}

// clientSecret is the one of a client that named itself, in the one way or the other.
func (p *openIDProvider) clientSecret(r *http.Request) string {
	if id, secret, ok := r.BasicAuth(); ok && id == pktokentest.ClientID {
		return secret
	}
	if r.PostForm.Get("client_id") == pktokentest.ClientID {
		return r.PostForm.Get("client_secret")
	}
	return "no client"
}

func answerJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// provider is the client's view of it, with ports that were free just now.
// withType is the JWT with another typ, signed anew.
func (p *openIDProvider) withType(jwt, typ string) string {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	if err != nil {
		p.t.Error(err)
	}
	header := p.issuer.Header()
	header["typ"] = typ
	return p.issuer.Sign(p.t, header, payload)
}

func (p *openIDProvider) provider() login.Provider {
	redirectURIs := []string{}
	for range 3 {
		redirectURIs = append(redirectURIs, "http://localhost:"+freePort(p.t)+"/login-callback")
	}
	return login.Provider{
		Issuer:       p.issuer.URL,
		ClientID:     pktokentest.ClientID,
		ClientSecret: p.secret,
		Scopes:       []string{"openid", "email"},
		AccessType:   "offline",
		Prompt:       "consent",
		RedirectURIs: redirectURIs,
	}
}

// flow logs in with a browser that does as it is told.
func (p *openIDProvider) flow(b *browser) *login.Flow {
	return &login.Flow{
		Provider:    p.provider(),
		Discovery:   p,
		Keys:        pktokentest.KeySet(p.t, p.issuer),
		OpenBrowser: b.open,
	}
}

func newClient(t *testing.T) *pktoken.ClientInstance {
	t.Helper()
	client, err := pktoken.NewClientInstance(rand.Reader, pktokentest.UserKey(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func freePort(t *testing.T) string { return strconv.Itoa(freeport.Find(t)) }

// shown is a page in the browser.
type shown struct {
	status int
	header http.Header
	body   string
	err    error
}

// browser follows the URL it is given to its end, like one where the person is logged in already.
type browser struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	first func(authorizationURL string) // before the URL is opened
	page  chan shown                    // the last page
}

func newBrowser() *browser { return &browser{page: make(chan shown, 1)} }

func (b *browser) open(authorizationURL string) error {
	if b.first != nil {
		b.first(authorizationURL)
	}
	request, err := http.NewRequest(http.MethodGet, authorizationURL, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DialContext: b.dial}
	defer transport.CloseIdleConnections()
	b.page <- visit(transport, request)
	return nil
}

func visit(transport http.RoundTripper, request *http.Request) shown {
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return shown{err: err}
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	return shown{answer.StatusCode, answer.Header, string(body), err}
}

// get is one request to a page, with another Host header if host is not empty.
func get(t *testing.T, method, pageURL, host string) shown {
	request, err := http.NewRequest(method, pageURL, nil)
	if err != nil {
		t.Error(err)
		return shown{}
	}
	request.Host = host
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	return visit(transport, request)
}
