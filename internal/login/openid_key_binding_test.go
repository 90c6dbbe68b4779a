package login_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// openIDKeyBinding is how the provider binds ID tokens to keys (RFC 9449, OpenID Connect Key Binding 1.0).
type openIDKeyBinding struct {
	enabled bool
	nonce   string                                            // what a proof has to hold, if not empty
	change  func(header, claims map[string]any)               // changes the ID token
	proofs  []map[string]any                                  // the claims of all proofs until now
	headers []string                                          // what came in the header DPoP until now
	refuse  func(w http.ResponseWriter, r *http.Request) bool // answers a token request, if true
}

// boundIDToken makes the ID token, bound to a key if that is enabled and asked for.
func (p *openIDProvider) boundIDToken(w http.ResponseWriter, r *http.Request, request url.Values, claims map[string]any) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dpop.headers = append(p.dpop.headers, r.Header.Get("DPoP"))
	if p.dpop.refuse != nil && p.dpop.refuse(w, r) {
		return "", false
	}
	if !p.dpop.enabled || !slices.Contains(strings.Fields(request.Get("scope")), "bound_key") {
		return p.issuer.IDToken(p.t, claims), true
	}
	proof, key, err := p.readProof(r, request)
	if err != nil {
		answerJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_dpop_proof", "error_description": err.Error()})
		return "", false
	}
	p.dpop.proofs = append(p.dpop.proofs, proof)
	if p.dpop.nonce != "" {
		w.Header().Set("DPoP-Nonce", p.dpop.nonce)
		if proof["nonce"] != p.dpop.nonce {
			answerJSON(w, http.StatusBadRequest, map[string]any{"error": "use_dpop_nonce"})
			return "", false
		}
	}
	now := time.Now().Unix()
	all := map[string]any{"iss": p.issuer.URL, "iat": now, "exp": now + 3600, "cnf": map[string]any{"jwk": key}}
	maps.Copy(all, claims)
	header := p.issuer.Header()
	header["typ"] = "dpop+id_token"
	if p.dpop.change != nil {
		p.dpop.change(header, all)
	}
	payload, err := json.Marshal(all)
	if err != nil {
		p.t.Error(err)
	}
	return p.issuer.Sign(p.t, header, payload), true
}

// readProof checks a DPoP proof with another library (RFC 9449 §4.3).
func (p *openIDProvider) readProof(r *http.Request, request url.Values) (claims map[string]any, key *jose.JSONWebKey, err error) {
	if n := len(r.Header.Values("DPoP")); n != 1 {
		return nil, nil, fmt.Errorf("expected one proof, got %d", n)
	}
	proof, err := jose.ParseSignedCompact(r.Header.Get("DPoP"), []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil {
		return nil, nil, err
	}
	header := proof.Signatures[0].Protected
	key = header.JSONWebKey
	if header.ExtraHeaders["typ"] != "dpop+jwt" || key == nil || !key.Valid() || !key.IsPublic() {
		return nil, nil, fmt.Errorf("header %+v", header)
	}
	payload, err := proof.Verify(key)
	if err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, nil, err
	}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, nil, err
	}
	code := sha256.Sum256([]byte(r.PostForm.Get("code") + r.PostForm.Get("device_code")))
	age := float64(time.Now().Unix()) - claims["iat"].(float64)
	jti, _ := claims["jti"].(string)
	switch {
	case base64.RawURLEncoding.EncodeToString(thumbprint) != request.Get("dpop_jkt"):
		err = fmt.Errorf("another key than dpop_jkt")
	case claims["htm"] != "POST" || claims["htu"] != p.issuer.URL+"/token":
		err = fmt.Errorf("for %v %v", claims["htm"], claims["htu"])
	case age < -60 || age > 60:
		err = fmt.Errorf("%v seconds old", age)
	case len(jti) < 16 || slices.ContainsFunc(p.dpop.proofs, func(old map[string]any) bool { return old["jti"] == jti }):
		err = fmt.Errorf("jti %q", jti)
	case claims["c_s256"] != base64.RawURLEncoding.EncodeToString(code[:]):
		err = fmt.Errorf("c_s256 %v", claims["c_s256"])
	}
	return claims, key, err
}
