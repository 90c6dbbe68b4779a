package usercli_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// device starts a device flow, in which alice enters the code at once (RFC 8628 §3.2).
func (p *openIDProvider) device(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		p.t.Error(err)
		return
	}
	if r.PostForm.Get("client_id") == "no-device-client" {
		p.answer(w, http.StatusBadRequest, map[string]any{"error": "unauthorized_client"})
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.logins[code] = r.PostForm
	p.mu.Unlock()
	p.answer(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": "WDJB-MJHT", "expires_in": 600, "interval": 1,
		"verification_uri": p.issuer.URL + "/enter", "verification_uri_complete": p.issuer.URL + "/enter?user_code=WDJB-MJHT",
	})
}

// deviceToken answers the poll (RFC 8628 §3.5). A nonce comes back to nonce-client alone, as most providers drop it.
func (p *openIDProvider) deviceToken(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	request, known := p.logins[r.PostFormValue("device_code")]
	delete(p.logins, r.PostFormValue("device_code"))
	p.mu.Unlock()
	if !known || r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:device_code" {
		p.answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	claims := map[string]any{"aud": request.Get("client_id"), "sub": "user-42", "email": "alice@example.com"}
	if request.Get("client_id") == "nonce-client" {
		claims["nonce"] = request.Get("nonce")
	}
	p.answer(w, http.StatusOK, map[string]any{
		"access_token": "the-access-token", "token_type": "Bearer", "id_token": p.idToken(r, request, claims),
	})
}

// ofType lets the ID tokens of at-client call themselves access tokens (RFC 9068).
func (p *openIDProvider) ofType(request url.Values, jwt string) string {
	if request.Get("client_id") != "at-client" {
		return jwt
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	if err != nil {
		p.t.Error(err)
	}
	header := p.issuer.Header()
	header["typ"] = "at+jwt"
	return p.issuer.Sign(p.t, header, payload)
}

// idToken binds the ID token of binding-client to the key that is proven (OpenID Connect Key Binding 1.0).
func (p *openIDProvider) idToken(r *http.Request, request url.Values, claims map[string]any) string {
	if request.Get("client_id") != "binding-client" || !slices.Contains(strings.Fields(request.Get("scope")), "bound_key") {
		return p.ofType(request, p.issuer.IDToken(p.t, claims))
	}
	proof, err := jose.ParseSignedCompact(r.Header.Get("DPoP"), []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil {
		p.t.Error(err)
		return ""
	}
	key := proof.Signatures[0].Protected.JSONWebKey
	if _, err := proof.Verify(key); err != nil {
		p.t.Error(err)
	}
	all := map[string]any{"iss": p.issuer.URL, "iat": time.Now().Unix(), "exp": time.Now().Unix() + 3600, "cnf": map[string]any{"jwk": key}}
	maps.Copy(all, claims)
	payload, err := json.Marshal(all)
	if err != nil {
		p.t.Error(err)
	}
	header := p.issuer.Header()
	header["typ"] = "dpop+id_token"
	return p.issuer.Sign(p.t, header, payload)
}
