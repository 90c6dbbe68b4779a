package endtoend

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"opkssh/integration/provider"
	"opkssh/pkg/pktoken/pktokentest"
)

// BoundKeyProvider is an OpenID provider with OpenID Connect Key Binding 1.0, for want of a real one to install. alice is logged
// in there, and enters device codes at once. It is strict, and checks DPoP proofs (RFC 9449 §4.3) with code that is not ours.
type BoundKeyProvider struct {
	*pktokentest.Issuer

	t      testing.TB
	mu     sync.Mutex
	logins map[string]url.Values // code or device code to the request
	jtis   []string
}

// dpopNonce has to be in each proof (RFC 9449 §8).
const dpopNonce = "nonce-of-the-provider"

// StartBoundKeyProvider runs the provider until the test ends.
func StartBoundKeyProvider(t testing.TB) *BoundKeyProvider {
	t.Helper()
	p := &BoundKeyProvider{t: t, logins: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(pktokentest.JWKS(t, p.JWK(t)))
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /device", p.device)
	mux.HandleFunc("POST /token", p.token)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.Issuer = pktokentest.NewIssuer(t, server.URL, "RS256")
	return p
}

// Person is alice at a laptop whose configuration asks for key binding.
func (p *BoundKeyProvider) Person(t testing.TB) *Person {
	t.Helper()
	return &Person{
		Home:     t.TempDir(),
		User:     provider.User{Name: "alice", Email: "alice@example.com"},
		Provider: &provider.Provider{Issuer: p.URL, ClientID: pktokentest.ClientID},
	}
}

func (p *BoundKeyProvider) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
		"device_authorization_endpoint": p.URL + "/device", "jwks_uri": p.URL + "/keys",
		"scopes_supported":                  []string{"openid", "email", "profile", "bound_key"},
		"dpop_signing_alg_values_supported": []string{"ES256", "EdDSA"},
	})
}

func (p *BoundKeyProvider) authorize(w http.ResponseWriter, r *http.Request) {
	request := r.URL.Query()
	back, err := url.Parse(request.Get("redirect_uri"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	back.RawQuery = url.Values{"code": {p.remember(request)}, "state": {request.Get("state")}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (p *BoundKeyProvider) device(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"device_code": p.remember(r.PostForm), "user_code": "WDJB-MJHT", "verification_uri": p.URL + "/enter", "expires_in": 600, "interval": 1,
	})
}

func (p *BoundKeyProvider) remember(request url.Values) (code string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	code = rand.Text()
	p.logins[code] = request
	return code
}

func (p *BoundKeyProvider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	code := r.PostFormValue("code") + r.PostFormValue("device_code")
	request := p.logins[code]
	verifier := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if request == nil || r.PostForm.Has("code") && base64.RawURLEncoding.EncodeToString(verifier[:]) != request.Get("code_challenge") {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	nonce, key, err := p.checkProof(r, code, request.Get("dpop_jkt"))
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_dpop_proof", "error_description": err.Error()})
		return
	}
	if nonce != dpopNonce {
		w.Header().Set("DPoP-Nonce", dpopNonce)
		answer(w, http.StatusBadRequest, map[string]any{"error": "use_dpop_nonce"})
		return
	}
	delete(p.logins, code)
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": p.URL, "aud": request.Get("client_id"), "sub": "alice", "email": "alice@example.com", "iat": now, "exp": now + 3600,
		"cnf": map[string]any{"jwk": key},
	}
	if request.Has("nonce") && r.PostForm.Has("code") {
		claims["nonce"] = request.Get("nonce")
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
	}
	header := p.Header()
	header["typ"] = "dpop+id_token"
	answer(w, http.StatusOK, map[string]any{"access_token": rand.Text(), "token_type": "DPoP", "id_token": p.Sign(p.t, header, payload)})
}

// checkProof needs the lock.
func (p *BoundKeyProvider) checkProof(r *http.Request, code, thumbprint string) (nonce string, key *jose.JSONWebKey, err error) {
	if n := len(r.Header.Values("DPoP")); n != 1 {
		return "", nil, fmt.Errorf("expected one DPoP header, got %d", n)
	}
	proof, err := jose.ParseSignedCompact(r.Header.Get("DPoP"), []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil {
		return "", nil, err
	}
	header := proof.Signatures[0].Protected
	key = header.JSONWebKey
	if header.ExtraHeaders["typ"] != "dpop+jwt" || key == nil || !key.IsPublic() {
		return "", nil, fmt.Errorf("header %+v", header)
	}
	payload, err := proof.Verify(key)
	if err != nil {
		return "", nil, err
	}
	var claims struct {
		JTI, HTM, HTU, Nonce string
		IAT                  int64
		Code                 string `json:"c_s256"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", nil, err
	}
	got, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", nil, err
	}
	hash := sha256.Sum256([]byte(code))
	switch age := time.Now().Unix() - claims.IAT; {
	case base64.RawURLEncoding.EncodeToString(got) != thumbprint:
		err = fmt.Errorf("expected the key %q, got %q", thumbprint, got)
	case claims.HTM != http.MethodPost || !strings.EqualFold(claims.HTU, p.URL+"/token"):
		err = fmt.Errorf("for %s %s", claims.HTM, claims.HTU)
	case age < -60 || age > 60:
		err = fmt.Errorf("%d seconds old", age)
	case claims.JTI == "" || slices.Contains(p.jtis, claims.JTI):
		err = fmt.Errorf("jti %q", claims.JTI)
	case claims.Code != base64.RawURLEncoding.EncodeToString(hash[:]):
		err = fmt.Errorf("c_s256 %q", claims.Code)
	}
	p.jtis = append(p.jtis, claims.JTI)
	return claims.Nonce, key, err
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
