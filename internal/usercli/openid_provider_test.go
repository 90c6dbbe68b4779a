package usercli_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"opkssh/pkg/pktoken/pktokentest"
)

// openIDProvider is an OpenID provider on loopback at which alice is logged in already. How it behaves is the client's to
// choose, by its client ID.
type openIDProvider struct {
	t      testing.TB
	issuer *pktokentest.Issuer

	mu     sync.Mutex
	logins map[string]url.Values // code to the authorization request
}

func startOpenIDProvider(t testing.TB) (issuer string) {
	server := newOpenIDProvider(t, "http")
	server.Start()
	return server.URL
}

// newOpenIDProvider is to be started, with TLS where the scheme is https.
func newOpenIDProvider(t testing.TB, scheme string) *httptest.Server {
	p := &openIDProvider{t: t, logins: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.metadata)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("POST /device", p.device)
	server := httptest.NewUnstartedServer(mux)
	p.issuer = pktokentest.NewIssuer(t, scheme+"://"+server.Listener.Addr().String(), "ES256")
	t.Cleanup(server.Close)
	return server
}

func (p *openIDProvider) answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		p.t.Error(err)
	}
}

func (p *openIDProvider) metadata(w http.ResponseWriter, _ *http.Request) {
	p.answer(w, http.StatusOK, map[string]any{
		"issuer":                                p.issuer.URL,
		"authorization_endpoint":                p.issuer.URL + "/authorize",
		"token_endpoint":                        p.issuer.URL + "/token",
		"device_authorization_endpoint":         p.issuer.URL + "/device",
		"jwks_uri":                              p.issuer.URL + "/keys",
		"response_types_supported":              []string{"code"},
		"scopes_supported":                      []string{"openid", "email", "offline_access", "short"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

func (p *openIDProvider) keys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(pktokentest.JWKS(p.t, p.issuer.JWK(p.t))); err != nil {
		p.t.Error(err)
	}
}

func (p *openIDProvider) authorize(w http.ResponseWriter, r *http.Request) {
	request := r.URL.Query()
	back, err := url.Parse(request.Get("redirect_uri"))
	if err != nil {
		p.t.Error(err)
		return
	}
	answer := back.Query()
	answer.Set("state", request.Get("state"))
	if request.Get("client_id") == "refused-client" {
		answer.Set("error", "access_denied")
		answer.Set("error_description", "not today")
	} else {
		code := rand.Text()
		p.mu.Lock()
		p.logins[code] = request
		p.mu.Unlock()
		answer.Set("code", code)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (p *openIDProvider) token(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("device_code") != "" {
		p.deviceToken(w, r)
		return
	}
	if r.PostFormValue("grant_type") == "refresh_token" {
		p.refresh(w, r)
		return
	}
	p.mu.Lock()
	request, known := p.logins[r.PostFormValue("code")]
	delete(p.logins, r.PostFormValue("code"))
	p.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !known || request.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(challenge[:]) {
		p.answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	_, secret := clientOf(r)
	request.Set("client_secret", secret)
	claims := map[string]any{
		"nonce": request.Get("nonce"), "sub": "user-42", "email": "alice@example.com",
	}
	if slices.Contains(strings.Fields(request.Get("scope")), "bob") { // somebody with two accounts, who took the other one
		claims["sub"], claims["email"] = "user-43", "bob@example.com"
	}
	claims["aud"], claims["azp"] = audience(request.Get("client_id"))
	switch request.Get("client_id") {
	case "hostile-client": // a person who may choose a name, and chooses one that a terminal obeys
		claims["email"] = "alice\x1b]0;owned\x07\u202e@example.com"
	case "other-key-client": // the ID token was made for another key
		claims["nonce"] = "another"
	case "many-groups-client":
		claims["groups"] = make([]string, 30000)
	case "more-groups-client": // more than a PK token has room for
		claims["groups"] = make([]string, 60000)
	}
	p.setLife(request, claims)
	if hasScope(request, "long-ago") { // as it looks when the login was an hour and a half ago, and the ID token has been refreshed since
		claims["iat"] = time.Now().Unix() - 90*60
	}
	p.answer(w, http.StatusOK, p.withRefreshToken(request, claims, map[string]any{
		"access_token": "the-access-token", "token_type": "Bearer", "expires_in": 3600, "id_token": p.idToken(r, request, claims),
	}))
}

// audience: the ID tokens of some clients are for others of their project too, and say which of them asked, or do not.
func audience(client string) (aud, azp any) {
	switch client {
	case "party-a", "party-b":
		return []string{"party-a", "party-b"}, client
	case "project-a", "project-b":
		return []string{"project-a", "project-b"}, nil
	}
	return client, nil
}
